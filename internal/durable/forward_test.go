package durable

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/spool"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

func TestForwarderPassesWhatCannotBeReadForLongUnlessNothingMayOvertake(t *testing.T) {
	for _, c := range []struct {
		policy  Policy
		failing time.Duration
		passes  bool
	}{
		{DeadLetter, time.Hour, true},
		{DeadLetter, 0, false},
		{Suspend, time.Hour, false},
	} {
		dir := t.TempDir()
		q, err := OpenIdle(Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { q.Close() })
		st := q.stream(durabletest.Connect(t, durabletest.Nobody), c.policy)
		if kept := st.append([]spool.Entry{{Record: *durabletest.RecordOf("t", "0")}})[0]; kept.Err != nil {
			t.Fatal(kept.Err)
		}
		files, _ := filepath.Glob(filepath.Join(dir, st.id, "*.seg"))
		if err := os.Truncate(files[0], 10); err != nil {
			t.Fatal(err)
		}
		disk, f := st.disk.Load(), newRecordForwarder(st)
		_, err = disk.Next(spool.Position{}, 1, 1)
		if err == nil {
			t.Fatal("it could be read")
		}
		f.failing = time.Now().Add(-c.failing)
		f.noteRead(disk, err)
		if passed := disk.Pending() == 0; passed != c.passes {
			t.Errorf("%v, after %v: passed %v", c.policy, c.failing, passed)
		}
		if f.noteRead(disk, nil); !f.failing.IsZero() {
			t.Error("a read that succeeds does not begin the time anew")
		}
	}
}
