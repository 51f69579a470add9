package ledger

import (
	"fmt"
	"slices"
	"time"
)

// Account is what replies and topic come to when they are held against each other.
type Account struct {
	Replies     map[Outcome]int
	LongestWait time.Duration

	// Found and Absent are the records by outcome that are in the topic, or not.
	Found, Absent map[Outcome]int
	// Excused are promised records that are absent and need not be there.
	Excused int
	Bad     int // records that Kafka can never take
	Dead    int // records that became dead letters

	Lost          []ID     // promised and absent
	FoundRefused  []ID     // in the topic, and their clients were told that they never will be
	Swapped       []ID     // behind a later record of the same key
	Misplaced     []ID     // not at the partition and offset that the reply named
	Elsewhere     []string // of the first of those, what the reply named and where they are
	Contradictory []ID
	Condemned     []ID     // innocent ones that were refused, dropped or made dead letters
	BadTaken      []ID     // bad ones that were acknowledged or are in the topic
	RefusedKept   []ID     // dead letters whose clients were told that nothing was kept
	Again         []ID     // once for each time that a record is there beyond the first
	Renumbered    int      // of those, the ones that librdkafka made: see renumbered
	Copies        []string // of the first of those, where all of a record's copies are and who wrote them

	Keyless int // records that are in the topic without a key, whose order nobody promises
	Foreign int // records in the topic that are not of this run
	Altered int // records of this run's that nobody sent like this
	Wrapped int // records that were found in something else
}

// explained is how many records of a kind an account explains.
const explained = 20

// Evidence is what is known of records beside their replies and the topic.
type Evidence struct {
	// Excused reports of a promised record whether it need not be there; nil: none.
	Excused func(*Entry) bool
	// Seen were in the topic before it was deleted.
	Seen map[ID]bool
	// Dead are dead letters.
	Dead map[ID]bool
}

// excuses reports whether a promised record need not be in the topic. A dead letter
// need not, if there can be a reason for it.
func (v *Evidence) excuses(e *Entry) bool {
	return v.Excused != nil && v.Excused(e) || v.Dead[e.ID] && e.Nature != Innocent
}

// Account holds the entries against what the settlement was shown.
func (s *Settlement) Account(known Evidence) *Account {
	s.sort()
	a := &Account{Replies: map[Outcome]int{}, Found: map[Outcome]int{}, Absent: map[Outcome]int{},
		Foreign: s.foreign, Altered: s.altered, Wrapped: s.wrapped}
	for n := range s.entries {
		e, places := &s.entries[n], s.places(n)
		a.enter(e, places, known.excuses(e))
		a.blame(e, len(places) > 0, &known)
		a.repeat(e, places)
	}
	a.compareOrder(s)
	return a
}

func (a *Account) enter(e *Entry, places []Place, excused bool) {
	o := e.Outcome()
	a.Replies[o]++
	a.LongestWait = max(a.LongestWait, e.Wait)
	if len(places) == 0 {
		a.Absent[o]++
	} else {
		a.Found[o]++
	}
	switch {
	case o == Contradictory:
		a.Contradictory = append(a.Contradictory, e.ID)
	case o.Promised() && len(places) == 0 && excused:
		a.Excused++
	case o.Promised() && len(places) == 0:
		a.Lost = append(a.Lost, e.ID)
	case o == Refused && len(places) > 0:
		a.FoundRefused = append(a.FoundRefused, e.ID)
	case e.names() && len(places) > 0 && !e.at(places) && !excused:
		a.Misplaced = append(a.Misplaced, e.ID)
		if len(a.Elsewhere) < explained {
			a.Elsewhere = append(a.Elsewhere, fmt.Sprintf("%v: the reply says partition %d offset %d, it is at %s",
				e.ID, e.Partition, e.Offset, describe(places)))
		}
	}
}

// at reports whether the record is at the place that the reply has named.
func (e *Entry) at(places []Place) bool {
	return slices.ContainsFunc(places, func(p Place) bool { return p.Partition == e.Partition && p.Offset == e.Offset })
}

// describe says where places are, and who wrote them where that is known.
func describe(places []Place) (text string) {
	for i, p := range places {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("partition %d offset %d", p.Partition, p.Offset)
		if p.Producer >= 0 {
			text += fmt.Sprintf(" by producer %d epoch %d", p.Producer, p.Epoch)
		}
	}
	return text
}

// blame looks at who suffered for whose fault.
func (a *Account) blame(e *Entry, there bool, known *Evidence) {
	o := e.Outcome()
	dead := known.Dead[e.ID]
	if dead {
		a.Dead++
	}
	if e.Nature == Bad {
		a.Bad++
	}
	switch {
	case e.Nature == Innocent && (e.byItself() || dead || o == Queued && !there && !known.excuses(e)):
		a.Condemned = append(a.Condemned, e.ID)
	case e.Nature == Bad && (o == Acknowledged || there):
		a.BadTaken = append(a.BadTaken, e.ID)
	}
	if o == Refused && dead {
		a.RefusedKept = append(a.RefusedKept, e.ID)
	}
	if o == Refused && !there && known.Seen[e.ID] {
		a.FoundRefused = append(a.FoundRefused, e.ID)
	}
}

