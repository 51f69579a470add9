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

// topicsAhead are the topics of the records on disk that the forwarder has read and not sent. The
// forwarder notes them, requests look; mu guards them.
type topicsAhead struct {
	mu    sync.Mutex
	aside map[string]bool // true: some of the topic's records stand aside
}

func (t *topicsAhead) note(topic string, aside bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.aside[topic] = aside
}

func (t *topicsAhead) forget(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.aside, topic)
}

// of reports whether a topic of the records is among them, and whether one has records that stand
// aside.
func (t *topicsAhead) of(recs []record.Record) (ahead, aside bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range recs {
		isAside, ok := t.aside[recs[i].Topic]
		ahead, aside = ahead || ok, aside || isAside
	}
	return ahead, aside
}
