package durable

import (
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

const (
	// maxFlights and maxFlightBytes bound the records of a stream that were read from
	// disk and are under way. Beyond them, a lane has one.
	maxFlights     = 8000
	maxFlightBytes = 16 << 20
	// firstWindow is how many records of a lane may be under way at first: a partition that
	// hangs has few. For each that arrives it may have one more, up to maxWindow. Where one of
	// several lanes has its fill the reader waits, and the others have to last meanwhile.
	firstWindow = 16
	maxWindow   = 2000
	// stallWait is how long nothing of a lane may arrive until it stands aside.
	stallWait = time.Second
	// maxLanes bounds the lanes in memory: with more of them aside, the reader waits.
	maxLanes = 10_000
	// batchRecords is how many records are read from disk at once.
	batchRecords = 500
	// batchBytes bounds what is read from disk at once, and what a lane has under way.
	batchBytes = 4 << 20
	// retryPause is before something that has failed is tried again.
	retryPause = 200 * time.Millisecond
	// missingWait is how long a topic or partition may be missing until its records
	// are taken for undeliverable: a cluster that has just started, or a topic that
	// is made again, is not there at once.
	missingWait = 30 * time.Second
	// missingGap is between two looks at what is missing of which the time in between counts: a cluster that
	// was away has not said meanwhile that the topic is missing. After missingWait the count begins anew.
	missingGap = 3 * time.Second
	// examinePause is between two looks at what stands aside.
	examinePause = 50 * time.Millisecond
	// goBackPause is how long the reader reads on at least after it went back, unless it
	// is where it was sooner.
	goBackPause = 5 * time.Second
)

// lanes keep the records of a stream apart that need not wait for each other. The forwarder
// reads the disk in order. A lane whose records cannot be sent stands aside: the reader passes them,
// and when the obstacle is gone it goes back to the first of them. What waits takes no memory but
// that place. They are for the holder of the stream's turn.
type lanes struct {
	ofUnits     bool // a lane is a topic
	inOrder     bool // a record that cannot be sent holds up all others, as the policy Suspend has it
	partitionOf func(key []byte, partitions int32) int32
	// look returns what is known of a topic; see [producer.Pool.Look].
	look  func(topic string, partition int32) (partitions int32, err *record.Error)
	ahead *ahead // what requests see of the lanes

	cursor  spool.Cursor           // of the reader
	topics  map[string]*topicLanes // those with a record that is under way or aside
	count   int                    // lanes
	aside   map[*lane]struct{}     // those that stand aside
	behind  map[string]struct{}    // topics for which the reader went back, until it is at the end
	own     map[spool.Position]own // records under way that the reader has met
	bytes   int                    // of these
	chosen  []taken                // records that are just being read
	full    *lane                  // whose record the reader waits with; nil: none
	crowded bool                   // it waits since there are too many lanes
	retired []*lane                // lanes that had nothing to send when that was last looked at
	refused []own                  // records that Kafka can never take

	examined time.Time    // when those aside were last looked at
	wentBack time.Time    // when the reader last went back,
	target   spool.Cursor // and from where
}

// taken is a record that the reader takes, before it has it.
type taken struct {
	lane *lane
	size int
}

// own is a record under way that counts for a lane.
type own struct {
	flight *flight
	taken
}

// topicLanes are a topic's lanes, by partition.
type topicLanes struct {
	name       string
	partitions int32 // into which keys are divided; the same while there are lanes: see divideAnew
	lanes      map[int32]*lane
}

// lane is the records for one partition, or those of a topic whose partition is not
// known: one behind the other.
type lane struct {
	topic     *topicLanes
	partition int32
	retired   bool
	flights   int // records under way, or about to be
	bytes     int
	window    int
	moved     time.Time     // when the first of the flights began, or the last one ended
	missing   time.Time     // when there was last seen to be no such topic or partition; zero: there is
	lacked    time.Duration // for how long that was seen before

	isAside bool
	from    spool.Cursor   // where its first record is that was passed
	last    spool.Position // the last one
	passed  int64          // how many; more or less
	retry   time.Time      // it stands aside until then
}

func newLanes() lanes {
	return lanes{topics: map[string]*topicLanes{}, aside: map[*lane]struct{}{}, behind: map[string]struct{}{}, own: map[spool.Position]own{}}
}

// choose is what the reader does with a record or unit on disk.
func (ls *lanes) choose(h *spool.Head) spool.Choice {
	if ls.ofUnits {
		h.Partition, h.Key = record.AnyPartition, nil
	}
	if _, ok := ls.own[h.Position]; ok {
		return spool.Pass
	}
	l := ls.laneOf(h)
	switch {
	case l == nil:
		ls.crowded = true
		return spool.Stop
	case l.isAside:
	case ls.room(l, h.Size):
		ls.take(l, h.Size)
		ls.chosen = append(ls.chosen, taken{l, h.Size})
		return spool.Take
	default:
		ls.full = l
		return spool.Stop
	}
	l.pass(h.Position)
	if ls.inOrder {
		return spool.Stop
	}
	return spool.Pass
}

// laneOf returns the lane of a record; nil: there is no room for another one. A new
// lane stands aside if its topic or partition cannot take a record.
func (ls *lanes) laneOf(h *spool.Head) *lane {
	t := ls.topics[string(h.Topic)]
	if t == nil {
		name := string(h.Topic)
		partitions, _ := ls.look(name, record.AnyPartition)
		t = &topicLanes{name: name, partitions: partitions, lanes: map[int32]*lane{}}
	}
	partition := h.Partition
	if partition == record.AnyPartition {
		partition = ls.partitionOf(h.Key, t.partitions)
	}
	l := t.lanes[partition]
	if l == nil && ls.count >= maxLanes {
		ls.dropRetired(false)
	}
	if l != nil || ls.count >= maxLanes {
		return l
	}
	l = &lane{topic: t, partition: partition, window: firstWindow}
	t.lanes[partition] = l
	ls.topics[t.name] = t
	ls.count++
	ls.note(t)
	if _, err := ls.lookAt(l); err != nil && !l.hopeless(err) {
		ls.standAside(l, spool.Before(h.Position))
	}
	return l
}

// room reports whether another record of the lane may be under way. Units never are: one is sent
// after another.
func (ls *lanes) room(l *lane, size int) bool {
	if ls.ofUnits {
		return true
	}
	if ls.inOrder {
		return len(ls.own) == 0 && len(ls.chosen) == 0
	}
	return l.flights == 0 || l.flights < l.window && l.bytes+size <= batchBytes &&
		len(ls.own)+len(ls.chosen) < maxFlights && ls.bytes+size <= maxFlightBytes
}

// roomAgain reports whether the reader, which waits for room, reads on: not for each
// record that arrives, since to read one costs as much as to read many.
func (ls *lanes) roomAgain() bool {
	l := ls.full
	if l != nil && ls.inOrder {
		return len(ls.own) == 0
	}
	return l == nil || l.flights == 0 || l.isAside ||
		2*l.flights <= l.window && 2*l.bytes <= batchBytes && 2*len(ls.own) <= maxFlights && 2*ls.bytes <= maxFlightBytes
}

func (ls *lanes) take(l *lane, size int) {
	if l.flights == 0 {
		l.moved = time.Now()
	}
	l.flights++
	l.bytes += size
	ls.bytes += size
}

// give takes back what take did.
func (ls *lanes) give(l *lane, size int) {
	l.flights--
	l.bytes -= size
	ls.bytes -= size
	ls.retire(l)
}

// retire lists the lane, to be dropped when the reader is at the end if it has nothing to send
// then. Before that its next record may be met, and it would have to begin with its
// first window again.
func (ls *lanes) retire(l *lane) {
	if !l.retired && l.flights == 0 && !l.isAside {
		l.retired = true
		ls.retired = append(ls.retired, l)
	}
}

// dropIfIdle forgets a lane that has nothing to send.
func (ls *lanes) dropIfIdle(l *lane) {
	if l.flights > 0 || l.isAside || l.topic.lanes[l.partition] != l {
		return
	}
	delete(l.topic.lanes, l.partition)
	ls.count--
	if len(l.topic.lanes) == 0 {
		delete(ls.topics, l.topic.name)
	}
	ls.note(l.topic)
}

// note notes for requests whether a topic has lanes or will have some, and whether one stands aside.
func (ls *lanes) note(t *topicLanes) {
	if _, behind := ls.behind[t.name]; len(t.lanes) == 0 && !behind {
		ls.ahead.forget(t.name)
		return
	}
	aside := false
	for _, l := range t.lanes {
		aside = aside || l.isAside
	}
	ls.ahead.note(t.name, aside)
}

// standAside makes the reader pass the lane's records, from a place on.
func (ls *lanes) standAside(l *lane, from spool.Cursor) {
	l.window = max(l.window/2, firstWindow)
	if !l.isAside {
		l.isAside, l.from, l.last, l.passed = true, from, spool.Position{}, 0
		ls.aside[l] = struct{}{}
		ls.note(l.topic)
	} else if from.Before(l.from) {
		l.from = from
	}
}

// setAside makes a lane stand aside from a record on, unless it does already, and passes the record.
func (ls *lanes) setAside(l *lane, p spool.Position) {
	if !l.isAside {
		ls.standAside(l, spool.Before(p))
	}
	l.pass(p)
}

// pass counts a record that is passed.
func (l *lane) pass(p spool.Position) {
	if l.last.Before(p) {
		l.last = p
		l.passed++
	}
}

// adopt makes a record that is under way one of the reader's.
func (ls *lanes) adopt(f *flight, t taken) { ls.own[f.position] = own{f, t} }

// land notes that a flight has ended, if its record is one of the reader's.
func (ls *lanes) land(f *flight) {
	o := ls.own[f.position]
	if o.flight != f { // the reader has not met the record yet, or has sent it again
		return
	}
	delete(ls.own, f.position)
	l := o.lane
	l.moved = time.Now()
	switch {
	case f.acked:
		l.missing = time.Time{}
		l.window = min(l.window+1, maxWindow)
	case !ls.inOrder && f.err.Refused():
		ls.refused = append(ls.refused, o)
		return
	default:
		ls.standAside(l, spool.Before(f.position))
		l.retry = time.Now().Add(retryPause)
	}
	ls.give(l, o.size)
}

// obstacle is why the lane's next record cannot be sent; nil: it can.
func (ls *lanes) obstacle(l *lane) *record.Error {
	if l.isAside {
		return standsAside
	}
	_, err := ls.lookAt(l)
	return err
}

// lookAt returns how many partitions the lane's topic has, 0 where that is not known, and what there
// is to say against a record of the lane.
func (ls *lanes) lookAt(l *lane) (partitions int32, err *record.Error) {
	partitions, err = ls.look(l.topic.name, l.partition)
	if err == nil || partitions > 0 && !err.Missing() {
		l.missing = time.Time{}
	}
	return partitions, err
}

var standsAside = &record.Error{Kind: record.KindUnavailable, Reason: "an earlier record waits"}

// examine ends the standing aside of lanes whose obstacle is gone, and takes the reader back to
// the first of them. It returns when it is to be called again.
func (ls *lanes) examine(now time.Time) time.Duration {
	if ls.count == 0 {
		return time.Hour
	}
	if wait := ls.examined.Add(examinePause).Sub(now); wait > 0 {
		return wait
	}
	ls.examined = now
	ls.findStalled(now)
	for l := range ls.aside {
		if l.flights > 0 || now.Before(l.retry) {
			continue
		}
		partitions, err := ls.lookAt(l)
		if partitions > 0 && partitions < l.topic.partitions {
			ls.divideAnew(l.topic, now)
			continue
		}
		if err != nil && !l.hopeless(err) {
			continue
		}
		if l.from.Before(ls.cursor) && !ls.mayGoBack(now) {
			continue
		}
		ls.comeBack(l, now)
		if err == nil { // its records may belong to several lanes now
			ls.dropIfIdle(l)
		}
	}
	return examinePause
}

// divideAnew drops the lanes of a topic that has fewer partitions than its keys were divided into: it was
// deleted and made again. Until nothing of it is under way all its lanes stand aside, since a
// key's next record has another lane.
func (ls *lanes) divideAnew(t *topicLanes, now time.Time) {
	idle := true
	for _, l := range t.lanes {
		if idle = idle && l.flights == 0; !l.isAside {
			ls.standAside(l, ls.cursor)
		}
	}
	if !idle || !ls.mayGoBack(now) {
		return
	}
	for _, l := range t.lanes {
		ls.comeBack(l, now)
		ls.dropIfIdle(l)
	}
}

// findStalled makes lanes stand aside of which nothing arrives.
func (ls *lanes) findStalled(now time.Time) {
	if ls.inOrder {
		return
	}
	for _, t := range ls.topics {
		for _, l := range t.lanes {
			if !l.isAside && l.flights > 0 && now.Sub(l.moved) >= stallWait {
				ls.standAside(l, ls.cursor)
			}
		}
	}
}

// mayGoBack reports whether the reader is where it was when it last went back, which
// was not just now. Going back for each lane anew, it would never come to the others.
func (ls *lanes) mayGoBack(now time.Time) bool {
	return now.Equal(ls.wentBack) || !ls.cursor.Before(ls.target) || now.Sub(ls.wentBack) > goBackPause
}

// comeBack ends a lane's standing aside.
func (ls *lanes) comeBack(l *lane, now time.Time) {
	if l.from.Before(ls.cursor) {
		if !now.Equal(ls.wentBack) {
			ls.wentBack, ls.target = now, ls.cursor
		}
		ls.cursor = l.from
		ls.behind[l.topic.name] = struct{}{}
	}
	ls.full = nil
	l.isAside, l.passed = false, 0
	delete(ls.aside, l)
	ls.retire(l)
	ls.note(l.topic)
}

// startOver takes the reader back to the beginning, and no lane stands aside then.
func (ls *lanes) startOver() {
	ls.ahead.read(unread)
	for l := range ls.aside {
		ls.comeBack(l, time.Time{})
		ls.dropIfIdle(l)
	}
	ls.cursor, ls.target, ls.full = spool.Cursor{}, spool.Cursor{}, nil
	ls.dropRetired(true)
}

// dropRetired forgets the lanes that have nothing to send. Unless the reader is at the end,
// those of which it is not known whether they exist stay: their records are still to come.
func (ls *lanes) dropRetired(atEnd bool) {
	retired := ls.retired
	ls.retired = nil
	for _, l := range retired {
		if l.retired = !atEnd && !l.missing.IsZero(); l.retired {
			ls.retired = append(ls.retired, l)
		} else {
			ls.dropIfIdle(l)
		}
	}
	if atEnd {
		for name := range ls.behind {
			if delete(ls.behind, name); ls.topics[name] == nil {
				ls.ahead.forget(name)
			}
		}
	}
}

// standing returns how many records wait in lanes that stand aside.
func (ls *lanes) standing() (n int64) {
	for l := range ls.aside {
		n += l.passed + int64(l.flights)
	}
	return n
}

// hopeless reports whether Kafka will never take the lane's next record or unit, because of err.
func (l *lane) hopeless(err *record.Error) bool {
	if err.Unconfirmed || !err.Missing() {
		return err.Refused()
	}
	now := time.Now()
	switch gap := now.Sub(l.missing); {
	case gap > missingWait: // or it was there
		l.lacked = 0
	case gap < missingGap:
		l.lacked += gap
	}
	l.missing = now
	return l.lacked > missingWait
}
