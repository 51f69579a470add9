package spool

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// sector is a part of one file that cannot be read.
type sector struct {
	path     string
	from, to int64
	good     atomic.Bool // it can
}

func (x *sector) intercept(f file) file {
	if f.(*os.File).Name() != x.path {
		return f
	}
	return &fileWithSector{f, x}
}

type fileWithSector struct {
	file
	sector *sector
}

func (f *fileWithSector) ReadAt(b []byte, off int64) (int, error) {
	if x := f.sector; !x.good.Load() && off < x.to && off+int64(len(b)) > x.from {
		return 0, syscall.EIO
	}
	return f.file.ReadAt(b, off)
}

// large is a value of which three fit into a segment.
func large(i int) string { return fmt.Sprint(i, strings.Repeat("x", 20<<10)) }

// numbers joins the values of large that are still in the stream.
func numbers(t *testing.T, st *Stream) string {
	t.Helper()
	return strings.ReplaceAll(values(t, st), "x", "")
}

func TestSegmentThatCannotBeReadIsPassedUntilItCan(t *testing.T) {
	cases := []struct {
		says string
		then func(t *testing.T, x *sector, content []byte)
		want string
		lost string // what the log says
	}{
		{"it can be read again", func(_ *testing.T, x *sector, _ []byte) { x.good.Store(true) }, "3 5 6 7 8", ""},
		{"a copy is put in its place, with zeros for the sector", func(t *testing.T, x *sector, content []byte) {
			copied := bytes.Clone(content)
			clear(copied[x.from:x.to])
			must(t, os.WriteFile(x.path+".copy", copied, 0o600), os.Rename(x.path+".copy", x.path))
			x.good.Store(true)
		}, "3 6 7 8", "without some of its records, which are lost"},
		{"it is cut", func(t *testing.T, x *sector, _ []byte) {
			must(t, os.Truncate(x.path, x.from))
			x.good.Store(true)
		}, "3 6 7 8", "without some of its records, which are lost"},
		{"nothing of it is left", func(t *testing.T, x *sector, _ []byte) {
			must(t, os.Truncate(x.path, 0))
			x.good.Store(true)
		}, "6 7 8", "without some of its records, which are lost"},
		{"it is removed", func(t *testing.T, x *sector, _ []byte) { must(t, os.Remove(x.path)) },
			"6 7 8", "its unsent records are lost unless it is put back"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			var log await.Log
			s := openOwned(t, t.TempDir(), Options{SegmentBytes: 64 << 10, Log: logged(&log)})
			st := stream(t, s, "s")
			var p []Position
			for i := range 8 {
				p = append(p, mustAppend(t, st, large(i))...)
			}
			mustResolve(t, st, p[0], p[1], p[2], p[4])
			x := &sector{path: st.path(p[4].segment), from: p[5].at + 1000, to: p[5].at + 1512}
			st.closeFile(st.find(p[4].segment))
			s.intercept = x.intercept
			content, err := os.ReadFile(x.path)
			must(t, err)

			if _, err := st.Next(p[3], 3, 1<<20); err == nil {
				t.Fatal("the sector was read")
			}
			st.Pass()
			if foreign, err := st.Foreign(); !foreign || err != nil || st.Pending() != 2 {
				t.Errorf("passed: foreign %v, %v, %d pending", foreign, err, st.Pending())
			}
			if taken, err := st.Load(); taken || err == nil {
				t.Errorf("loaded: %v, %v", taken, err)
			}
			p = append(p, mustAppend(t, st, large(8))...)
			if got := numbers(t, st); got != "6 7 8" {
				t.Errorf("behind it is %q", got)
			}

			c.then(t, x, content)
			if taken, err := st.Load(); taken != (c.want != "6 7 8") || err != nil {
				t.Errorf("loaded again: %v, %v", taken, err)
			}
			if foreign, err := st.Foreign(); foreign || err != nil {
				t.Errorf("loaded: foreign %v, %v", foreign, err)
			}
			if got := numbers(t, st); got != c.want || st.Pending() != int64(len(strings.Fields(got))) {
				t.Errorf("%q are left, want %q; %d are pending", got, c.want, st.Pending())
			}
			if n, on := s.Bytes(), fileBytes(t, st.dir); n != on {
				t.Errorf("%d bytes are counted, there are %d", n, on)
			}
			if !strings.Contains(log.String(), c.lost) || c.lost == "" && strings.Contains(log.String(), "lost") {
				t.Errorf("the log: %s", &log)
			}
			mustResolve(t, st, p...)
			if left := segmentPaths(t, st.dir); st.Pending() != 0 || len(left) > 0 {
				t.Errorf("%d are pending in %v", st.Pending(), left)
			}
		})
	}
}

// What librdkafka has of a segment is acknowledged while that is passed.
func TestRecordOfAPassedSegmentIsResolvedOnce(t *testing.T) {
	s := openOwned(t, t.TempDir(), Options{})
	st := stream(t, s, "s")
	p := mustAppend(t, st, "a", "b", "c")
	x := &sector{path: st.path(p[0].segment), to: 1 << 20}
	s.intercept = x.intercept
	if _, err := st.Next(Position{}, 1, 1); err == nil {
		t.Fatal("it was read")
	}
	st.Pass()
	mustAppend(t, st, "d") // to another segment
	for range 2 {
		if err := st.Resolve(p[1], Acked); err == nil {
			t.Error("the state was written")
		}
	}
	if got := values(t, st); got != "d" || st.Pending() != 1 {
		t.Errorf("got %q, %d pending", got, st.Pending())
	}
	x.good.Store(true)
	mustLoad(t, st)
	if got := values(t, st); got != "a c d" || st.Pending() != 3 {
		t.Errorf("got %q, %d pending", got, st.Pending())
	}
}
