package idempotency

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

func TestKeysAreNotPromisedToFilesThatWereTakenAway(t *testing.T) {
	cases := []struct {
		says   string
		take   func(t *testing.T, dir string)
		refuse bool // another process could own what is there now
	}{
		{"the journal is removed", func(t *testing.T, dir string) { must(t, os.Remove(journalPath(t, dir))) }, false},
		{"the journal is renamed", func(t *testing.T, dir string) {
			path := journalPath(t, dir)
			must(t, os.Rename(path, path+".old"))
		}, false},
		{"the journal is replaced by its copy", func(t *testing.T, dir string) {
			path := journalPath(t, dir)
			content, err := os.ReadFile(path)
			must(t, err, os.WriteFile(path+".copy", content, 0o600), os.Rename(path+".copy", path))
		}, false},
		{"the directory is removed", func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)) }, true},
		{"the directory is removed and made again", func(t *testing.T, dir string) { must(t, os.RemoveAll(dir), os.Mkdir(dir, 0o700)) }, true},
		{"the directory is renamed", func(t *testing.T, dir string) { must(t, os.Rename(dir, dir+".old")) }, true},
		{"the lock is removed", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, lockName))) }, true},
		{"another process has taken the lock's place", func(t *testing.T, dir string) {
			must(t, os.Rename(dir, dir+".old"))
			open(t, Options{Dir: dir})
		}, true},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			var log await.Log
			dir := filepath.Join(t.TempDir(), "keys")
			s := open(t, Options{Dir: dir, Log: logged(&log)})
			done(t, s, "before", "1")
			c.take(t, dir)
			if c.refuse {
				begin(t, s, "after", Unavailable)
				begin(t, s, "after", Unavailable)
				replay(t, s, "before", "1") // which is still true
				if !strings.Contains(log.String(), "removed, renamed or replaced") {
					t.Errorf("the log: %s", &log)
				}
				return
			}
			done(t, s, "after", "2")
			end(s)
			next := open(t, Options{Dir: dir})
			replay(t, next, "before", "1")
			replay(t, next, "after", "2")
		})
	}
}

func TestDirectoryThatIsPutBackIsUsedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	s := open(t, Options{Dir: dir})
	done(t, s, "before", "1")
	must(t, os.Rename(dir, dir+".old"))
	begin(t, s, "meanwhile", Unavailable)
	must(t, os.Rename(dir+".old", dir))
	done(t, s, "after", "2")
	end(s)
	next := open(t, Options{Dir: dir})
	replay(t, next, "before", "1")
	replay(t, next, "after", "2")
	begin(t, next, "meanwhile", First)
}
