package spool

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// filled appends records until there is no room, and returns how many.
func filled(t *testing.T, st *Stream, holder any) (n int) {
	t.Helper()
	for {
		e := entry(fmt.Sprint(n, strings.Repeat("x", 400)))
		e.Holder = holder
		_, err := st.Append(e)
		if errors.Is(err, ErrFull) {
			return n
		}
		must(t, err)
		n++
	}
}

func TestDeadLettersAndRecordsDoNotTakeEachOthersRoom(t *testing.T) {
	for _, first := range []string{"records", "dead letters"} {
		t.Run(first+" first", func(t *testing.T) {
			s := openOwned(t, t.TempDir(), Options{MaxBytes: 80_000})
			st := stream(t, s, "s")
			var records, letters int
			if first == "records" {
				records, letters = filled(t, st, nil), filled(t, st.Dead(), nil)
			} else {
				letters, records = filled(t, st.Dead(), nil), filled(t, st, nil)
			}
			if want := 70_000 / 483; records < want-5 || records > want+5 {
				t.Errorf("there was room for %d records", records)
			}
			if want := 10_000 / 483; letters < want-2 || letters > want+2 {
				t.Errorf("there was room for %d dead letters", letters)
			}
			if bytes, most, dropped := s.Letters(); bytes > most || most != 10_000 || dropped != 0 {
				t.Errorf("%d bytes of dead letters of %d, %d dropped", bytes, most, dropped)
			}
		})
	}
}

func TestDeadLetterThatIsLargerThanTheShareHasRoomAlone(t *testing.T) {
	s := openOwned(t, t.TempDir(), Options{MaxBytes: 8000})
	dead := stream(t, s, "s").Dead()
	mustAppend(t, dead, strings.Repeat("x", 2000))
	if _, err := dead.Append(entry("y")); !errors.Is(err, ErrFull) {
		t.Errorf("error %v", err)
	}
	if n := filled(t, stream(t, s, "s"), nil); n > (8000-2000)/483 {
		t.Errorf("%d records beside it", n)
	}
}

func TestOldestDeadLettersMakeRoom(t *testing.T) {
	var log await.Log
	dir := t.TempDir()
	opts := Options{MaxBytes: 80_000, DropLetters: true, Log: logged(&log)}
	s := openOwned(t, dir, opts)
	mustAppend(t, stream(t, s, "few").Dead(), "few")
	mustAppend(t, stream(t, s, "many").Dead(), "many 0")
	s.Close()
	s = openOwned(t, dir, opts) // and what an earlier process left is dropped too
	few, many := stream(t, s, "few").Dead(), stream(t, s, "many").Dead()
	for i := range 100 {
		mustAppend(t, many, fmt.Sprint("many ", i+1, strings.Repeat("x", 400)))
		if bytes, most, _ := s.Letters(); bytes > most {
			t.Fatalf("%d bytes of %d", bytes, most)
		}
	}
	mustLoad(t, few)
	if got := values(t, few); got != "few" {
		t.Errorf("of another stream: %q", got)
	}
	left := all(t, many)
	_, _, dropped := s.Letters()
	if len(left) < 10 || int64(len(left))+dropped != 101 || many.Pending() != int64(len(left)) {
		t.Errorf("%d are left, %d were dropped, %d are pending", len(left), dropped, many.Pending())
	}
	for i, e := range left {
		if v := string(e.Record.Value); !strings.HasPrefix(v, fmt.Sprint("many ", 101-len(left)+i, "x")) {
			t.Errorf("letter %d of %d is %.10s", i, len(left), v)
		}
	}
	if !strings.Contains(log.String(), "the oldest were dropped") {
		t.Errorf("the log: %s", &log)
	}
}

func TestDeadLettersOfAnEarlierVersionAreNotDroppedForTheShare(t *testing.T) {
	dir := t.TempDir()
	s := openOwned(t, dir, Options{})
	for range 40 {
		mustAppend(t, stream(t, s, "s").Dead(), strings.Repeat("x", 400))
	}
	s.Close()
	s = openOwned(t, dir, Options{MaxBytes: 80_000, SegmentBytes: 8 * 500, DropLetters: true})
	dead := stream(t, s, "s").Dead()
	mustLoad(t, dead)
	before := s.Bytes()
	for range 3 {
		mustAppend(t, dead, strings.Repeat("x", 400))
	}
	if bytes, _, dropped := s.Letters(); bytes > before {
		t.Errorf("%d bytes after %d, %d dropped", bytes, before, dropped)
	}
}

