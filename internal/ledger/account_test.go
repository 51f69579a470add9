package ledger

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// told is what a client wrote down of key 1's record of that number.
func told(number int32, status int16, delivered string) Entry {
	e := Entry{ID: ID{1, number}, Content: Content{Size: 10}, Status: status, Delivered: DeliveredOf(delivered), Partition: 2, Offset: int64(number)}
	if status == 202 {
		e.Receipt = fmt.Sprint("receipt-", number)
	}
	return e
}

// written is key 1's record of that number as it lies in the topic.
func written(number int32, offset int64) Record {
	at := Place{Partition: 2, Offset: offset}
	return by(Record{Place: at, Key: []byte(KeyText(1)), Value: run.Value(ID{1, number}, Content{Size: 10})}, 7, 0)
}

const run = Run("run-of-the-tests")

// settle holds entries against a topic as the tests of the plugin do.
func settle(entries []Entry, topic []Record, known Evidence) *Account {
	s := NewSettlement(run, entries, true)
	for _, r := range topic {
		s.Read(r)
	}
	return s.Account(known)
}

// by is the record as that producer wrote it under that epoch.
func by(r Record, producer int64, epoch int16) Record {
	r.Producer, r.Epoch = producer, epoch
	return r
}

func TestAccountFindsWhatWasPromisedAndBroken(t *testing.T) {
	yes := []Entry{told(1, 200, "yes"), told(2, 200, "yes"), told(3, 200, "yes")}
	all := []Record{written(1, 1), written(2, 2), written(3, 3)}
	elsewhere, altered, stranger := written(3, 3), written(3, 3), written(9, 4)
	elsewhere.Partition = 3
	altered.Value = run.Value(ID{1, 3}, Content{Size: 11})
	cases := []struct {
		says    string
		entries []Entry
		topic   []Record
		terms   Terms
		want    []string // beginnings or parts of the violations, in order
	}{
		{says: "all is well", entries: yes, topic: all},
		{says: "an acknowledged record is lost", entries: yes, topic: all[:2], want: []string{"1 promised records are lost, such as [key-1 number 3]"}},
		{says: "a kept record is lost", entries: []Entry{told(1, 202, "pending")}, want: []string{"1 promised records are lost"}},
		{says: "a record without a reply may be lost", entries: []Entry{told(1, 0, "")}},
		{says: "a record without a reply may be there", entries: []Entry{told(1, 0, "")}, topic: all[:1]},
		{says: "a record with 504 may be lost", entries: []Entry{told(1, 504, "unknown")}},
		{says: "a record with 504 may be there", entries: []Entry{told(1, 504, "unknown")}, topic: all[:1]},
		{says: "a refused record is not there", entries: []Entry{told(1, 503, "no")}},
		{says: "a refused record is there", entries: []Entry{told(1, 503, "no")}, topic: all[:1],
			want: []string{"1 records were answered `delivered: no` and are in the topic, such as [key-1 number 1]"}},
		{says: "two acknowledged records are swapped", entries: yes[:2],
			topic: []Record{written(2, 1), written(1, 2)},
			want:  []string{"1 promised records are not in the order", "2 acknowledged records are not where the reply says"}},
		{says: "two kept records are swapped", entries: []Entry{told(1, 202, "pending"), told(2, 202, "pending")},
			topic: []Record{written(2, 1), written(1, 2)}, want: []string{"1 promised records are not in the order"}},
		{says: "a swap is granted", entries: []Entry{told(1, 202, "pending"), told(2, 202, "pending")},
			topic: []Record{written(2, 1), written(1, 2)}, terms: Terms{Unordered: true}},
		{says: "a record with 504 may come late", entries: []Entry{told(1, 504, "unknown"), told(2, 200, "yes")},
			topic: []Record{written(2, 2), written(1, 3)}},
		{says: "a key is in two partitions", entries: yes, topic: []Record{all[0], all[1], elsewhere},
			want: []string{"1 promised records are not in the order", "1 acknowledged records are not where the reply says"}},
		{says: "a record is there twice", entries: yes, topic: append(slices.Clone(all), written(2, 4)),
			want: []string{"1 records are there again, where 0 may be, such as [key-1 number 2]"}},
		{says: "a refused record is there twice", entries: []Entry{told(1, 503, "no")}, topic: []Record{written(1, 1), written(1, 2)},
			want: []string{"1 records were answered `delivered: no`", "1 records are there again"}},
		{says: "as many are there twice as may be", entries: yes, topic: append(slices.Clone(all), written(2, 4), written(3, 5)),
			terms: Terms{Duplicates: 2}},
		{says: "more are there twice than may be", entries: yes, topic: append(slices.Clone(all), written(2, 4), written(2, 5)),
			terms: Terms{Duplicates: 1}, want: []string{"2 records are there again, where 1 may be"}},
		{says: "a producer wrote a record again under a later epoch, where that is granted", entries: yes,
			topic: append(slices.Clone(all), by(written(3, 4), 7, 1)), terms: Terms{Renumbered: true}},
		{says: "a producer wrote a record again under a later epoch", entries: yes, topic: append(slices.Clone(all), by(written(3, 4), 7, 1)),
			want: []string{"1 records are there again, where 0 may be"}},
		{says: "another producer wrote a record again", entries: yes, topic: append(slices.Clone(all), by(written(3, 4), 8, 1)),
			terms: Terms{Renumbered: true}, want: []string{"1 records are there again, where 0 may be"}},
		{says: "a producer wrote a record again under the same epoch", entries: yes, topic: append(slices.Clone(all), by(written(3, 4), 7, 0)),
			terms: Terms{Renumbered: true}, want: []string{"1 records are there again, where 0 may be"}},
		{says: "the reply names the second of two copies", entries: []Entry{told(4, 200, "yes")}, topic: []Record{written(4, 3), by(written(4, 4), 7, 1)},
			terms: Terms{Renumbered: true}},
		{says: "a record is there that nobody sent", entries: yes, topic: append(slices.Clone(all), stranger),
			want: []string{"1 records in the topic are not what was sent"}},
		{says: "a record was altered on its way", entries: yes, topic: []Record{all[0], all[1], altered},
			want: []string{"1 records in the topic are not what was sent", "1 promised records are lost"}},
		{says: "a reply contradicts itself", entries: []Entry{told(1, 200, "no")}, want: []string{"1 replies contradict themselves"}},
		{says: "a 202 without a receipt contradicts itself", entries: []Entry{{ID: ID{1, 1}, Status: 202, Delivered: Pending}},
			want: []string{"1 replies contradict themselves"}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			a := settle(c.entries, c.topic, Evidence{})
			compare(t, a.Violations(c.terms), c.want)
		})
	}
}

