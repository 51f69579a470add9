package durable

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

// smallDisk returns a directory with a file system of its own.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	mount(t, dir, size)
	t.Cleanup(func() { unmount(t, dir) })
	return dir
}

func mount(t *testing.T, dir, size string) {
	t.Helper()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("this test mounts a small file system, which needs root and CAP_SYS_ADMIN: %v", err)
	}
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Unmount(dir, 0); err != nil {
		t.Error(err)
	}
}

func TestQueueRefusesRecordsUntilItsDirectoryIsBack(t *testing.T) {
	cases := []struct {
		says       string
		away, back func(t *testing.T, dir string)
	}{
		{"it is renamed",
			func(_ *testing.T, dir string) { os.Rename(dir, dir+".old") },
			func(_ *testing.T, dir string) { os.Rename(dir+".old", dir) }},
		{"something is mounted over it",
			func(t *testing.T, dir string) { mount(t, dir, "512k") },
			func(t *testing.T, dir string) { unmount(t, dir) }},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "spool")
			g := startQueue(t, dir, Options{}).await()
			conn := durabletest.Connect(t, "127.0.0.1:1")
			g.Want("kept", conn, "t", "0", durabletest.Soon)
			c.away(t, dir)
			g.Want(fmt.Sprintf("refused %v", record.KindSpoolFailed), conn, "t", "1", durabletest.Soon)
			if problem, _ := g.Queue.State(); problem == nil {
				t.Error("the queue says that it can keep records")
			}
			await.True(t, "the log reports it", func() bool {
				return strings.Contains(g.Log.String(), "the spool's directory was removed, renamed or replaced")
			})
			c.back(t, dir)
			g.Want("kept", conn, "t", "2", durabletest.Soon)
			if problem, _ := g.Queue.State(); problem != nil {
				t.Error("the queue says that it can keep no records:", problem)
			}
			await.True(t, "both are to be sent", func() bool { return g.pending() == 2 })
		})
	}
}

func TestQueueKeepsNothingWhileItsFileSystemIsReadOnly(t *testing.T) {
	for _, used := range []bool{false, true} {
		t.Run(fmt.Sprintf("it was used before: %v", used), func(t *testing.T) {
			dir := smallDisk(t, "512k")
			if used {
				if err := os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			remount := func(flags uintptr) {
				if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT|flags, "size=512k"); err != nil {
					t.Fatal(err)
				}
			}
			remount(syscall.MS_RDONLY)
			g := startQueue(t, dir, Options{})
			says := func(text string) {
				t.Helper()
				await.True(t, "the log says "+text, func() bool { return strings.Contains(g.Log.String(), text) })
			}
			says("the spool cannot be used; durable routes can keep no record until it can")
			conn := durabletest.Connect(t, "127.0.0.1:1")
			g.Want(fmt.Sprintf("refused %v", record.KindSpoolFailed), conn, "t", "0", durabletest.Soon)
			problem, owner := g.Queue.State()
			if _, err := g.Queue.Stats(); !errors.Is(problem, syscall.EROFS) || !errors.Is(err, syscall.EROFS) || owner != used {
				t.Error(problem, err, owner)
			}
			remount(0)
			says("the spool can be used now")
			g.await().Want("kept", conn, "t", "1", durabletest.Soon)
		})
	}
}

func TestQueueOnAFullDiskSendsWhatItSaidItKept(t *testing.T) {
	dir := smallDisk(t, "512k")
	b := startBroker(t)
	b.FailWith(func(string) *kerr.Error { return kerr.NotEnoughReplicas })
	g := startQueue(t, dir, Options{MaxBytes: 4 << 20}).await()
	conn := b.Connect(t)
	g.Want("kept", conn, "t", "first", durabletest.Soon) // so that the batch is not with librdkafka

	body := strings.Repeat("x", 20<<10)
	recs := make([]record.Record, 45)
	for i := range recs {
		recs[i] = *durabletest.RecordOf("t", fmt.Sprint(i, " ", body))
	}
	want := []string{"first"}
	refused := 0
	for i, o := range g.Deliver(conn, DeadLetter, durabletest.Soon, recs...).Outcomes {
		switch {
		case o.Err == nil && o.Receipt != "":
			want = append(want, string(recs[i].Value))
		case o.Err != nil && o.Err.Kind == record.KindSpoolFailed && !o.Err.Unconfirmed:
			refused++
		default:
			t.Errorf("record %d: %+v", i, o)
		}
	}
	if len(want) < 2 || refused == 0 {
		t.Fatalf("%d are kept, %d refused", len(want)-1, refused)
	}
	if n := g.pending(); n != int64(len(want)) {
		t.Errorf("%d are on disk, %d were answered so", n, len(want))
	}
	b.FailWith(nil)
	g.awaitEmpty()
	g.Want("acknowledged", conn, "t", "last", durabletest.Patient)
	want = append(want, "last")
	got := b.Values(t, "t", len(want))
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%d records arrived, want %d", len(got), len(want))
	}
}

