package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// told is what a client wrote down of worker 1's record of that number.
func told(number, status int, delivered string) entry {
	e := entry{id: id{1, number}, content: content{size: 10}, status: status, delivered: delivered, partition: 2, offset: int64(number)}
	if status == 202 {
		e.receipt = fmt.Sprint("receipt-", number)
	}
	return e
}

// written is worker 1's record of that number as it lies in the topic.
func written(number int, offset int64) kafkatest.Record {
	i := id{1, number}
	return by(kafkatest.Record{Partition: 2, Offset: offset, Key: []byte(key(1)), Value: i.value(content{size: 10})}, 7, 0)
}

// by is the record as that producer wrote it under that epoch.
func by(r kafkatest.Record, producer int64, epoch int16) kafkatest.Record {
	r.ProducerID, r.ProducerEpoch = producer, epoch
	return r
}

func TestAccountFindsWhatWasPromisedAndBroken(t *testing.T) {
	yes := []entry{told(1, 200, "yes"), told(2, 200, "yes"), told(3, 200, "yes")}
	all := []kafkatest.Record{written(1, 1), written(2, 2), written(3, 3)}
	elsewhere, altered, stranger := written(3, 3), written(3, 3), written(9, 4)
	elsewhere.Partition = 3
	altered.Value = id{1, 3}.value(content{size: 11})
	cases := []struct {
		says    string
		entries []entry
		topic   []kafkatest.Record
		terms   terms
		want    []string // beginnings or parts of the violations, in order
	}{
		{says: "all is well", entries: yes, topic: all},
		{says: "an acknowledged record is lost", entries: yes, topic: all[:2], want: []string{"1 promised records are lost, such as [worker-1 number 3]"}},
		{says: "a kept record is lost", entries: []entry{told(1, 202, "pending")}, want: []string{"1 promised records are lost"}},
		{says: "a record without a reply may be lost", entries: []entry{told(1, 0, "")}},
		{says: "a record without a reply may be there", entries: []entry{told(1, 0, "")}, topic: all[:1]},
		{says: "a record with 504 may be lost", entries: []entry{told(1, 504, "unknown")}},
		{says: "a record with 504 may be there", entries: []entry{told(1, 504, "unknown")}, topic: all[:1]},
		{says: "a refused record is not there", entries: []entry{told(1, 503, "no")}},
		{says: "a refused record is there", entries: []entry{told(1, 503, "no")}, topic: all[:1],
			want: []string{"1 records were answered `delivered: no` and are in the topic, such as [worker-1 number 1]"}},
		{says: "two acknowledged records are swapped", entries: yes[:2],
			topic: []kafkatest.Record{written(2, 1), written(1, 2)},
			want:  []string{"1 promised records are not in the order", "2 acknowledged records are not where the reply says"}},
		{says: "two kept records are swapped", entries: []entry{told(1, 202, "pending"), told(2, 202, "pending")},
			topic: []kafkatest.Record{written(2, 1), written(1, 2)}, want: []string{"1 promised records are not in the order"}},
		{says: "a swap is granted", entries: []entry{told(1, 202, "pending"), told(2, 202, "pending")},
			topic: []kafkatest.Record{written(2, 1), written(1, 2)}, terms: terms{unordered: true}},
		{says: "a record with 504 may come late", entries: []entry{told(1, 504, "unknown"), told(2, 200, "yes")},
			topic: []kafkatest.Record{written(2, 2), written(1, 3)}},
		{says: "a key is in two partitions", entries: yes, topic: []kafkatest.Record{all[0], all[1], elsewhere},
			want: []string{"1 promised records are not in the order", "1 acknowledged records are not where the reply says"}},
		{says: "a record is there twice", entries: yes, topic: append(slices.Clone(all), written(2, 4)),
			want: []string{"1 records are there again, where 0 may be, such as [worker-1 number 2]"}},
		{says: "a refused record is there twice", entries: []entry{told(1, 503, "no")}, topic: []kafkatest.Record{written(1, 1), written(1, 2)},
			want: []string{"1 records were answered `delivered: no`", "1 records are there again"}},
		{says: "as many are there twice as may be", entries: yes, topic: append(slices.Clone(all), written(2, 4), written(3, 5)),
			terms: terms{duplicates: 2}},
		{says: "more are there twice than may be", entries: yes, topic: append(slices.Clone(all), written(2, 4), written(2, 5)),
			terms: terms{duplicates: 1}, want: []string{"2 records are there again, where 1 may be"}},
		{says: "a producer wrote a record again under a later epoch, where that is granted", entries: yes,
			topic: append(slices.Clone(all), by(written(3, 4), 7, 1)), terms: terms{renumbered: true}},
		{says: "a producer wrote a record again under a later epoch", entries: yes, topic: append(slices.Clone(all), by(written(3, 4), 7, 1)),
			want: []string{"1 records are there again, where 0 may be"}},
		{says: "another producer wrote a record again", entries: yes, topic: append(slices.Clone(all), by(written(3, 4), 8, 1)),
			terms: terms{renumbered: true}, want: []string{"1 records are there again, where 0 may be"}},
		{says: "a producer wrote a record again under the same epoch", entries: yes, topic: append(slices.Clone(all), by(written(3, 4), 7, 0)),
			terms: terms{renumbered: true}, want: []string{"1 records are there again, where 0 may be"}},
		{says: "the reply names the second of two copies", entries: []entry{told(4, 200, "yes")}, topic: []kafkatest.Record{written(4, 3), by(written(4, 4), 7, 1)},
			terms: terms{renumbered: true}},
		{says: "a record is there that nobody sent", entries: yes, topic: append(slices.Clone(all), stranger),
			want: []string{"1 records in the topic are not what was sent"}},
		{says: "a record was altered on its way", entries: yes, topic: []kafkatest.Record{all[0], all[1], altered},
			want: []string{"1 records in the topic are not what was sent", "1 promised records are lost"}},
		{says: "a reply contradicts itself", entries: []entry{told(1, 200, "no")}, want: []string{"1 replies contradict themselves"}},
		{says: "a 202 without a receipt contradicts itself", entries: []entry{{id: id{1, 1}, status: 202, delivered: "pending"}},
			want: []string{"1 replies contradict themselves"}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			a := settle(c.entries, c.topic, evidence{})
			compare(t, a.violations(c.terms), c.want)
		})
	}
}

