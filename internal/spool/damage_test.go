package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

var testID = segmentID{1700000000000000000, 0xabcd0123}

// image is a segment's bytes with these entries, and where each record begins; the
// end of the last is the last number.
func image(id segmentID, entries []Entry) ([]byte, []int) {
	var b []byte
	var offsets []int
	for i := range entries {
		offsets = append(offsets, len(b))
		b = id.marker().appendFrame(b, uint32(i), appendPayload(nil, &entries[i]))
	}
	return b, append(offsets, len(b))
}

// loaded writes a segment as another process would have left it, and loads it.
func loaded(t testing.TB, content []byte) (*Stream, *await.Log, func()) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "spool")
	if err != nil {
		t.Fatal(err)
	}
	sdir := filepath.Join(dir, "s")
	if err := os.Mkdir(sdir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(sdir, testID.String()+segmentSuffix), content, 0o600); err != nil {
		t.Fatal(err)
	}
	log := &await.Log{}
	s := openOwned(t, dir, Options{Log: logged(log)})
	st := stream(t, s, "s")
	mustLoad(t, st)
	return st, log, func() { s.Close(); os.RemoveAll(dir) }
}

// setAsideBytes returns what is in corrupt/.
func setAsideBytes(t testing.TB, st *Stream) []byte {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join(st.dir, corruptName, "*"))
	var content []byte
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, b...)
	}
	return content
}

// scanned is what Load finds in a segment's bytes: the entries, and of the gaps their bytes.
func scanned(t testing.TB, content []byte) (entries []Entry, gaps [][]byte) {
	t.Helper()
	var s scanner
	s.scan(bytes.NewReader(content), testID.marker(), 0, int64(len(content)), -1)
	for {
		x, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			return entries, gaps
		case err != nil:
			t.Fatal(err)
		case x.gap:
			gaps = append(gaps, content[x.off:x.off+x.size])
			continue
		}
		e, err := decodePayload(bytes.Clone(x.payload))
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
}

// Which entries and which gaps there are follows from the bytes alone, and is tried with each
// byte. What becomes of a gap on disk depends on nothing else, and is tried with one byte in
// sampled and with the first of each part of a record.
const sampled = 61

func TestFlippedByteCostsAtMostItsRecord(t *testing.T) {
	entries := variety()
	content, offsets := image(testID, entries)
	for at := range content {
		hit := 0
		for offsets[hit+1] <= at {
			hit++
		}
		in := at - offsets[hit]
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			damaged := bytes.Clone(content)
			damaged[at] ^= flip
			what := fmt.Sprintf("offset %d xor %x", at, flip)
			got, gaps := scanned(t, damaged)
			want := slices.Clone(entries)
			if len(got) < len(want) {
				want = slices.Delete(want, hit, hit+1)
				if len(gaps) != 1 || !bytes.Equal(gaps[0], damaged[offsets[hit]:offsets[hit+1]]) {
					t.Fatalf("%s: gaps %x", what, gaps)
				}
			} else if len(gaps) > 0 {
				t.Fatalf("%s: gaps without a record that is missing: %x", what, gaps)
			}
			if state := in >= stateOffset && in < headerSize; state && len(got) < len(entries) {
				t.Fatalf("%s: a flipped state lost the record", what)
			}
			compareRecords(t, what, got, want)
			if flip == 0xff && (at%sampled == 0 || slices.Contains([]int{0, 8, 12, maskOffset, crcOffset, stateOffset, headerSize}, in)) {
				flippedOnDisk(t, what, damaged, want, gaps)
			}
		}
	}
}

// flippedOnDisk loads a damaged segment: the entries are pending, a gap is set aside and
// reported once.
func flippedOnDisk(t *testing.T, what string, damaged []byte, want []Entry, gaps [][]byte) {
	t.Helper()
	st, log, end := loaded(t, damaged)
	defer end()
	got := all(t, st)
	compareRecords(t, what+", on disk", got, want)
	if int64(len(got)) != st.Pending() {
		t.Fatalf("%s: %d returned, %d pending", what, len(got), st.Pending())
	}
	if aside := setAsideBytes(t, st); !bytes.Equal(aside, bytes.Join(gaps, nil)) {
		t.Fatalf("%s: %d bytes set aside", what, len(aside))
	}
	if n := strings.Count(log.String(), "was set aside"); n != len(gaps) {
		t.Fatalf("%s: reported %d times", what, n)
	}
}

