package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// id names a record: numbers of one worker are sent one after another.
type id struct{ worker, number int }

func (i id) String() string { return fmt.Sprintf("%s number %d", key(i.worker), i.number) }

// key is the record key of a worker.
func key(worker int) string { return fmt.Sprintf("worker-%d", worker) }

// nature is what Kafka can say of a record for the record's own sake.
type nature int

const (
	ordinary nature = iota // refuses it or takes it, as the fault makes it
	innocent               // has no reason to refuse it at any time: 4xx is never right
	bad                    // can never take it
)

// content is what a record is made of, beside its name.
type content struct {
	nature  nature
	size    int  // of the padding, in bytes
	keyless bool // it has no key
	future  bool // its timestamp is further ahead than brokers take
}

// value is the record that a worker sends under a number: compact JSON with padding,
// the same each time it is asked for. Routes take the key from the member "worker",
// which a record without a key calls by another name.
func (i id) value(c content) []byte {
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	random := rand.New(rand.NewPCG(uint64(i.worker), uint64(i.number)))
	sender := "worker"
	if c.keyless {
		sender = "keyless"
	}
	b := fmt.Appendf(nil, `{%q:%q,"number":%d,"padding":"`, sender, key(i.worker), i.number)
	for range c.size {
		b = append(b, alphabet[random.IntN(len(alphabet))])
	}
	return append(b, `"}`...)
}

// entry is one record and what its client was told of it.
type entry struct {
	id
	content

	status    int    // 0: no reply of the plugin's
	delivered string // as the plugin says it
	receipt   string // of a record that is kept on disk
	// partition and offset are those of a record that was acknowledged.
	partition int
	offset    int64

	sent time.Time
	wait time.Duration // from there to the reply
}

// outcome is what a reply promises.
type outcome int

const (
	noReply       outcome = iota // nothing: the record may be anywhere
	acknowledged                 // in Kafka
	kept                         // on disk, and in Kafka in the end
	queued                       // in memory: in Kafka or in the log
	unknown                      // nothing
	refused                      // not in Kafka, and never will be
	contradictory                // a status and a delivered that do not go together
)

func (e *entry) outcome() outcome {
	switch {
	case e.status == 0:
		return noReply
	case e.status == 200 && e.delivered == "yes":
		return acknowledged
	case e.status == 202 && e.delivered == "pending" && e.receipt != "":
		return kept
	case e.status == 200 && e.delivered == "unknown":
		return queued
	case e.status >= 400 && e.delivered == "unknown":
		return unknown
	case e.status >= 400 && e.delivered == "no":
		return refused
	}
	return contradictory
}

// byItself reports whether the client was told that something is wrong with its
// record, and not with Kafka.
func (e *entry) byItself() bool { return e.outcome() == refused && e.status < 500 }

// promised tells of the replies that oblige: the record is to be in Kafka.
func (o outcome) promised() bool { return o == acknowledged || o == kept || o == queued }

// ledger is what the clients wrote down, in the order of the replies. Any number of
// goroutines may write.
type ledger struct {
	mu      sync.Mutex
	entries []entry
}

func (l *ledger) write(e ...entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e...)
}

// count is how many entries so far satisfy the condition; nil: all.
func (l *ledger) count(condition func(*entry) bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if condition == nil {
		return len(l.entries)
	}
	n := 0
	for i := range l.entries {
		if condition(&l.entries[i]) {
			n++
		}
	}
	return n
}

// since tells of the entries that have an outcome and were sent at a time or later.
func since(t time.Time, outcomes ...outcome) func(*entry) bool {
	return func(e *entry) bool { return !e.sent.Before(t) && slices.Contains(outcomes, e.outcome()) }
}

// snapshot is the entries so far.
func (l *ledger) snapshot() []entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}

// last is the replies to the last n records, in the order of the replies.
func (l *ledger) last(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var replies []string
	for _, e := range l.entries[max(len(l.entries)-n, 0):] {
		replies = append(replies, fmt.Sprintf("%v: %d %s after %v", e.id, e.status, e.delivered, e.wait.Round(time.Millisecond)))
	}
	return replies
}