// of is the Entry of a record of that content.
func of(c Content, e Entry) Entry {
	e.Content = c
	return e
}

// lying is the record of an entry as it lies in the topic.
func lying(e Entry, offset int64) Record {
	r := written(e.Number, offset)
	r.Value = run.Value(e.ID, e.Content)
	if e.Keyless {
		r.Key = nil
	}
	return r
}

func TestAccountTellsInnocentRecordsFromBadOnes(t *testing.T) {
	good, keyless, large := Content{Nature: Innocent, Size: 10}, Content{Nature: Bad, Keyless: true}, Content{Nature: Bad, Size: 3000}
	either := Content{Size: 5000}
	letter := map[ID]bool{{1, 1}: true}
	cases := []struct {
		says  string
		entry Entry
		there bool
		known Evidence
		terms Terms
		want  []string
	}{
		{says: "an innocent record is taken", entry: of(good, told(1, 200, "yes")), there: true},
		{says: "an innocent record is kept and arrives", entry: of(good, told(1, 202, "pending")), there: true},
		{says: "an innocent record is refused", entry: of(good, told(1, 422, "no")), want: []string{"1 innocent records were refused for others"}},
		{says: "an innocent record is too large, they say", entry: of(good, told(1, 413, "no")), want: []string{"1 innocent records were refused for others"}},
		{says: "an innocent record may find Kafka away", entry: of(good, told(1, 503, "no"))},
		{says: "an innocent record's outcome may be unknown", entry: of(good, told(1, 504, "unknown")), there: true},
		{says: "an innocent record is a dead letter", entry: of(good, told(1, 202, "pending")), known: Evidence{Dead: letter},
			want: []string{"1 innocent records were refused for others", "1 promised records are lost"}},
		{says: "an innocent record of async is dropped, and that is logged", entry: of(good, told(1, 200, "unknown")),
			terms: Terms{Logged: &Logged{Undelivered: 1, AtMost: 1}}, want: []string{"1 innocent records were refused for others"}},
		{says: "a record without a key is refused", entry: of(keyless, told(1, 422, "no"))},
		{says: "a large record is refused", entry: of(large, told(1, 413, "no"))},
		{says: "a bad record's outcome may be unknown", entry: of(large, told(1, 504, "unknown"))},
		{says: "a bad record is a dead letter", entry: of(keyless, told(1, 202, "pending")), known: Evidence{Dead: letter}},
		{says: "a bad record is kept and nowhere after that", entry: of(keyless, told(1, 202, "pending")), want: []string{"1 promised records are lost"}},
		{says: "a bad record is acknowledged", entry: of(large, told(1, 200, "yes")),
			want: []string{"1 records that Kafka can never take were taken", "1 promised records are lost"}},
		{says: "a bad record is in the topic", entry: of(keyless, told(1, 504, "unknown")), there: true,
			want: []string{"1 records that Kafka can never take were taken"}},
		{says: "a bad record of async is dropped, and that is logged", entry: of(keyless, told(1, 200, "unknown")), terms: Terms{Logged: &Logged{Undelivered: 1, AtMost: 1}}},
		{says: "a bad record of async is dropped, and that is not logged", entry: of(keyless, told(1, 200, "unknown")), terms: Terms{Logged: &Logged{}},
			want: []string{"1 queued records are lost"}},
		{says: "a refused record is a dead letter", entry: of(keyless, told(1, 422, "no")), known: Evidence{Dead: letter},
			want: []string{"1 records were answered `delivered: no` and are dead letters"}},
		{says: "a record that only one of two limits takes is refused", entry: of(either, told(1, 413, "no"))},
		{says: "a record that only one of two limits takes is a dead letter", entry: of(either, told(1, 202, "pending")), known: Evidence{Dead: letter}},
		{says: "a refused record was in the topic before that was deleted", entry: told(1, 404, "no"), known: Evidence{Seen: letter},
			want: []string{"1 records were answered `delivered: no` and are in the topic"}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			var topic []Record
			if c.there {
				topic = append(topic, lying(c.entry, int64(c.entry.Number)))
			}
			a := settle([]Entry{c.entry}, topic, c.known)
			compare(t, a.Violations(c.terms), c.want)
		})
	}
}

// compare wants each violation to hold the text of the same place.
func compare(t *testing.T, got, want []string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		ok = ok && strings.Contains(got[i], want[i])
	}
	if !ok {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestExcusedRecordsAreNotLostButCounted(t *testing.T) {
	entries := []Entry{told(1, 200, "yes"), told(2, 200, "yes")}
	a := settle(entries, nil, Evidence{Excused: func(e *Entry) bool { return e.Number == 1 }})
	if a.Excused != 1 || len(a.Lost) != 1 || a.Lost[0].Number != 2 {
		t.Errorf("excused %d, lost %v", a.Excused, a.Lost)
	}
}
