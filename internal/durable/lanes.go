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
	// hangs has few. Each that arrives lets it have one more, up to maxWindow. Where one of
	// several lanes has its fill the reader waits, and the others have to last meanwhile.
	firstWindow = 16
	maxWindow   = 2000
	// stallWait is how long nothing of a lane may arrive until it stands aside.
	stallWait = time.Second
	// maxLanes bounds the lanes in memory: with more of them aside, the reader waits.
	maxLanes = 10_000
)

// lanes are what keeps the records of a stream apart that need not wait for each other.
// The stream's reader goes through the disk in order. A lane whose records cannot be sent
// stands aside: the reader passes them, and when the obstacle is gone it goes back to the
// first of them. What waits takes no memory but that place. Who has the stream's turn
// uses it.
type lanes struct {
	cursor  spool.Cursor                // of the reader
	topics  map[string]*topicLanes      // those with a record that is under way or aside
	count   int                         // lanes
	aside   map[*lane]struct{}          // those that stand aside
	own     map[spool.Position]struct{} // records under way that the reader has met
	bytes   int                         // of these
	chosen  []taken                     // records that are just being read
	full    *lane                       // whose record the reader waits with; nil: none
	crowded bool                        // it waits since there are too many lanes
	retired []*lane                     // lanes that had nothing to send when that was last looked at
	refused []*flight                   // of records that Kafka can never take

	examined time.Time    // when those aside were last looked at
	wentBack time.Time    // when the reader last went back,
	target   spool.Cursor // and from where
}

// taken is a record that the reader takes, before it has it.
type taken struct {
	lane *lane
	size int
}

// topicLanes are a topic's lanes, by partition.
type topicLanes struct {
	name       string
	partitions int32 // into which keys are divided; the same while there are lanes
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
	moved     time.Time // when the first of the flights began, or the last one ended
	missing   time.Time // since when there is no such topic or partition; zero: there is

	isAside bool
	from    spool.Cursor   // where its first record is that was passed
	last    spool.Position // the last one
	passed  int64          // how many; more or less
	retry   time.Time      // it stands aside until then
}

func newLanes() lanes {
	return lanes{topics: map[string]*topicLanes{}, aside: map[*lane]struct{}{}, own: map[spool.Position]struct{}{}}
}

// choose says what the reader does with a record on disk.
func (st *stream) choose(h *spool.Head) spool.Choice {
	if _, ok := st.own[h.Position]; ok {
		return spool.Pass
	}
	l := st.laneOf(h)
	switch {
	case l == nil:
		st.crowded = true
		return spool.Stop
	case l.isAside:
	case st.room(l, h.Size):
		l.take(st, h.Size)
		st.chosen = append(st.chosen, taken{l, h.Size})
		return spool.Take
	default:
		st.full = l
		return spool.Stop
	}
	l.pass(h.Position)
	if st.policy == Suspend {
		return spool.Stop
	}
	return spool.Pass
}

// laneOf returns the lane of a record; nil: there is no room for another one. A new
// lane stands aside if its topic or partition cannot take a record.
func (st *stream) laneOf(h *spool.Head) *lane {
	t := st.topics[string(h.Topic)]
	if t == nil {
		name := string(h.Topic)
		partitions, _ := st.look(name, record.AnyPartition)
		t = &topicLanes{name: name, partitions: partitions, lanes: map[int32]*lane{}}
	}
	partition := h.Partition
	if partition == record.AnyPartition {
		partition = st.conn.PartitionOf(h.Key, t.partitions)
	}
	l := t.lanes[partition]
	if l == nil && st.count >= maxLanes {
		st.dropRetired(false)
	}
	if l != nil || st.count >= maxLanes {
		return l
	}
	l = &lane{topic: t, partition: partition, window: firstWindow}
	t.lanes[partition] = l
	st.topics[t.name] = t
	st.count++
	st.note(t)
	if _, err := st.look(t.name, partition); err != nil && !l.hopeless(err) {
		st.standAside(l, spool.Before(h.Position))
	}
	return l
}

// look returns what is known of a topic; see [producer.Pool.Look].
func (st *stream) look(topic string, partition int32) (partitions int32, err *record.Error) {
	if st.serial != nil {
		return st.serial.Look(topic, partition)
	}
	return st.q.pool.Look(st.conn, topic, partition)
}

// room reports whether another record of the lane may be under way.
func (st *stream) room(l *lane, size int) bool {
	if st.policy == Suspend {
		return len(st.own) == 0 && len(st.chosen) == 0
	}
	return l.flights == 0 || l.flights < l.window && l.bytes+size <= batchBytes &&
		len(st.own)+len(st.chosen) < maxFlights && st.bytes+size <= maxFlightBytes
}

// roomAgain reports whether the reader, which waits for room, goes on: not for each
// record that arrives, since to read one costs as much as to read many.
func (st *stream) roomAgain() bool {
	l := st.full
	if l != nil && st.policy == Suspend {
		return len(st.own) == 0
	}
	return l == nil || l.flights == 0 || l.isAside ||
		2*l.flights <= l.window && 2*l.bytes <= batchBytes && 2*len(st.own) <= maxFlights && 2*st.bytes <= maxFlightBytes
}

func (l *lane) take(st *stream, size int) {
	if l.flights == 0 {
		l.moved = time.Now()
	}
	l.flights++
	l.bytes += size
	st.bytes += size
}