func compareRecords(t testing.TB, what string, got, want []Entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d records, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !sameRecord(got[i], want[i]) {
			t.Fatalf("%s: record %d is %+v, want %+v", what, i, got[i], want[i])
		}
	}
}

func TestTruncatedSegmentKeepsWhatIsBeforeTheCut(t *testing.T) {
	entries := variety()
	content, offsets := image(testID, entries)
	for cut := range len(content) + 1 {
		for _, tail := range []string{"", "\x00\x00\x00\x00\x00\x00\x00\x00\x00", "garbage"} {
			damaged := append(bytes.Clone(content[:cut]), tail...)
			whole := 0 // the zeros may be what was missing
			for whole < len(entries) && bytes.HasPrefix(damaged, content[:offsets[whole+1]]) {
				whole++
			}
			what := fmt.Sprintf("cut at %d", cut)
			got, gaps := scanned(t, damaged)
			compareRecords(t, what, got, entries[:whole])
			if aside := bytes.Join(gaps, nil); len(gaps) > 1 || !bytes.Equal(aside, damaged[offsets[whole]:]) {
				t.Fatalf("%s: gaps %x", what, gaps)
			}
			if cut%sampled == 0 || slices.Contains(offsets, cut) {
				cutOnDisk(t, what, damaged, entries[:whole], int64(offsets[whole]))
			}
		}
	}
}

// cutOnDisk loads a segment of which only the first size bytes are records: what follows
// is set aside and cut off.
func cutOnDisk(t *testing.T, what string, damaged []byte, want []Entry, size int64) {
	t.Helper()
	st, _, end := loaded(t, damaged)
	defer end()
	compareRecords(t, what+", on disk", all(t, st), want)
	if aside := setAsideBytes(t, st); !bytes.Equal(aside, damaged[size:]) {
		t.Fatalf("%s: %d bytes set aside", what, len(aside))
	}
	info, err := os.Stat(st.path(testID))
	switch {
	case size == 0 && !errors.Is(err, os.ErrNotExist):
		t.Fatalf("%s: an empty segment stays", what)
	case size > 0 && (err != nil || info.Size() != size):
		t.Fatalf("%s: not cut off: %v, %v", what, info, err)
	}
	if st.spool.Bytes() != size {
		t.Fatalf("%s: %d bytes counted", what, st.spool.Bytes())
	}
}

func TestDamageInTheMiddleIsReportedOnceAndSkipped(t *testing.T) {
	entries := variety()
	content, offsets := image(testID, entries)
	clear(content[offsets[1]:offsets[3]])
	st, log, end := loaded(t, content)
	compareRecords(t, "with two records gone", all(t, st), append(entries[:1:1], entries[3:]...))
	for _, part := range []string{"segment=" + testID.String(), fmt.Sprintf("offset=%d", offsets[1]),
		fmt.Sprintf("bytes=%d", offsets[3]-offsets[1]), "missing=2"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log does not say %s: %s", part, log)
		}
	}
	if s, err := st.Stats(); err != nil || s.Corrupt != int64(offsets[3]-offsets[1]) || !s.Oldest.Equal(entries[0].Kept) {
		t.Errorf("stats %+v, %v", s, err)
	}
	st.spool.Close()
	again := &await.Log{}
	s := openOwned(t, st.spool.dir, Options{Log: logged(again)})
	st = stream(t, s, "s")
	mustLoad(t, st)
	if len(all(t, st)) != len(entries)-2 || again.String() != "" {
		t.Errorf("the second time: %s", again)
	}
	if err := st.RemoveIfEmpty(); err != nil || !exists(st.dir) {
		t.Errorf("removed with records: %v", err)
	}
	for _, e := range all(t, st) {
		mustResolve(t, st, e.Position)
	}
	if len(segmentPaths(t, st.dir)) > 0 {
		t.Error("the resolved segment stays")
	}
	if err := st.RemoveIfEmpty(); err != nil || !exists(st.dir) {
		t.Errorf("removed with bytes set aside: %v", err)
	}
	end()
}

