package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// reply is what a client wrote down of worker 1's record of that number.
func reply(number, status int, delivered string) entry {
	e := entry{id: id{1, number}, size: 10, status: status, delivered: delivered, partition: 2, offset: int64(number)}
	if status == 202 {
		e.receipt = fmt.Sprint("receipt-", number)
	}
	return e
}

// written is worker 1's record of that number as it lies in the topic.
func written(number int, offset int64) kafkatest.Record {
	i := id{1, number}
	return by(kafkatest.Record{Partition: 2, Offset: offset, Key: []byte(key(1)), Value: value(i, 10)}, 7, 0)
}

// by is the record as that producer wrote it under that epoch.
func by(r kafkatest.Record, producer int64, epoch int16) kafkatest.Record {
	r.ProducerID, r.ProducerEpoch = producer, epoch
	return r
}

func TestAnAccountFindsWhatWasPromisedAndBroken(t *testing.T) {
	yes := []entry{reply(1, 200, "yes"), reply(2, 200, "yes"), reply(3, 200, "yes")}
	all := []kafkatest.Record{written(1, 1), written(2, 2), written(3, 3)}
	elsewhere, altered, stranger := written(3, 3), written(3, 3), written(9, 4)
	elsewhere.Partition = 3
	altered.Value = value(id{1, 3}, 11)
	cases := []struct {
		says    string
		entries []entry
		topic   []kafkatest.Record
		terms   terms
		want    []string // beginnings or parts of the violations, in order
	}{
		{says: "all is well", entries: yes, topic: all},
		{says: "an acknowledged record is lost", entries: yes, topic: all[:2], want: []string{"1 promised records are lost, such as [worker-1 number 3]"}},
		{says: "a kept record is lost", entries: []entry{reply(1, 202, "pending")}, want: []string{"1 promised records are lost"}},
		{says: "a record without a reply may be lost", entries: []entry{reply(1, 0, "")}},
		{says: "a record without a reply may be there", entries: []entry{reply(1, 0, "")}, topic: all[:1]},
		{says: "a record with 504 may be lost", entries: []entry{reply(1, 504, "unknown")}},
		{says: "a record with 504 may be there", entries: []entry{reply(1, 504, "unknown")}, topic: all[:1]},
		{says: "a refused record is not there", entries: []entry{reply(1, 503, "no")}},
		{says: "a refused record is there", entries: []entry{reply(1, 503, "no")}, topic: all[:1],
			want: []string{"1 records were answered `delivered: no` and are in the topic, such as [worker-1 number 1]"}},
		{says: "two acknowledged records are swapped", entries: yes[:2],
			topic: []kafkatest.Record{written(2, 1), written(1, 2)},
			want:  []string{"1 promised records are not in the order", "2 acknowledged records are not where the reply says"}},
		{says: "two kept records are swapped", entries: []entry{reply(1, 202, "pending"), reply(2, 202, "pending")},
			topic: []kafkatest.Record{written(2, 1), written(1, 2)}, want: []string{"1 promised records are not in the order"}},
		{says: "a swap is granted", entries: []entry{reply(1, 202, "pending"), reply(2, 202, "pending")},
			topic: []kafkatest.Record{written(2, 1), written(1, 2)}, terms: terms{unordered: true}},
		{says: "a record with 504 may come late", entries: []entry{reply(1, 504, "unknown"), reply(2, 200, "yes")},
			topic: []kafkatest.Record{written(2, 2), written(1, 3)}},
		{says: "a key is in two partitions", entries: yes, topic: []kafkatest.Record{all[0], all[1], elsewhere},
			want: []string{"1 promised records are not in the order", "1 acknowledged records are not where the reply says"}},
		{says: "a record is there twice", entries: yes, topic: append(slices.Clone(all), written(2, 4)),
			want: []string{"1 records are there again, where 0 may be, such as [worker-1 number 2]"}},
		{says: "a refused record is there twice", entries: []entry{reply(1, 503, "no")}, topic: []kafkatest.Record{written(1, 1), written(1, 2)},
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
		{says: "the reply names the second of two copies", entries: []entry{reply(4, 200, "yes")}, topic: []kafkatest.Record{written(4, 3), by(written(4, 4), 7, 1)},
			terms: terms{renumbered: true}},
		{says: "a record is there that nobody sent", entries: yes, topic: append(slices.Clone(all), stranger),
			want: []string{"1 records in the topic are not what was sent"}},
		{says: "a record was altered on its way", entries: yes, topic: []kafkatest.Record{all[0], all[1], altered},
			want: []string{"1 records in the topic are not what was sent", "1 promised records are lost"}},
		{says: "a reply contradicts itself", entries: []entry{reply(1, 200, "no")}, want: []string{"1 replies contradict themselves"}},
		{says: "a 202 without a receipt contradicts itself", entries: []entry{{id: id{1, 1}, status: 202, delivered: "pending"}},
			want: []string{"1 replies contradict themselves"}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			a := settle(c.entries, c.topic, nil)
			compare(t, a.violations(c.terms), c.want)
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

func TestAsyncLossesAreToBeInTheLog(t *testing.T) {
	entries := []entry{reply(1, 200, "unknown"), reply(2, 200, "unknown"), reply(3, 200, "unknown"), reply(4, 0, "")}
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
			a := settle(entries, c.topic, nil)
			compare(t, a.violations(c.terms), c.want)
		})
	}
}

func TestWhatIsExcusedIsNotLostButCounted(t *testing.T) {
	entries := []entry{reply(1, 200, "yes"), reply(2, 200, "yes")}
	a := settle(entries, nil, func(e *entry) bool { return e.number == 1 })
	if a.excused != 1 || len(a.lost) != 1 || a.lost[0].number != 2 {
		t.Errorf("excused %d, lost %v", a.excused, a.lost)
	}
}
