package durable

import (
	"context"
	"sync"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

const (
	// gateRecords is how many records may be left on disk for a gate without a pace.
	gateRecords = 1000
	// gateWait is how long requests wait at it.
	gateWait = time.Second
	// gatePace is how long a request waits while more records are left than that.
	// Without it, clients append faster than the forwarder sends, and the spool never
	// empties under load.
	gatePace = 100 * time.Millisecond
)

// gate delays new requests while the last records on disk are sent, so that they can go straight to
// Kafka: were they kept as well, a stream under load would never be empty again. The forwarder sets
// it, requests wait at it; mu guards it.
type gate struct {
	mu  sync.Mutex
	bar *bar // nil: requests do not wait
}

// bar is what requests wait at.
type bar struct {
	lifted chan struct{}
	until  time.Time
	pace   time.Duration // if not 0, each request waits so long, however long the bar is there
}

// set puts up a bar where there is none, or one whose time is over, or takes it away. A bar with
// another pace is replaced.
func (g *gate) set(wanted bool, pace time.Duration) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bar != nil && (!wanted || g.bar.pace != pace || pace == 0 && now.After(g.bar.until)) {
		close(g.bar.lifted)
		g.bar = nil
	}
	if wanted && g.bar == nil {
		g.bar = &bar{make(chan struct{}), now.Add(gateWait), pace}
	}
}

// open takes the bar away.
func (g *gate) open() { g.set(false, 0) }

// await waits until the bar is taken away; false: there is no bar, or it was not taken away in time.
func (g *gate) await(ctx context.Context) bool {
	g.mu.Lock()
	b := g.bar
	g.mu.Unlock()
	if b == nil {
		return false
	}
	wait := b.pace
	if wait == 0 {
		wait = time.Until(b.until)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-b.lifted:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// unread is where a forwarder has read to that has to begin anew.
const unread = -1

// ahead is what comes before new records on disk: everything until the forwarder has read to the end,
// and then the topics of the records that it has read and not sent, or goes back for. The forwarder notes
// it, requests look; mu guards it.
type ahead struct {
	mu     sync.Mutex
	readTo int64           // what the stream's appended was when the forwarder was last at the end
	topics map[string]bool // true: some of the topic's records stand aside
}

func newAhead() ahead { return ahead{readTo: unread, topics: map[string]bool{}} }

// note notes that records of a topic are ahead.
func (a *ahead) note(topic string, aside bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.topics[topic] = aside
}

func (a *ahead) forget(topic string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.topics, topic)
}

// read notes that the forwarder has read to the end, or is unread.
func (a *ahead) read(to int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.readTo = to
}

// isRead reports whether the forwarder has read all that was put on disk.
func (a *ahead) isRead(appended int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.readTo == appended
}

// of reports whether something on disk comes before the records, and whether records of one of their
// topics stand aside.
func (a *ahead) of(recs []record.Record, appended int64) (some, aside bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	some = a.readTo != appended
	for i := range recs {
		isAside, ok := a.topics[recs[i].Topic]
		some, aside = some || ok, aside || isAside
	}
	return some, aside
}