func TestRecordWithTheWrongIndexIsDamage(t *testing.T) {
	entries := variety()
	content, offsets := image(testID, entries)
	repeated := append(bytes.Clone(content), content[:offsets[2]]...)
	far := testID.marker().appendFrame(bytes.Clone(content), 1000, appendPayload(nil, entry("far")))
	cases := []struct {
		says    string
		content []byte
	}{
		{"records that come twice", repeated},
		{"one with more missing before it than can be", far},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			st, _, end := loaded(t, c.content)
			defer end()
			compareRecords(t, c.says, all(t, st), entries)
			if aside := setAsideBytes(t, st); !bytes.Equal(aside, c.content[len(content):]) {
				t.Errorf("%d bytes set aside", len(aside))
			}
		})
	}
}

func TestDamageThatCannotBeSetAsideKeepsItsSegment(t *testing.T) {
	entries := variety()
	content, offsets := image(testID, entries)
	content[offsets[1]+5]++
	dir := t.TempDir()
	sdir := filepath.Join(dir, "s")
	blocked := filepath.Join(sdir, corruptName)
	if err := errors.Join(os.Mkdir(sdir, 0o700), os.WriteFile(blocked, nil, 0o600),
		os.WriteFile(filepath.Join(sdir, testID.String()+segmentSuffix), content, 0o600)); err != nil {
		t.Fatal(err)
	}
	s := openOwned(t, dir, Options{})
	st := stream(t, s, "s")
	mustLoad(t, st)
	got := all(t, st)
	compareRecords(t, "while corrupt/ cannot be made", got, append(entries[:1:1], entries[2:]...))
	for _, e := range got {
		mustResolve(t, st, e.Position)
	}
	if len(segmentPaths(t, sdir)) != 1 {
		t.Error("the damaged bytes were deleted")
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	mustLoad(t, st)
	if len(segmentPaths(t, sdir)) != 0 || len(setAsideBytes(t, st)) != offsets[2]-offsets[1] {
		t.Error("once it can be, the damage is not set aside and the segment deleted")
	}
}

func TestDamageWhileRunningIsNotWaitedFor(t *testing.T) {
	s := openOwned(t, t.TempDir(), Options{})
	st := stream(t, s, "s")
	positions := mustAppend(t, st, "a", "b", "c")
	path := segmentPaths(t, st.dir)[0]
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0}, positions[1].at-1); err != nil {
		t.Fatal(err)
	}
	if got := values(t, st); got != "a c" || st.Pending() != 2 {
		t.Errorf("got %q, %d pending", got, st.Pending())
	}
	mustAppend(t, st, "d")
	if got := values(t, st); got != "a c d" || st.Pending() != 3 {
		t.Errorf("then got %q, %d pending", got, st.Pending())
	}
}

func TestStateIsNeverOneFlippedByteFromAnother(t *testing.T) {
	states := []State{Pending, Acked, Dropped, Dead, Replayed}
	for _, a := range states {
		for _, b := range states {
			different := 0
			for i := range 4 {
				if byte(a>>(8*i)) != byte(b>>(8*i)) {
					different++
				}
				if byte(a>>(8*i)) >= 0x80 {
					t.Errorf("%x has a byte that a marker can have", a)
				}
			}
			if a != b && different < 2 {
				t.Errorf("%x and %x differ in %d bytes", a, b, different)
			}
		}
	}
}

func TestBodyThatForgesRecordsIsNeverTakenForThem(t *testing.T) {
	forged := []Entry{{Record: record.Record{Topic: "secret", Value: []byte("forged")}}}
	inner, _ := image(testID, forged)
	inner = bytes.Repeat(inner, 3)
	binary.LittleEndian.PutUint32(inner[12:], 1)
	sum(inner[:len(inner)/3])
	entries := []Entry{*entry("a"), *entry(string(inner)), *entry("c")}
	content, offsets := image(testID, entries)
	m := testID.marker()
	if n := bytes.Count(content, m[:]); n != 3 {
		t.Errorf("%d markers for 3 records", n)
	}
	st, _, end := loaded(t, content)
	if got := all(t, st); len(got) != 3 || !bytes.Equal(got[1].Record.Value, inner) {
		t.Errorf("the body does not come back as it was")
	}
	end()
	content[offsets[1]]++ // now the reader looks for the next record inside of the body
	st, _, end = loaded(t, content)
	defer end()
	if got := values(t, st); got != "a c" {
		t.Errorf("got %q", got)
	}
}

func TestMarkerOverlapsNeitherItselfNorAState(t *testing.T) {
	for salt := range uint32(1000) {
		m := segmentID{1, salt}.marker()
		if bytes.IndexByte(m[1:], m[0]) >= 0 {
			t.Fatalf("%x repeats its first byte", m)
		}
		for _, b := range m {
			if b < 0x80 {
				t.Fatalf("%x has a byte that a state can have", m)
			}
		}
	}
}

