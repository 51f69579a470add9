package producer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Kafka refuses a whole batch for one record in it. It names the record for some reasons
// (KIP-467), and for others it does not; what librdkafka reports of a batch without names
// looks like a refusal of each record. So only a record that was refused alone is
// refused. When a batch is, all its records are sent again by a producer whose batches
// have one record each, and the topic is suspect: for a while all its records go that
// way, so that the next bad one harms no other, in this topic or in another.

// suspectTime is how long a topic stays suspect after its last refusal, for each suspect topic of
// the connection, up to longestSuspect. A topic that becomes suspect costs the connection's other
// topics the time that it takes to replace the producer: one client that sends bad records to many
// topics in turn is to cause that once for each, and not again when it comes round.
const (
	suspectTime    = 10 * time.Second
	longestSuspect = 10 * time.Minute
)

// maxAlone is how many records of a suspect topic may wait when another comes whose outcome
// nobody waits for. Each takes a round trip: async clients send faster than that.
const maxAlone = 1000

// suspects are the suspect topics of a pool.
type suspects struct {
	n       atomic.Int32 // 0 is what a request sees
	mu      sync.Mutex   // guards what follows, and the suspects in the map
	byTopic map[suspectKey]*suspect
	byConn  map[string]int // how many of these a connection has
}

type suspectKey struct{ conn, topic string }

// suspect is a topic that goes to the producer with batches of one record.
type suspect struct {
	all   *suspects
	key   suspectKey
	until time.Time
	// with is how many records that producer has. The topic goes back when there are none,
	// or those that follow would overtake them.
	with int
	idle chan struct{} // closed when with is 0; nil: nobody waits for that
	room chan struct{} // closed when with is half of maxAlone; nil likewise
}

// refused makes the topic suspect.
func (ss *suspects) refused(conn, topic string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	key := suspectKey{conn, topic}
	s := ss.byTopic[key]
	if s == nil {
		s = &suspect{all: ss, key: key}
		ss.byTopic[key] = s
		ss.byConn[conn]++
		ss.n.Add(1)
	}
	s.until = time.Now().Add(min(time.Duration(ss.byConn[conn])*suspectTime, longestSuspect))
}

// has reports whether the topic is suspect.
func (ss *suspects) has(conn, topic string) bool {
	if ss.n.Load() == 0 {
		return false
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.byTopic[suspectKey{conn, topic}] != nil
}

// block reports whether a record of the topic would have to wait for earlier ones that are sent alone.
func (ss *suspects) block(conn, topic string) bool {
	if ss.n.Load() == 0 {
		return false
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s := ss.byTopic[suspectKey{conn, topic}]
	return s != nil && s.with > 0 && !time.Now().Before(s.until)
}

// enter returns the suspect if the topic is one, and counts a record in, which Leave
// counts out. It waits for the last records of a topic that is suspect no more and, where
// nobody waits for the record itself, for room among those that are sent one at a time.
func (ss *suspects) enter(ctx context.Context, conn, topic string, whom client.Audience) (*suspect, *record.Error) {
	for ss.n.Load() > 0 {
		s, fewer, err := ss.look(suspectKey{conn, topic}, whom)
		if fewer == nil {
			return s, nil
		}
		if !wait(ctx, fewer) {
			return nil, err
		}
	}
	return nil, nil
}

var (
	errStillAlone = &record.Error{Kind: record.KindUnavailable, Reason: "earlier records of the topic are still sent one at a time"}
	errManyAlone  = &record.Error{Kind: record.KindQueueFull, Reason: "too many records of the topic wait to be sent one at a time"}
)

// look returns the suspect, with a record counted in, or what is to be waited for, and the
// error where that takes too long.
func (ss *suspects) look(key suspectKey, whom client.Audience) (_ *suspect, fewer <-chan struct{}, _ *record.Error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s := ss.byTopic[key]
	switch {
	case s == nil:
		return nil, nil, nil
	case time.Now().Before(s.until):
		if whom == client.ForNobody && s.with >= maxAlone {
			return nil, waitFor(&s.room), errManyAlone
		}
		s.with++
		return s, nil, nil
	case s.with == 0:
		ss.remove(s)
		return nil, nil, nil
	}
	return nil, waitFor(&s.idle), errStillAlone
}

// waitFor returns the channel, which it makes where nobody waits yet.
func waitFor(c *chan struct{}) <-chan struct{} {
	if *c == nil {
		*c = make(chan struct{})
	}
	return *c
}

// remove is called with the lock.
func (ss *suspects) remove(s *suspect) {
	delete(ss.byTopic, s.key)
	if ss.byConn[s.key.conn]--; ss.byConn[s.key.conn] == 0 {
		delete(ss.byConn, s.key.conn)
	}
	ss.n.Add(-1)
}

// sweep forgets the topics that are suspect no more.
func (ss *suspects) sweep(now time.Time) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, s := range ss.byTopic {
		if s.with == 0 && now.After(s.until) {
			ss.remove(s)
		}
	}
}

// seat returns the suspect as the seat of a record; nil for nil.
func (s *suspect) seat() client.Seat {
	if s == nil {
		return nil
	}
	return s
}

// Leave counts a record out. s may be nil: the record's topic was not suspect.
func (s *suspect) Leave() {
	if s == nil {
		return
	}
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.with--
	if s.with <= maxAlone/2 && s.room != nil {
		close(s.room)
		s.room = nil
	}
	if s.with == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// wait waits until done is closed; false: ctx ended first.
func wait(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}