// renumbered reports whether one producer has written a record under two epochs: after a
// gap in one partition's numbers librdkafka raises the epoch and numbers all records
// anew that it has not seen acknowledged, also those of other partitions that a broker
// may have taken before its connection broke.
func renumbered(first, second Place) bool {
	return first.Producer >= 0 && first.Producer == second.Producer && first.Epoch < second.Epoch
}

// repeat counts the copies of a record.
func (a *Account) repeat(e *Entry, places []Place) {
	for i := 1; i < len(places); i++ {
		a.Again = append(a.Again, e.ID)
		if renumbered(places[i-1], places[i]) {
			a.Renumbered++
		}
	}
	if len(places) > 1 && len(a.Copies) < explained {
		a.Copies = append(a.Copies, fmt.Sprintf("there again: %v (%d) %s", e.ID, e.Status, describe(places)))
	}
}

// compareOrder looks at the first place of each promised record: a key's numbers must
// ascend, and all be in one partition. Nobody promises that of records without a key.
func (a *Account) compareOrder(s *Settlement) {
	for _, numbers := range s.index {
		var there []int32 // entries
		for _, n := range numbers {
			switch {
			case n == 0 || !s.first[n-1].there:
			case s.first[n-1].keyless:
				a.Keyless++
			case s.entries[n-1].Outcome().Promised():
				there = append(there, n-1)
			}
		}
		slices.SortFunc(there, func(n, m int32) int { return s.first[n].before(s.first[m]) })
		for i, last := 1, 0; i < len(there); i++ {
			before, e := there[last], there[i]
			if s.entries[before].Number > s.entries[e].Number || s.first[before].Partition != s.first[e].Partition {
				a.Swapped = append(a.Swapped, s.entries[e].ID)
				continue
			}
			last = i
		}
	}
}

// Terms are what is granted, and what is known of the gateway's losses.
type Terms struct {
	// Duplicates is how many there may be.
	Duplicates int
	// Logged is what the runners' logs say of records that async delivery had
	// answered 200. nil: nobody has the logs, and each such record is to be there.
	Logged *Logged
	// Unordered says that records of async delivery may change places: those that
	// an old runner still has are overtaken by those that go to its successor.
	Unordered bool
	// Renumbered says that librdkafka may number records anew.
	Renumbered bool
	// Unlogged says that async delivery lost its memory with a killed process,
	// which nobody could log.
	Unlogged bool
	// Shared says that others write to the topic, too.
	Shared bool
}

// Logged are the losses that a log speaks of: records that were certainly not delivered,
// and the most that can be missing.
type Logged struct{ Undelivered, AtMost int }

// Violations are the promises that were broken, in words with examples.
func (a *Account) Violations(t Terms) []string {
	var v []string
	report := func(what string, which []ID) {
		if len(which) > 0 {
			v = append(v, fmt.Sprintf("%d %s, such as %v", len(which), what, which[:min(len(which), 5)]))
		}
	}
	report("records were answered `delivered: no` and are in the topic", a.FoundRefused)
	if !t.Unordered {
		report("promised records are not in the order in which they were sent", a.Swapped)
	}
	report("acknowledged records are not where the reply says", a.Misplaced)
	report("replies contradict themselves", a.Contradictory)
	report("innocent records were refused for others", a.Condemned)
	report("records that Kafka can never take were taken", a.BadTaken)
	report("records were answered `delivered: no` and are dead letters", a.RefusedKept)
	altered := a.Altered
	if !t.Shared {
		altered += a.Foreign
	}
	if altered > 0 {
		v = append(v, fmt.Sprintf("%d records in the topic are not what was sent", altered))
	}
	again := len(a.Again)
	if t.Renumbered {
		again -= a.Renumbered
	}
	if again > t.Duplicates {
		report(fmt.Sprintf("records are there again, where %d may be", t.Duplicates), a.Again)
	}
	if a.Replies[Queued] == 0 || t.Logged == nil {
		report("promised records are lost", a.Lost)
		return v
	}
	return append(v, a.unaccounted(t)...)
}

// unaccounted compares what async delivery lost with what its log says.
func (a *Account) unaccounted(t Terms) []string {
	if t.Unlogged {
		return nil
	}
	var v []string
	if least, most := len(a.Lost), t.Logged.AtMost; least > most {
		v = append(v, fmt.Sprintf("%d queued records are lost, such as %v, and the log counts %d at most",
			least, a.Lost[:min(least, 5)], most))
	}
	// A record of a request that got no reply, or of one that is excused, is in
	// the log as well.
	if most := len(a.Lost) + a.Excused + a.Absent[NoReply]; t.Logged.Undelivered > most {
		v = append(v, fmt.Sprintf("the log says that %d records were not delivered, but only %d are not there",
			t.Logged.Undelivered, most))
	}
	return v
}
