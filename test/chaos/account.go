package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// account is what replies and topic come to when they are held against each other.
type account struct {
	replies     map[outcome]int
	longestWait time.Duration

	// found and absent are the records by outcome that are in the topic, or not.
	found, absent map[outcome]int
	// excused are promised records that are absent and need not be there.
	excused int
	bad     int // records that Kafka can never take
	dead    int // records that became dead letters

	lost          []id     // promised and absent
	foundRefused  []id     // in the topic, and their clients were told that they never will be
	swapped       []id     // behind a later record of the same key
	misplaced     []id     // not at the partition and offset that the reply named
	elsewhere     []string // of those, what the reply named and where they are
	contradictory []id
	condemned     []id     // innocent ones that were refused, dropped or made dead letters
	badTaken      []id     // bad ones that were acknowledged or are in the topic
	refusedKept   []id     // dead letters whose clients were told that nothing was kept
	again         []id     // once for each time that a record is there beyond the first
	renumbered    int      // of those, the ones that librdkafka made: see renumbered
	copies        []string // of those, where all of a record's copies are and who wrote them
	foreign       int      // records in the topic that nobody sent, or not like this
}

// evidence is what is known of records beside their replies and the topic.
type evidence struct {
	// excused reports of a promised record whether it need not be there; nil: none.
	excused func(*entry) bool
	// seen were in the topic before it was deleted.
	seen map[id]bool
	// dead are dead letters.
	dead map[id]bool
}

// excuses reports whether a promised record need not be in the topic. A dead letter
// need not, if there can be a reason for it.
func (v *evidence) excuses(e *entry) bool {
	return v.excused != nil && v.excused(e) || v.dead[e.id] && e.nature != innocent
}

// settle holds the entries against the topic, sorted by partition and offset.
func settle(entries []entry, topic []kafkatest.Record, known evidence) account {
	a := account{replies: map[outcome]int{}, found: map[outcome]int{}, absent: map[outcome]int{}}
	sent := make(map[id]*entry, len(entries))
	for i := range entries {
		sent[entries[i].id] = &entries[i]
	}
	places := a.read(topic, sent)
	for i := range entries {
		e := &entries[i]
		a.enter(e, places[e.id], known.excuses(e))
		a.blame(e, len(places[e.id]) > 0, &known)
	}
	a.compareOrder(topic, sent)
	return a
}

// place is where a record lies.
type place struct {
	partition int
	offset    int64
}

// writer is which life of which producer wrote a record.
type writer struct {
	producer int64
	epoch    int16
}

// renumbered reports whether one producer has written a record under two epochs: after a
// gap in one partition's numbers librdkafka raises the epoch and numbers all records
// anew that it has not seen acknowledged, also those of other partitions that a broker
// may have taken before its connection broke.
func renumbered(first, second writer) bool {
	return first.producer >= 0 && first.producer == second.producer && first.epoch < second.epoch
}

// read finds each record's places in the topic.
func (a *account) read(topic []kafkatest.Record, sent map[id]*entry) map[id][]place {
	places := make(map[id][]place, len(sent))
	writers := map[place]writer{}
	for i := range topic {
		e := identify(&topic[i], sent)
		if e == nil {
			a.foreign++
			continue
		}
		at := place{topic[i].Partition, topic[i].Offset}
		writers[at] = writer{topic[i].ProducerID, topic[i].ProducerEpoch}
		places[e.id] = append(places[e.id], at)
		if n := len(places[e.id]); n > 1 {
			a.again = append(a.again, e.id)
			if renumbered(writers[places[e.id][n-2]], writers[at]) {
				a.renumbered++
			}
		}
	}
	for _, twice := range a.again {
		text := fmt.Sprintf("there again: %v (%d)", twice, sent[twice].status)
		for _, at := range places[twice] {
			text += fmt.Sprintf(" partition %d offset %d by %+v", at.partition, at.offset, writers[at])
		}
		a.copies = append(a.copies, text)
	}
	return places
}

// identify is the entry of a record, nil if nobody sent it byte for byte.
func identify(r *kafkatest.Record, sent map[id]*entry) *entry {
	i, ok := readID(r.Value)
	e := sent[i]
	if !ok || e == nil || !bytes.Equal(r.Value, e.value(e.content)) {
		return nil
	}
	if e.keyless && r.Key != nil || !e.keyless && string(r.Key) != key(e.worker) {
		return nil
	}
	return e
}

// readID reads a record's name from its value.
func readID(value []byte) (i id, ok bool) {
	var v struct {
		Worker, Keyless string
		Number          int
	}
	if json.Unmarshal(value, &v) != nil {
		return i, false
	}
	i.number = v.Number
	_, err := fmt.Sscanf(v.Worker+v.Keyless, "worker-%d", &i.worker)
	return i, err == nil
}

