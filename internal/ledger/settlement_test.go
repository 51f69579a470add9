package ledger

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// indented is a value as a gateway writes it that reads JSON and writes it anew.
func indented(value []byte) []byte {
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		panic(err)
	}
	text, _ := json.MarshalIndent(v, "", "  ")
	return text
}

func TestSettlementFindsRecordsWhateverTheGatewayMadeOfThem(t *testing.T) {
	one, two := string(written(1, 0).Value), string(written(2, 0).Value)
	cases := []struct {
		says  string
		value string
		// found are how many of the two records are known, and the others what else was seen.
		found, wrapped, altered, foreign int
	}{
		{says: "as it was sent", value: one, found: 1},
		{says: "with other spaces and another order", value: string(indented([]byte(one))), found: 1},
		{says: "in an envelope", value: `{"topic":"t","value":` + one + `}`, found: 1, wrapped: 1},
		{says: "as a text in an envelope", value: fmt.Sprintf(`{"request":{"body":%q,"size":1}}`, one), found: 1, wrapped: 1},
		{says: "as a text in a text", value: fmt.Sprintf("%q", fmt.Sprintf("%q", one)), found: 1, wrapped: 1},
		{says: "with a member more", value: `{"at":"now",` + one[1:], found: 1, wrapped: 1},
		{says: "two in one record", value: `[` + one + `,` + two + `]`, found: 2, wrapped: 2},
		{says: "one in one record twice", value: `[` + one + `,` + one + `]`, found: 1, wrapped: 1},
		{says: "with another padding", value: strings.Replace(one, `ing":"`, `ing":"x`, 1), altered: 1},
		{says: "cut off", value: one[:len(one)-5], altered: 1},
		{says: "a number that nobody has sent", value: string(written(3, 0).Value), altered: 1},
		{says: "a key that nobody has sent", value: strings.Replace(one, "key-1", "key-7", 1), altered: 1},
		{says: "a key that is no number", value: strings.Replace(one, "key-1", "key-x", 1), altered: 1},
		{says: "a number below 0", value: strings.Replace(one, `ber":1`, `ber":-1`, 1), altered: 1},
		{says: "a number beyond all", value: strings.Replace(one, `ber":1`, `ber":1e300`, 1), altered: 1},
		{says: "the run's id alone", value: string(run), altered: 1},
		{says: "of another run", value: strings.Replace(one, string(run), "other", 1), foreign: 1},
		{says: "of others", value: `{"a":1}`, foreign: 1},
		{says: "null", value: "", foreign: 1},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			s := NewSettlement(run, []Entry{told(1, 504, "unknown"), told(2, 504, "unknown")}, false)
			s.Read(Record{Value: []byte(c.value)})
			a := s.Account(Evidence{})
			if a.Found[Unknown] != c.found || a.Wrapped != c.wrapped || a.Altered != c.altered || a.Foreign != c.foreign || len(a.Again) > 0 {
				t.Errorf("found %d, wrapped %d, altered %d, foreign %d, again %v", a.Found[Unknown], a.Wrapped, a.Altered, a.Foreign, a.Again)
			}
			if broken := a.Violations(Terms{Shared: true}); (len(broken) > 0) != (c.altered > 0) {
				t.Errorf("violations %q", broken)
			}
		})
	}
}

