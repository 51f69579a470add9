package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// terminal returns a terminal and the end at which a person types.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	var unlock, number int32
	for request, value := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, person.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

func TestPersonIsAskedBeforeRecordsAreDropped(t *testing.T) {
	t.Parallel()
	p := kept(t, 2)
	id := p.streams()[0].Stream
	p.sees("suspend "+id, "is suspended")
	meanwhile := func() { p.sees("ls", id) } // the spool is free while it waits for the answer
	drop := func(answer string, interrupt bool, code int) *program.Process {
		t.Helper()
		person, tty := terminal(t)
		proc := program.Start(t, binary, program.Options{
			Args: []string{"spool", "drop", "--spool-dir", p.dir, "--pending", id}, Stdin: tty})
		program.Until(t, "it asks", func() bool {
			return strings.HasSuffix(proc.Stderr.String(), "Drop 2 of the records that wait of stream "+id+" for good? [y/N] ")
		})
		meanwhile()
		if _, err := person.WriteString(answer); err != nil {
			t.Fatal(err)
		}
		if interrupt {
			proc.Signal(syscall.SIGINT)
		}
		if got := proc.Exit(); got != code {
			t.Errorf("answer %q: exit code %d, stderr %s", answer, got, proc.Stderr)
		}
		return proc
	}
	for _, no := range []string{"\n", "n\n", "yellow\n", "\x04"} {
		if proc := drop(no, false, exitProblem); !strings.Contains(proc.Stderr.String(), "nothing was dropped") {
			t.Errorf("answer %q: %s", no, proc.Stderr)
		}
	}
	drop("", true, exitProblem)
	if n := p.streams()[0].Pending; n != 2 {
		t.Errorf("%d records wait, want 2", n)
	}
	meanwhile = func() {
		r, socket, _ := startDurable(t, p.dir)
		connect(t, socket, durableRoute(gone)).mustPost(t, "another", 202)
		stopRun(t, r)
	}
	if proc := drop("Yes\n", false, exitOK); !strings.HasPrefix(proc.Stdout.String(), "2 records dropped from stream "+id) {
		t.Errorf("stdout %s", proc.Stdout)
	}
	p.sees("show "+id, `(?m)^value +another$`)
}

func TestSpoolOnAFullDiskIsToldOf(t *testing.T) {
	t.Parallel()
	o := observe(t, "--log-level", "error")
	if err := os.Mkdir(o.spool, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", o.spool, "tmpfs", 0, "size=512k"); err != nil {
		t.Fatalf("this test mounts a small file system, which needs root and CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(o.spool, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	o.start()
	const rest = `,"delivery":"durable"` + briefly
	shows := func(ready int, reasons []string, up float64, check string) {
		t.Helper()
		status, text := fetch(o.address, "/readyz")
		if status != ready || !says(t, status, text, reasons) {
			t.Errorf("/readyz: %d %s", status, text)
		}
		if got := samplesOf(o.address)["kafkaupstream_spool_up"]; got != up {
			t.Errorf("kafkaupstream_spool_up is %v", got)
		}
		p, _ := program.Run(t, binary, program.Options{Args: []string{"check", "--offline", "-f", write(t, away(rest))}, Env: []string{"KAFKAUPSTREAM_SPOOL_DIR=" + o.spool}})
		if !strings.Contains(p.Stdout.String(), check) {
			t.Errorf("check: %s", p.Stdout)
		}
	}
	const disk, full = "the spool's disk takes no record", "no space left on device"
	shows(200, nil, 1, "may be full before the spool is")

	a := o.prepared(away(rest))
	o.sends(a, 202, strings.Repeat("x", 300_000))
	o.sends(a, 503, strings.Repeat("y", 300_000)) // for a smaller one there is room
	shows(503, []string{"no cluster answers", disk, "1 of 1"}, 0, full)
	o.sends(a, 202, "z")
	shows(200, []string{"1 of 1"}, 1, "may be full before the spool is")

	if err := os.WriteFile(o.spool+"/filler", make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	shows(503, []string{"no cluster answers", disk, "1 of 1"}, 0, full)
}