// give takes back what take did.
func (l *lane) give(st *stream, size int) {
	l.flights--
	l.bytes -= size
	st.bytes -= size
	st.retire(l)
}

// retire has the lane forgotten when the reader is at the end, if it has nothing to send
// then. Before that its next record may be met, and it would have to begin with its
// first window again.
func (st *stream) retire(l *lane) {
	if !l.retired && l.flights == 0 && !l.isAside {
		l.retired = true
		st.retired = append(st.retired, l)
	}
}

// dropIfIdle forgets a lane that has nothing to send.
func (st *stream) dropIfIdle(l *lane) {
	if l.flights > 0 || l.isAside || l.topic.lanes[l.partition] != l {
		return
	}
	delete(l.topic.lanes, l.partition)
	st.count--
	if len(l.topic.lanes) == 0 {
		delete(st.topics, l.topic.name)
	}
	st.note(l.topic)
}

// note notes for requests whether a topic has lanes, and whether one stands aside.
func (st *stream) note(t *topicLanes) {
	aside := false
	for _, l := range t.lanes {
		aside = aside || l.isAside
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(t.lanes) == 0 {
		delete(st.met, t.name)
	} else {
		st.met[t.name] = aside
	}
}

// standAside has the reader pass the lane's records from a place on.
func (st *stream) standAside(l *lane, from spool.Cursor) {
	l.window = max(l.window/2, firstWindow)
	if !l.isAside {
		l.isAside, l.from, l.last, l.passed = true, from, spool.Position{}, 0
		st.aside[l] = struct{}{}
		st.note(l.topic)
	} else if from.Before(l.from) {
		l.from = from
	}
}

// pass counts a record that is passed.
func (l *lane) pass(p spool.Position) {
	if l.last.Before(p) {
		l.last = p
		l.passed++
	}
}

// landed notes that a record of the reader's is not under way any more.
func (st *stream) landed(f *flight) {
	delete(st.own, f.position)
	l := f.lane
	l.moved = time.Now()
	switch {
	case f.acked:
		l.missing = time.Time{}
		l.window = min(l.window+1, maxWindow)
	case st.policy == DeadLetter && f.err.Refused():
		st.refused = append(st.refused, f)
		return
	default:
		st.standAside(l, spool.Before(f.position))
		l.retry = time.Now().Add(retryPause)
	}
	l.give(st, f.size)
}

// examine has the lanes come back whose obstacle is gone, and the reader go back to the
// first of them. It returns when it is to be called again.
func (st *stream) examine(now time.Time) time.Duration {
	if st.count == 0 {
		return time.Hour
	}
	if wait := st.examined.Add(examinePause).Sub(now); wait > 0 {
		return wait
	}
	st.examined = now
	st.findStalled(now)
	for l := range st.aside {
		if l.flights > 0 || now.Before(l.retry) {
			continue
		}
		_, err := st.look(l.topic.name, l.partition)
		if err != nil && !l.hopeless(err) {
			continue
		}
		if l.from.Before(st.cursor) && !st.mayGoBack(now) {
			continue
		}
		st.comeBack(l, now)
		if err == nil { // its records may belong to several lanes now
			l.missing = time.Time{}
			st.dropIfIdle(l)
		}
	}
	return examinePause
}

// findStalled has the lanes stand aside of which nothing arrives.
func (st *stream) findStalled(now time.Time) {
	if st.policy == Suspend {
		return
	}
	for _, t := range st.topics {
		for _, l := range t.lanes {
			if !l.isAside && l.flights > 0 && now.Sub(l.moved) >= stallWait {
				st.standAside(l, st.cursor)
			}
		}
	}
}

// mayGoBack reports whether the reader is where it was when it last went back, which
// was not just now. Going back for each lane anew, it would never come to the others.
func (st *stream) mayGoBack(now time.Time) bool {
	return now.Equal(st.wentBack) || !st.cursor.Before(st.target) || now.Sub(st.wentBack) > goBackPause
}

// comeBack ends a lane's standing aside.
func (st *stream) comeBack(l *lane, now time.Time) {
	if l.from.Before(st.cursor) {
		if !now.Equal(st.wentBack) {
			st.wentBack, st.target = now, st.cursor
		}
		st.cursor = l.from
	}
	st.full = nil
	l.isAside, l.passed = false, 0
	delete(st.aside, l)
	st.retire(l)
	st.note(l.topic)
}

// startOver has the reader begin again, and no lane stand aside.
func (st *stream) startOver() {
	for l := range st.aside {
		st.comeBack(l, time.Time{})
		st.dropIfIdle(l)
	}
	st.cursor, st.target, st.full = spool.Cursor{}, spool.Cursor{}, nil
	st.dropRetired(true)
}

// dropRetired forgets the lanes that have nothing to send. Unless the reader is at the end,
// those of which it is not known whether they exist stay: their records are still to come.
func (st *stream) dropRetired(atEnd bool) {
	retired := st.retired
	st.retired = nil
	for _, l := range retired {
		if l.retired = !atEnd && !l.missing.IsZero(); l.retired {
			st.retired = append(st.retired, l)
		} else {
			st.dropIfIdle(l)
		}
	}
}

// standing returns how many records wait for what may take long.
func (st *stream) standing() (n int64) {
	for l := range st.aside {
		n += l.passed + int64(l.flights)
	}
	return n
}

// hopeless reports whether Kafka will never take the lane's next record, given what it
// says against it.
func (l *lane) hopeless(err *record.Error) bool { return hopeless(&l.missing, err) }