func TestSettlementDoesNotDependOnTheOrderOfReading(t *testing.T) {
	var entries []Entry
	var topic []Record
	random := rand.New(rand.NewPCG(1, 2))
	for n := range int32(300) {
		entries = append(entries, told(n+1, 200, "yes"))
		for range random.IntN(4) {
			r := written(n+1, int64(random.IntN(1000)))
			r.Partition = int32(random.IntN(3))
			topic = append(topic, r)
		}
	}
	want := settle(entries, topic, Evidence{})
	random.Shuffle(len(topic), func(i, j int) { topic[i], topic[j] = topic[j], topic[i] })
	if got := settle(entries, topic, Evidence{}); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestSettlementKnowsWhatIsMissing(t *testing.T) {
	s := NewSettlement(run, []Entry{told(1, 200, "yes"), told(2, 202, "pending"), told(3, 503, "no"), told(4, 0, "")}, false)
	for _, step := range []struct {
		read            Record
		missing, absent int
	}{{written(3, 1), 2, 3}, {written(1, 2), 1, 2}, {written(1, 3), 1, 2}, {written(2, 4), 0, 1}, {written(4, 5), 0, 0}} {
		if s.Read(step.read); s.Missing() != step.missing || s.Absent() != step.absent {
			t.Errorf("%d missing, want %d; %d absent, want %d", s.Missing(), step.missing, s.Absent(), step.absent)
		}
	}
}

func TestOrderIsNotJudgedWithoutKeys(t *testing.T) {
	entries := []Entry{told(1, 202, "pending"), told(2, 202, "pending")}
	for _, keyless := range []bool{false, true} {
		s := NewSettlement(run, entries, false)
		for _, r := range []Record{written(2, 1), written(1, 2)} {
			if keyless {
				r.Key = nil
			}
			s.Read(r)
		}
		a := s.Account(Evidence{})
		if keyless && (a.Keyless != 2 || len(a.Swapped) > 0) || !keyless && (a.Keyless != 0 || len(a.Swapped) != 1) {
			t.Errorf("keyless %v: %d without a key, swapped %v", keyless, a.Keyless, a.Swapped)
		}
	}
}

func TestExamplesOfAnAccountAreFew(t *testing.T) {
	var entries []Entry
	var topic []Record
	for n := range int32(100) {
		entries = append(entries, told(n+1, 200, "yes"))
		topic = append(topic, written(n+1, 1000+int64(n)), written(n+1, 2000+int64(n)))
	}
	a := settle(entries, topic, Evidence{})
	if len(a.Misplaced) != 100 || len(a.Again) != 100 || len(a.Elsewhere) != explained || len(a.Copies) != explained {
		t.Errorf("%d misplaced, %d again; %d and %d explained", len(a.Misplaced), len(a.Again), len(a.Elsewhere), len(a.Copies))
	}
}

func TestRecordsTakeLittleMemory(t *testing.T) {
	const records, most = 20_000, 200 // bytes for each
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	var l Ledger
	for n := range int32(records) {
		e := Entry{ID: ID{n % 64, n/64 + 1}}
		e.Send()
		e.Enter(202, fmt.Appendf(nil, `{"delivered":"pending","receipt":"0123456789abcdef-%d"}`, n))
		e.Answered()
		l.Write(e)
	}
	entries := l.Entries()
	s := NewSettlement(run, entries, false)
	for i := range entries {
		s.Read(Record{Place: Place{Offset: int64(i)}, Value: run.Value(entries[i].ID, entries[i].Content)})
	}
	used := heap() - before
	if a := s.Account(Evidence{}); a.Found[Kept] != records {
		t.Errorf("%d found", a.Found[Kept])
	}
	t.Logf("%d bytes a record", used/records)
	if used > records*most {
		t.Errorf("%d bytes a record, at most %d", used/records, most)
	}
	runtime.KeepAlive(&l)
}

// FuzzSettlement: whatever lies in the topic, it is counted once or found.
func FuzzSettlement(f *testing.F) {
	one := written(1, 0).Value
	for _, seed := range []string{string(one), `[` + string(one) + `]`, fmt.Sprintf("%q", one), string(run), `{"run":"run-of-the-tests","key":"key-","number":0}`, ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		s := NewSettlement(run, []Entry{told(1, 200, "yes"), told(2, 200, "yes")}, false)
		s.Read(Record{Value: value})
		a := s.Account(Evidence{})
		if a.Found[Acknowledged]+a.Altered+a.Foreign == 0 || a.Found[Acknowledged]+a.Absent[Acknowledged] != 2 || len(a.Again) > 0 {
			t.Errorf("%+v", a)
		}
	})
}