func TestHolderLeavesRoomForTheOthers(t *testing.T) {
	s := openOwned(t, t.TempDir(), Options{MaxBytes: 80_000, SegmentBytes: 2000})
	st := stream(t, s, "s")
	const room = 70_000 / 483 // records
	first := filled(t, st, "first")
	if first < room*3/4-5 || first > room*3/4+5 {
		t.Errorf("the first took %d of %d", first, room)
	}
	second := filled(t, stream(t, s, "other"), "second")
	if left := room - first; second < left*3/4-5 || second > left*3/4+5 {
		t.Errorf("the second took %d of %d", second, left)
	}
	if n := filled(t, st, "first"); n != 0 {
		t.Errorf("the first took %d more", n)
	}
	for _, e := range all(t, st) {
		mustResolve(t, st, e.Position)
	}
	if again := filled(t, st, "first"); again < first/2 {
		t.Errorf("after all of its records were done with, it took %d", again)
	}
	for _, st := range []*Stream{st, stream(t, s, "other")} {
		for _, e := range all(t, st) {
			mustResolve(t, st, e.Position)
		}
	}
	if len(s.room.held) > 0 || s.Bytes() != 0 {
		t.Errorf("held: %v", s.room.held)
	}
}

func TestHolderGetsBackWhatCouldNotBeWritten(t *testing.T) {
	var x faults
	s := openOwned(t, t.TempDir(), Options{})
	s.intercept = x.intercept
	st := stream(t, s, "s")
	x.write.Store(true)
	e := entry("a")
	e.Holder = "h"
	if _, err := st.Append(e); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	if out := st.AppendAll([]Entry{*e, *e}); !errors.Is(out[1].Err, errDisk) {
		t.Error(out)
	}
	if len(s.room.held) > 0 || s.Bytes() != 0 {
		t.Errorf("held: %v, %d bytes", s.room.held, s.Bytes())
	}
}

func TestFullSpoolSaysSoUntilThereIsRoom(t *testing.T) {
	s := openOwned(t, t.TempDir(), Options{MaxBytes: 80_000, SegmentBytes: 8 * 500})
	st := stream(t, s, "s")
	mustAppend(t, st, "x")
	if err := s.Full(); err != nil {
		t.Errorf("with room: %v", err)
	}
	filled(t, st, nil)
	if err := s.Full(); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "--spool-max-bytes is 80kB, of which records may have 70kB") {
		t.Errorf("without room: %v", err)
	}
	for _, e := range all(t, st) {
		mustResolve(t, st, e.Position)
	}
	if err := s.Full(); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestSpoolIsExhaustedWhenNoHolderHasRoomForASmallRecord(t *testing.T) {
	r := room{max: 1 << 20, held: map[any]int64{}} // of which records have 896 KiB
	want := func(exhausted bool, what string) {
		t.Helper()
		if r.exhausted() != exhausted {
			t.Errorf("%s: %t", what, !exhausted)
		}
	}
	want(false, "empty")
	if err := r.takeRecord(950_000, "a"); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	want(false, "empty, and a large record was refused")
	for _, c := range []struct {
		bytes     int64
		holder    any
		exhausted bool
		what      string
	}{
		{600_000, "a", false, "a has less than its share"},
		{150_000, "a", true, "a is alone, and has its share"},
		{10_000, "b", false, "b has room"},
	} {
		if err := r.takeRecord(c.bytes, c.holder); err != nil {
			t.Fatal(err)
		}
		want(c.exhausted, c.what)
	}
	r.give(charge{bytes: 750_000, held: map[any]int64{"a": 750_000}}, false)
	want(false, "a's records have gone")
	if err := r.takeRecord(r.max-r.lettersMax()-r.records-smallRecord/2, nil); err != nil {
		t.Fatal(err)
	}
	want(true, "there is nothing left for anybody")
}
