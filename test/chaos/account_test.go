package chaos

import (
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

var ten = ledger.Content{Size: 10}

// queued is key 1's record of that number, which async delivery has taken.
func queued(number int32) ledger.Entry {
	return ledger.Entry{ID: ledger.ID{Key: 1, Number: number}, Content: ten, Status: 200, Delivered: ledger.Perhaps}
}

// written is that record as it lies in the topic.
func written(number int32, offset int64) kafkatest.Record {
	value := run.Value(ledger.ID{Key: 1, Number: number}, ten)
	return kafkatest.Record{Partition: 2, Offset: offset, Key: []byte(ledger.KeyText(1)), Value: value}
}

func TestAsyncLossesAreToBeInTheLog(t *testing.T) {
	entries := []ledger.Entry{queued(1), queued(2), queued(3), {ID: ledger.ID{Key: 1, Number: 4}, Content: ten}}
	first := []kafkatest.Record{written(1, 1)}
	second := []kafkatest.Record{written(1, 1), written(2, 2)}
	cases := []struct {
		says   string
		topic  []kafkatest.Record
		log    losses
		killed bool
		want   []string
	}{
		{says: "nothing is logged", topic: second, want: []string{"1 queued records are lost, such as [key-1 number 3], and the log counts 0 at most"}},
		{says: "all are logged as undelivered", topic: first, log: losses{undelivered: 2}},
		{says: "too few are logged", topic: first, log: losses{undelivered: 1}, want: []string{"2 queued records are lost"}},
		{says: "the rest is unconfirmed", topic: first, log: losses{undelivered: 1, unconfirmed: 1}},
		{says: "some of the unconfirmed are there", topic: second, log: losses{unconfirmed: 3}},
		{says: "the rest was still queued", topic: first, log: losses{stillQueued: 2}},
		{says: "what was purged is not counted twice", topic: first, log: losses{unconfirmed: 1, purged: 1, stillQueued: 1},
			want: []string{"2 queued records are lost, such as [key-1 number 2 key-1 number 3], and the log counts 1 at most"}},
		{says: "a record without a reply is logged too", topic: second, log: losses{undelivered: 2}},
		{says: "more are logged than are missing", topic: second, log: losses{undelivered: 3},
			want: []string{"the log says that 3 records were not delivered, but only 2 are not there"}},
		{says: "a killed process logs nothing", killed: true},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			a := settle(entries, c.topic, ledger.Evidence{})
			got := a.Violations(ledger.Terms{Logged: c.log.ledger(), Unlogged: c.killed})
			if len(got) != len(c.want) || len(got) > 0 && !strings.Contains(got[0], c.want[0]) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
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