func TestQueueCountsAsLostWhatDoesNotReachTheDiskAtTheEnd(t *testing.T) {
	dir := smallDisk(t, "512k")
	var log await.Log
	q, err := OpenIdle(Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	one, other := durabletest.Connect(t, "127.0.0.1:1"), durabletest.Connect(t, "127.0.0.1:2")
	for i, conn := range []*kafkaconf.Connection{one, one, one, other} {
		if !q.Keep(conn, durabletest.RecordOf([]string{"a", "b", "a", "b"}[i], "value")) {
			t.Fatal("it is not kept")
		}
	}
	filler := make([]byte, 1<<20)
	if err := os.WriteFile(filepath.Join(dir, "filler"), filler, 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	err = q.Close()
	if left, want := q.Left(), (Left{Lost: 4}); left != want || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("left %+v, want %+v; %v", left, want, err)
	}
	for _, line := range []string{`"records were not delivered" topic=a records=2`, `"records were not delivered" topic=b records=2`} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("no line has %s: %s", line, &log)
		}
	}
}

func TestForwarderIsWokenForWhatIsKeptOfABatch(t *testing.T) {
	dir := smallDisk(t, "512k")
	b := startBroker(t)
	g := startQueue(t, dir, Options{MaxBytes: 4 << 20}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "the first", durabletest.Patient) // there is a producer now, and it has all in time
	b.Block()                                                           // what librdkafka has is under way until it answers
	var values []string
	for i := range 45 {
		values = append(values, fmt.Sprint(i, " ", strings.Repeat("x", 20<<10)))
	}
	said := g.SendAll(conn, durabletest.Soon, values...)
	if !strings.HasPrefix(said, "kept, kept") || !strings.HasSuffix(said, "unconfirmed") || strings.Contains(said, "refused") {
		t.Fatal(said)
	}
	b.Release()
	g.awaitEmpty()
}

// What is behind a segment that cannot be read does not wait for it, and where it must, goes on by itself.
func TestQueueAndASegmentThatCannotBeRead(t *testing.T) {
	cases := []struct {
		says    string
		policy  Policy
		restart bool
		want    string // while it cannot be read
	}{
		{"while the process runs", DeadLetter, false, "0 1 2 6 7 8"},
		{"when the process starts", DeadLetter, true, "0 1 2 6 7 8"},
		{"while the process runs, and nothing may overtake", Suspend, false, "0 1 2"},
		{"when the process starts, and nothing may overtake", Suspend, true, ""},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			g, conn, start := startAway(t)
			g.Close()
			dir, id := g.Queue.opts.Dir, streamID(conn, c.policy)
			opts := Options{MaxBytes: 1 << 20}
			g = startQueue(t, dir, opts).await()
			for i := range 9 { // three of them in a segment
				value := fmt.Sprint(i, " ", strings.Repeat("x", 20<<10))
				if said := durabletest.Said(g.Deliver(conn, c.policy, durabletest.Soon, *durabletest.RecordOf("t", value)).Outcomes[0]); said != "kept" {
					t.Fatal(said)
				}
			}
			if c.restart {
				g.Close()
			}
			files, err := filepath.Glob(filepath.Join(dir, id, "*.seg"))
			if err != nil || len(files) != 3 {
				t.Fatal(files, err)
			}
			// Nothing is at the beginning of a process's memory: to read there is an input/output error.
			if err := syscall.Mount("/proc/self/mem", files[1], "", syscall.MS_BIND, ""); err != nil {
				t.Fatalf("this test mounts a file, which needs root and CAP_SYS_ADMIN: %v", err)
			}
			readable := sync.OnceFunc(func() {
				if err := syscall.Unmount(files[1], syscall.MNT_DETACH); err != nil {
					t.Error(err)
				}
			})
			t.Cleanup(readable)
			b := start()
			if c.restart {
				g = startQueue(t, dir, opts).await()
			}
			numbers := func(n int) string {
				var all []string
				for _, v := range b.Values(t, "t", n) {
					n, _, _ := strings.Cut(v, " ")
					all = append(all, n)
				}
				return strings.Join(all, " ")
			}
			if got := numbers(len(strings.Fields(c.want))); got != c.want {
				t.Errorf("sent while it cannot be read: %s, want %s", got, c.want)
			}
			await.True(t, "the operator sees it", func() bool { return g.info(id).Problem != "" })
			want := strings.TrimSpace(c.want + " 3 4 5")
			if c.policy == Suspend {
				want = "0 1 2 3 4 5 6 7 8"
			} else {
				await.True(t, "new records go straight to Kafka", func() bool { return g.Send(conn, "u", "x", durabletest.Patient) == "acknowledged" })
			}
			readable()
			if got := numbers(9); got != want {
				t.Errorf("sent in the end: %s, want %s", got, want)
			}
			g.awaitEmpty()
			await.True(t, "the empty stream's files are removed", func() bool { return len(durabletest.Files(t, dir)) == 0 })
		})
	}
}
