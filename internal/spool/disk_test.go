package spool

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestDiskFailsFromAnAppendToTheNextThatSucceedsOrForAMinute(t *testing.T) {
	var x faults
	s := openOwned(t, t.TempDir(), Options{})
	s.intercept = x.intercept
	st := stream(t, s, "s")
	fails := func(want error) {
		t.Helper()
		if err := s.Failing(); !errors.Is(err, want) || s.Usable() != nil {
			t.Errorf("failing: %v, want %v; usable: %v", err, want, s.Usable())
		}
	}
	fail := func() {
		t.Helper()
		x.write.Store(true)
		if _, err := st.Append(entry("x")); !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
		x.write.Store(false)
		fails(errDisk)
	}
	mustAppend(t, st, "before")
	fails(nil)
	fail()
	mustAppend(t, st, "after")
	fails(nil)
	fail()
	s.failed.Load().at = time.Now().Add(-failedFor)
	fails(nil)
}

func TestDiskDoesNotFailWhereTheDirectoryIsWhatIsWrong(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := openOwned(t, dir, Options{})
	must(t, os.Rename(dir, dir+".old"))
	if _, err := stream(t, s, "s").Append(entry("x")); !errors.Is(err, ErrGone) {
		t.Fatal(err)
	}
	must(t, os.Rename(dir+".old", dir))
	if err := errors.Join(s.Usable(), s.Failing()); err != nil {
		t.Error(err)
	}
}