// enter counts one entry.
func (a *account) enter(e *entry, places []place, excused bool) {
	o := e.outcome()
	a.replies[o]++
	a.longestWait = max(a.longestWait, e.wait)
	if len(places) == 0 {
		a.absent[o]++
	} else {
		a.found[o]++
	}
	switch {
	case o == contradictory:
		a.contradictory = append(a.contradictory, e.id)
	case o.promised() && len(places) == 0 && excused:
		a.excused++
	case o.promised() && len(places) == 0:
		a.lost = append(a.lost, e.id)
	case o == refused && len(places) > 0:
		a.foundRefused = append(a.foundRefused, e.id)
	case o == acknowledged && places != nil && !e.at(places) && !excused:
		a.misplaced = append(a.misplaced, e.id)
		a.elsewhere = append(a.elsewhere, fmt.Sprintf("%v: the reply says partition %d offset %d, it is at %+v", e.id, e.partition, e.offset, places))
	}
}

// at reports whether the record is at the place that the reply has named.
func (e *entry) at(places []place) bool { return slices.Contains(places, place{e.partition, e.offset}) }

// blame looks at who suffered for whose fault.
func (a *account) blame(e *entry, there bool, known *evidence) {
	o := e.outcome()
	dead := known.dead[e.id]
	if dead {
		a.dead++
	}
	if e.nature == bad {
		a.bad++
	}
	switch {
	case e.nature == innocent && (e.byItself() || dead || o == queued && !there && !known.excuses(e)):
		a.condemned = append(a.condemned, e.id)
	case e.nature == bad && (o == acknowledged || there):
		a.badTaken = append(a.badTaken, e.id)
	}
	if o == refused && dead {
		a.refusedKept = append(a.refusedKept, e.id)
	}
	if o == refused && !there && known.seen[e.id] {
		a.foundRefused = append(a.foundRefused, e.id)
	}
}

// compareOrder looks at the first occurrence of each promised record: a key's
// numbers must ascend, and all be in one partition.
func (a *account) compareOrder(topic []kafkatest.Record, sent map[id]*entry) {
	type progress struct{ partition, number int }
	last := map[int]progress{}
	seen := map[id]bool{}
	for i := range topic {
		e := identify(&topic[i], sent)
		if e == nil || seen[e.id] || !e.outcome().promised() {
			continue
		}
		seen[e.id] = true
		before, ok := last[e.worker]
		if ok && (before.number > e.number || before.partition != topic[i].Partition) {
			a.swapped = append(a.swapped, e.id)
			continue
		}
		last[e.worker] = progress{topic[i].Partition, e.number}
	}
}

// terms are what a scenario grants.
type terms struct {
	// duplicates is how many there may be.
	duplicates int
	// logged is what the runners' logs say of records that async delivery had
	// answered 200.
	logged losses
	// unordered tells that records of async delivery may change places: those that
	// an old runner still has are overtaken by those that go to its successor.
	unordered bool
	// renumbered tells that librdkafka may number records anew.
	renumbered bool
	// unlogged tells that async delivery lost its memory with a killed process,
	// which nobody could log.
	unlogged bool
}

// violations are the promises that were broken, in words with examples.
func (a *account) violations(t terms) []string {
	var v []string
	report := func(what string, which []id) {
		if len(which) > 0 {
			v = append(v, fmt.Sprintf("%d %s, such as %v", len(which), what, which[:min(len(which), 5)]))
		}
	}
	report("records were answered `delivered: no` and are in the topic", a.foundRefused)
	if !t.unordered {
		report("promised records are not in the order in which they were sent", a.swapped)
	}
	report("acknowledged records are not where the reply says", a.misplaced)
	report("replies contradict themselves", a.contradictory)
	report("innocent records were refused for others", a.condemned)
	report("records that Kafka can never take were taken", a.badTaken)
	report("records were answered `delivered: no` and are dead letters", a.refusedKept)
	if a.foreign > 0 {
		v = append(v, fmt.Sprintf("%d records in the topic are not what was sent", a.foreign))
	}
	again := len(a.again)
	if t.renumbered {
		again -= a.renumbered
	}
	if again > t.duplicates {
		report(fmt.Sprintf("records are there again, where %d may be", t.duplicates), a.again)
	}
	if a.replies[queued] == 0 {
		report("promised records are lost", a.lost)
		return v
	}
	return append(v, a.unaccounted(t)...)
}

// unaccounted compares what async delivery lost with what its log says.
func (a *account) unaccounted(t terms) []string {
	if t.unlogged {
		return nil
	}
	var v []string
	if least, most := len(a.lost), t.logged.atMost(); least > most {
		v = append(v, fmt.Sprintf("%d queued records are lost, such as %v, and the log counts %d at most",
			least, a.lost[:min(least, 5)], most))
	}
	// A record of a request that got no reply, or of one that is excused, is in
	// the log as well.
	if most := len(a.lost) + a.excused + a.absent[noReply]; t.logged.undelivered > most {
		v = append(v, fmt.Sprintf("the log says that %d records were not delivered, but only %d are not there",
			t.logged.undelivered, most))
	}
	return v
}
