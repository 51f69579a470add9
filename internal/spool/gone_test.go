package spool

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsKeptAfterFilesWereTakenAwayAreFoundByTheNextProcess(t *testing.T) {
	cases := []struct {
		says   string
		take   func(t *testing.T, st *Stream)
		refuse bool // what comes after it
	}{
		{"a segment is removed", func(t *testing.T, st *Stream) { must(t, os.Remove(segmentPaths(t, st.dir)[0])) }, false},
		{"a segment is renamed", func(t *testing.T, st *Stream) {
			path := segmentPaths(t, st.dir)[0]
			must(t, os.Rename(path, path+".old"))
		}, false},
		{"a segment is replaced by its copy", func(t *testing.T, st *Stream) {
			path := segmentPaths(t, st.dir)[0]
			content, err := os.ReadFile(path)
			must(t, err, os.WriteFile(path+".copy", content, 0o600), os.Rename(path+".copy", path))
		}, false},
		{"the stream's directory is removed", func(t *testing.T, st *Stream) { must(t, os.RemoveAll(st.dir)) }, false},
		{"the stream's directory is renamed", func(t *testing.T, st *Stream) { must(t, os.Rename(st.dir, st.dir+".old")) }, false},
		{"the spool is removed", func(t *testing.T, st *Stream) { must(t, os.RemoveAll(st.spool.dir)) }, true},
		{"the spool is removed and made again", func(t *testing.T, st *Stream) {
			must(t, os.RemoveAll(st.spool.dir), os.Mkdir(st.spool.dir, 0o700))
		}, true},
		{"the spool is renamed", func(t *testing.T, st *Stream) { must(t, os.Rename(st.spool.dir, st.spool.dir+".old")) }, true},
		{"all that is in the spool is removed, the lock too", func(t *testing.T, st *Stream) {
			must(t, os.RemoveAll(st.dir), os.Remove(filepath.Join(st.spool.dir, lockName)))
		}, true},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			var log await.Log
			dir := filepath.Join(t.TempDir(), "spool")
			s := openOwned(t, dir, Options{Log: logged(&log)})
			st := stream(t, s, "s")
			mustAppend(t, st, "before", "these")
			c.take(t, st)
			if err := s.InPlace(); errors.Is(err, ErrGone) != c.refuse {
				t.Errorf("InPlace says %v", err)
			}
			_, err := st.Append(entry("one"))
			all := st.AppendAll([]Entry{*entry("two"), *entry("three")})
			for _, err := range []error{err, all[0].Err, all[1].Err} {
				if errors.Is(err, ErrGone) != c.refuse || !c.refuse && err != nil {
					t.Errorf("kept: %v", err)
				}
			}
			if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "records=2") {
				t.Errorf("the log has %d errors: %s", n, &log)
			}
			want := int64(3)
			if c.refuse {
				want = 0
			}
			if st.Pending() != want {
				t.Errorf("%d are pending, want %d", st.Pending(), want)
			}
			s.Close()
			next := openOwned(t, dir, Options{})
			st = stream(t, next, "s")
			mustLoad(t, st)
			got := values(t, st)
			if !strings.HasSuffix(got, "one two three") && !c.refuse || c.refuse && got != "" {
				t.Errorf("the next process finds %q", got)
			}
		})
	}
}

func TestSpoolThatIsPutBackIsUsedAgain(t *testing.T) {
	s := openOwned(t, filepath.Join(t.TempDir(), "spool"), Options{})
	st := stream(t, s, "s")
	mustAppend(t, st, "before")
	must(t, os.Rename(s.dir, s.dir+".old"))
	if _, err := st.Append(entry("lost")); !errors.Is(err, ErrGone) || errors.Is(err, ErrUncertain) {
		t.Errorf("error %v", err)
	}
	must(t, os.Rename(s.dir+".old", s.dir))
	mustAppend(t, st, "after")
	mustLoad(t, st)
	if got := values(t, st); got != "before after" {
		t.Errorf("got %q", got)
	}
	if n, on := s.Bytes(), fileBytes(t, st.dir); n != on {
		t.Errorf("%d bytes are counted, there are %d", n, on)
	}
}

func TestRecordsOfASegmentThatIsGoneAreCountedOnce(t *testing.T) {
	cases := []struct {
		says string
		then func(t *testing.T, st *Stream, p []Position)
		lost string
	}{
		{"when they are read", func(t *testing.T, st *Stream, _ []Position) { values(t, st) }, "records=3"},
		{"when one of them is resolved, which is not lost", func(t *testing.T, st *Stream, p []Position) { mustResolve(t, st, p[0], p[1]) }, "records=2"},
		{"when the spool is closed", func(t *testing.T, st *Stream, _ []Position) { st.spool.Close() }, "records=3"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			var log await.Log
			s := openOwned(t, t.TempDir(), Options{Log: logged(&log)})
			st := stream(t, s, "s")
			p := mustAppend(t, st, "a", "b", "c")
			must(t, os.RemoveAll(st.dir))
			c.then(t, st, p)
			if st.Pending() != 0 || s.Bytes() != 0 {
				t.Errorf("%d are pending, %d bytes", st.Pending(), s.Bytes())
			}
			if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), c.lost) {
				t.Errorf("the log: %s", &log)
			}
			if !s.closed.Load() {
				mustAppend(t, st, "d")
				if got := values(t, st); got != "d" {
					t.Errorf("got %q", got)
				}
			}
		})
	}
}

func fileBytes(t testing.TB, dir string) (n int64) {
	t.Helper()
	for _, path := range segmentPaths(t, dir) {
		info, err := os.Stat(path)
		must(t, err)
		n += info.Size()
	}
	return n
}