// of is the entry of a record of that content.
func of(c content, e entry) entry {
	e.content = c
	return e
}

// lying is the record of an entry as it lies in the topic.
func lying(e entry, offset int64) kafkatest.Record {
	r := written(e.number, offset)
	r.Value = e.value(e.content)
	if e.keyless {
		r.Key = nil
	}
	return r
}

func TestAccountTellsInnocentRecordsFromBadOnes(t *testing.T) {
	good, keyless, large := content{nature: innocent, size: 10}, content{nature: bad, keyless: true}, content{nature: bad, size: 3000}
	either := content{size: 5000}
	letter := map[id]bool{{1, 1}: true}
	cases := []struct {
		says  string
		entry entry
		there bool
		known evidence
		terms terms
		want  []string
	}{
		{says: "an innocent record is taken", entry: of(good, told(1, 200, "yes")), there: true},
		{says: "an innocent record is kept and arrives", entry: of(good, told(1, 202, "pending")), there: true},
		{says: "an innocent record is refused", entry: of(good, told(1, 422, "no")), want: []string{"1 innocent records were refused for others"}},
		{says: "an innocent record is too large, they say", entry: of(good, told(1, 413, "no")), want: []string{"1 innocent records were refused for others"}},
		{says: "an innocent record may find Kafka away", entry: of(good, told(1, 503, "no"))},
		{says: "an innocent record's outcome may be unknown", entry: of(good, told(1, 504, "unknown")), there: true},
		{says: "an innocent record is a dead letter", entry: of(good, told(1, 202, "pending")), known: evidence{dead: letter},
			want: []string{"1 innocent records were refused for others", "1 promised records are lost"}},
		{says: "an innocent record of async is dropped, and that is logged", entry: of(good, told(1, 200, "unknown")),
			terms: terms{logged: losses{undelivered: 1}}, want: []string{"1 innocent records were refused for others"}},
		{says: "a record without a key is refused", entry: of(keyless, told(1, 422, "no"))},
		{says: "a large record is refused", entry: of(large, told(1, 413, "no"))},
		{says: "a bad record's outcome may be unknown", entry: of(large, told(1, 504, "unknown"))},
		{says: "a bad record is a dead letter", entry: of(keyless, told(1, 202, "pending")), known: evidence{dead: letter}},
		{says: "a bad record is kept and nowhere after that", entry: of(keyless, told(1, 202, "pending")), want: []string{"1 promised records are lost"}},
		{says: "a bad record is acknowledged", entry: of(large, told(1, 200, "yes")),
			want: []string{"1 records that Kafka can never take were taken", "1 promised records are lost"}},
		{says: "a bad record is in the topic", entry: of(keyless, told(1, 504, "unknown")), there: true,
			want: []string{"1 records that Kafka can never take were taken"}},
		{says: "a bad record of async is dropped, and that is logged", entry: of(keyless, told(1, 200, "unknown")), terms: terms{logged: losses{undelivered: 1}}},
		{says: "a bad record of async is dropped, and that is not logged", entry: of(keyless, told(1, 200, "unknown")),
			want: []string{"1 queued records are lost"}},
		{says: "a refused record is a dead letter", entry: of(keyless, told(1, 422, "no")), known: evidence{dead: letter},
			want: []string{"1 records were answered `delivered: no` and are dead letters"}},
		{says: "a record that only one of two limits takes is refused", entry: of(either, told(1, 413, "no"))},
		{says: "a record that only one of two limits takes is a dead letter", entry: of(either, told(1, 202, "pending")), known: evidence{dead: letter}},
		{says: "a refused record was in the topic before that was deleted", entry: told(1, 404, "no"), known: evidence{seen: letter},
			want: []string{"1 records were answered `delivered: no` and are in the topic"}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			var topic []kafkatest.Record
			if c.there {
				topic = append(topic, lying(c.entry, int64(c.entry.number)))
			}
			a := settle([]entry{c.entry}, topic, c.known)
			compare(t, a.violations(c.terms), c.want)
		})
	}
}