type countingReader struct {
	io.ReaderAt
	n int64
}

func (r *countingReader) ReadAt(b []byte, off int64) (int, error) {
	r.n += int64(len(b))
	return r.ReaderAt.ReadAt(b, off)
}

// hostile are segments that are made to be slow: markers everywhere, each before a
// record that is too long to be summed for each of them.
func hostile(size int) map[string][]byte {
	m := testID.marker()
	headers := func(length, step int) []byte {
		b := make([]byte, size)
		for at := 0; at+headerSize < size; at += step {
			copy(b[at:], m[:])
			binary.LittleEndian.PutUint32(b[at+8:], uint32(min(length, size-at-headerSize)))
		}
		return b
	}
	return map[string][]byte{
		"long records": headers(size, headerSize), "half": headers(size/2, headerSize), "short": headers(100, headerSize),
		"of ten kilobytes": headers(10<<10, headerSize), "of a window": headers(maxWindow-100, 100),
		"markers only": bytes.Repeat(m[:], size/len(m)), "almost markers": bytes.Repeat(m[:7], size/7),
	}
}

func TestScanningHostileSegmentsIsLinear(t *testing.T) {
	const size = 4 << 20
	for says, content := range hostile(size) {
		t.Run(says, func(t *testing.T) {
			r := &countingReader{ReaderAt: bytes.NewReader(content)}
			var s scanner
			s.scan(r, testID.marker(), 0, int64(len(content)), -1)
			for {
				if _, err := s.next(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if r.n > 40*size {
				t.Errorf("read %d times", r.n/size)
			}
		})
	}
}

func FuzzSegment(f *testing.F) {
	content, offsets := image(testID, variety())
	f.Add(content)
	f.Add(content[:len(content)-3])
	f.Add(append(bytes.Clone(content[:offsets[1]]), content[offsets[2]:]...))
	f.Add(append(bytes.Clone(content), make([]byte, 100)...))
	for _, b := range hostile(4 << 10) {
		f.Add(b)
	}
	m := testID.marker()
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &countingReader{ReaderAt: bytes.NewReader(b)}
		var s scanner
		s.scan(r, m, 0, int64(len(b)), -1)
		front, covered := wellFormed(m, b), int64(0)
		for n := 0; ; n++ {
			x, err := s.next()
			if err == io.EOF {
				if n < front {
					t.Fatalf("%d records at the front, %d returned", front, n)
				}
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if x.off != covered || x.size <= 0 {
				t.Fatalf("%+v is not at %d", x, covered)
			}
			covered += x.size
			if n < front && x.gap {
				t.Fatalf("record %d is a gap", n)
			}
			if x.gap {
				continue
			}
			e, err := decodePayload(x.payload)
			if err != nil {
				t.Fatalf("a record was returned that is none: %v", err)
			}
			if again := appendPayload(nil, &e); !e.Kept.IsZero() && !bytes.Equal(again, x.payload) {
				t.Fatalf("%x was read as %x", x.payload, again)
			}
		}
		if covered != int64(len(b)) {
			t.Fatalf("%d of %d bytes are accounted for", covered, len(b))
		}
		if r.n > 40*int64(len(b))+4*maxWindow || cap(s.large)+cap(s.memory) > len(b)+2*maxWindow {
			t.Fatalf("%d bytes read, %d kept of %d", r.n, cap(s.large)+cap(s.memory), len(b))
		}
	})
}

// wellFormed counts the records at the front by the format's description alone.
func wellFormed(m marker, b []byte) (n int) {
	for len(b) >= headerSize && bytes.Equal(b[:8], m[:]) && binary.LittleEndian.Uint32(b[12:]) == uint32(n) {
		length := binary.LittleEndian.Uint32(b[8:])
		if length > maxPayload || int(length) > len(b)-headerSize {
			return n
		}
		frame := bytes.Clone(b[:headerSize+length])
		sum(frame)
		xor(frame[headerSize:], binary.LittleEndian.Uint32(frame[maskOffset:]))
		if !bytes.Equal(frame[crcOffset:stateOffset], b[crcOffset:stateOffset]) || !validPayload(frame[headerSize:]) {
			return n
		}
		b, n = b[headerSize+length:], n+1
	}
	return n
}
