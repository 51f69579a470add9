package durable

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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