func TestRowAddsUpWhatSeedsCameTo(t *testing.T) {
	var sum table
	sum.add(row{fault: "f", mode: "async", async: true, records: 10, taken: 9, refused: 1, lost: 2, logged: 1, loggedAtMost: 3, longest: 2})
	sum.add(row{fault: "f", mode: "sync", records: 5})
	sum.add(row{fault: "f", mode: "async", async: true, records: 20, taken: 20, lost: 1, again: 4, renumbered: 4, longest: 1})
	if len(sum.rows) != 2 {
		t.Fatalf("%d rows", len(sum.rows))
	}
	want := "f async 30 29 0 1 0 0 3 (log: 1 to 3) 0 0 0 0 4 (4 numbered anew) 0s"
	if got := strings.Join(sum.rows[0].cells(), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
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

func TestAsyncLossesAreToBeInTheLog(t *testing.T) {
	entries := []entry{told(1, 200, "unknown"), told(2, 200, "unknown"), told(3, 200, "unknown"), told(4, 0, "")}
	first := []kafkatest.Record{written(1, 1)}
	second := []kafkatest.Record{written(1, 1), written(2, 2)}
	cases := []struct {
		says  string
		topic []kafkatest.Record
		terms terms
		want  []string
	}{
		{says: "nothing is logged", topic: second, want: []string{"1 queued records are lost, such as [worker-1 number 3], and the log counts 0 at most"}},
		{says: "all are logged as undelivered", topic: first, terms: terms{logged: losses{undelivered: 2}}},
		{says: "too few are logged", topic: first, terms: terms{logged: losses{undelivered: 1}}, want: []string{"2 queued records are lost"}},
		{says: "the rest is unconfirmed", topic: first, terms: terms{logged: losses{undelivered: 1, unconfirmed: 1}}},
		{says: "some of the unconfirmed are there", topic: second, terms: terms{logged: losses{unconfirmed: 3}}},
		{says: "the rest was still queued", topic: first, terms: terms{logged: losses{stillQueued: 2}}},
		{says: "what was purged is not counted twice", topic: first, terms: terms{logged: losses{unconfirmed: 1, purged: 1, stillQueued: 1}},
			want: []string{"2 queued records are lost, such as [worker-1 number 2 worker-1 number 3], and the log counts 1 at most"}},
		{says: "a record without a reply is logged too", topic: second, terms: terms{logged: losses{undelivered: 2}}},
		{says: "more are logged than are missing", topic: second, terms: terms{logged: losses{undelivered: 3}},
			want: []string{"the log says that 3 records were not delivered, but only 2 are not there"}},
		{says: "a killed process logs nothing", terms: terms{unlogged: true}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			a := settle(entries, c.topic, evidence{})
			compare(t, a.violations(c.terms), c.want)
		})
	}
}

func TestExcusedRecordsAreNotLostButCounted(t *testing.T) {
	entries := []entry{told(1, 200, "yes"), told(2, 200, "yes")}
	a := settle(entries, nil, evidence{excused: func(e *entry) bool { return e.number == 1 }})
	if a.excused != 1 || len(a.lost) != 1 || a.lost[0].number != 2 {
		t.Errorf("excused %d, lost %v", a.excused, a.lost)
	}
}
