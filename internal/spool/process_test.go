package spool

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// appendersIn is the environment variable that makes this binary append for ever.
const appendersIn = "SPOOL_TEST_APPENDERS_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(appendersIn); dir != "" {
		if err := appendForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// appendForEver prints each receipt once the record is kept. A line is one write,
// so that none is half a receipt.
func appendForEver(dir string) error {
	s, err := Open(dir, Options{SegmentBytes: 16 << 10})
	if err != nil {
		return err
	}
	st, err := s.Stream("s", []byte("{}"))
	if err != nil {
		return err
	}
	failed := make(chan error)
	for g := range 4 {
		go func() {
			for i := 0; ; i++ {
				p, err := st.Append(entry(fmt.Sprintf("%d-%d %s", g, i, strings.Repeat("x", rand.IntN(3000)))))
				if err != nil {
					failed <- err
				}
				fmt.Printf("%s %d-%d\n", p.Receipt(), g, i)
			}
		}()
	}
	return <-failed
}

func TestPromisesSurviveAKill(t *testing.T) {
	dir := t.TempDir()
	for range 20 {
		promised := killed(t, dir, 1+rand.IntN(150))
		s := openOwned(t, dir, Options{})
		st := stream(t, s, "s")
		mustLoad(t, st)
		found := map[string]string{}
		for _, e := range all(t, st) {
			found[e.Position.Receipt()], _, _ = strings.Cut(string(e.Record.Value), " ")
			mustResolve(t, st, e.Position)
		}
		for receipt, value := range promised {
			if found[receipt] != value {
				t.Errorf("%s is %q, not %q", receipt, found[receipt], value)
			}
		}
		if st.Pending() != 0 || len(segmentPaths(t, st.dir)) != 0 {
			t.Errorf("%d pending at the end", st.Pending())
		}
		s.Close()
	}
}

// killed runs appenders, kills them after some receipts and returns all that they
// printed.
func killed(t *testing.T, dir string, after int) map[string]string {
	t.Helper()
	p := program.Start(t, os.Args[0], program.Options{Env: []string{appendersIn + "=" + dir}})
	program.Until(t, "there are receipts", func() bool { return len(p.Stdout.Lines()) > after || p.Ended() })
	p.Signal(syscall.SIGKILL)
	p.Exit()
	promised := map[string]string{}
	for _, line := range p.Stdout.Lines() {
		receipt, value, _ := strings.Cut(line, " ")
		promised[receipt] = value
	}
	if len(promised) <= after {
		t.Fatalf("%d receipts", len(promised))
	}
	return promised
}

func TestLockHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	first, second := openOwned(t, dir, Options{}), open(t, dir, Options{})
	if ok, err := second.TryLock(); ok || err != nil {
		t.Errorf("two owners: %v", err)
	}
	if ok, err := first.TryLock(); !ok || err != nil {
		t.Errorf("the owner asks again: %v, %v", ok, err)
	}
	first.Close()
	if ok, err := second.TryLock(); !ok || err != nil {
		t.Errorf("after the owner: %v, %v", ok, err)
	}
}

func TestSuccessorAppendsBeforeItOwns(t *testing.T) {
	dir := t.TempDir()
	old, successor := openOwned(t, dir, Options{}), open(t, dir, Options{SegmentBytes: 200})
	oldStream, newStream := stream(t, old, "s"), stream(t, successor, "s")
	p := mustAppend(t, oldStream, "1", "2")
	mustAppend(t, newStream, "3", "4", "5", "6")
	if foreign, err := newStream.Foreign(); !foreign || err != nil {
		t.Errorf("foreign %v, %v", foreign, err)
	}
	// The successor still writes: the owner takes up and cuts off nothing of its.
	mustLoad(t, oldStream)
	if got := values(t, oldStream); got != "1 2" {
		t.Errorf("the owner took up %q", got)
	}
	mustResolve(t, oldStream, p[0])
	old.Close()
	if ok, err := successor.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	mustLoad(t, newStream)
	if got := values(t, newStream); got != "2 3 4 5 6" || newStream.Pending() != 5 {
		t.Errorf("got %q, %d pending", got, newStream.Pending())
	}
	if foreign, err := newStream.Foreign(); foreign || err != nil {
		t.Errorf("foreign %v, %v", foreign, err)
	}
}

func TestOwnerTakesUpWhatAnotherLeft(t *testing.T) {
	dir := t.TempDir()
	owner, guest := openOwned(t, dir, Options{}), open(t, dir, Options{})
	st := stream(t, owner, "s")
	mustAppend(t, st, "1")
	mustAppend(t, stream(t, guest, "s"), "2")
	guest.Close()
	mustLoad(t, st)
	p := mustAppend(t, st, "3")
	if got := values(t, st); got != "1 2 3" {
		t.Errorf("got %q", got)
	}
	if next, err := st.Next(p[0], 1, 1); next != nil || err != nil {
		t.Errorf("the last appended is not the last: %v, %v", next, err)
	}
}

func TestAppendsGoOnWhileTheOwnerRemoves(t *testing.T) {
	dir := t.TempDir()
	owner := openOwned(t, dir, Options{})
	st := stream(t, owner, "s")
	var done sync.WaitGroup
	stop := make(chan struct{})
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := st.RemoveIfEmpty(); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 60 {
		guest := open(t, dir, Options{})
		mustAppend(t, stream(t, guest, "s"), fmt.Sprint(i))
		if !exists(filepath.Join(st.dir, connectionName)) {
			t.Error("a segment without its connection")
		}
		guest.Close()
		mustLoad(t, st)
		found := all(t, st)
		if len(found) != 1 || string(found[0].Record.Value) != fmt.Sprint(i) {
			t.Fatalf("record %d: found %v", i, found)
		}
		mustResolve(t, st, found[0].Position)
	}
	close(stop)
	done.Wait()
}
