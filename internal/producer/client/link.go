package client

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/topics"
)

var (
	// ErrRetired is returned by a client that takes no more records: its owner has or makes
	// another.
	ErrRetired = topics.ErrClosed
	// ErrShuttingDown is returned when there will be no other client: the process ends.
	ErrShuttingDown = &record.Error{Kind: record.KindUnavailable, Reason: "shutting down"}

	errNotUp = &record.Error{Kind: record.KindNoBroker, Reason: "no broker answers, or none has yet"}
)

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// linkState says whether a producer's cluster answers.
type linkState int32

const (
	linkConnecting linkState = iota // not known yet
	linkUp
	linkSuspect // was up; every connection is gone, which an idle one may be
	linkDown
)

// link is what is known of the connection to a cluster. Requests look at it before
// a record is queued: a record that could only wait is refused at once.
type link struct {
	state atomic.Int32

	mu      sync.Mutex
	changed chan struct{} // closed at the next change of state
	cause   *record.Error // why it is down
	probe   chan struct{} // asks watch to look now
}

func newLink() *link {
	return &link{changed: make(chan struct{}), probe: make(chan struct{}, 1)}
}

func (l *link) get() linkState { return linkState(l.state.Load()) }

// look returns the state and, where it is down, why.
func (l *link) look() (linkState, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause == nil {
		return l.get(), ""
	}
	return l.get(), l.cause.Reason
}

func (l *link) set(state linkState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.move(state)
}

func (l *link) move(state linkState) {
	if state == linkUp {
		l.cause = nil
	}
	if l.get() == state {
		return
	}
	l.state.Store(int32(state))
	close(l.changed)
	l.changed = make(chan struct{})
}

// down is called when a probe got no answer.
func (l *link) down() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause == nil {
		l.cause = &record.Error{Kind: record.KindNoBroker, Reason: "no broker answers"}
	}
	l.move(linkDown)
}

// refused reports whether a broker has refused the credentials since the cluster last answered.
func (l *link) refused() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause != nil && l.cause.Kind == record.KindAuthentication
}

// note takes an error event of the client. Events about one broker only explain;
// that all are down is the moment to doubt.
func (l *link) note(err *librdkafka.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := librdkafka.Classify(err)
	switch {
	case e.Kind == record.KindAuthentication:
		l.cause = e
	case err.Code == kafka.ErrAllBrokersDown, l.cause != nil && l.cause.Kind == record.KindAuthentication:
		// the cause noted before says more
	default:
		l.cause = &record.Error{Kind: record.KindNoBroker, Reason: e.Reason}
	}
	if err.Code != kafka.ErrAllBrokersDown && e.Kind != record.KindAuthentication {
		return
	}
	switch l.get() {
	case linkConnecting:
		if l.cause == nil {
			l.cause = e
		}
		l.move(linkDown)
	case linkUp:
		l.move(linkSuspect)
	}
	select {
	case l.probe <- struct{}{}:
	default:
	}
}

// await returns nil when the cluster answers, waiting while that is not known.
// Nobody finds it out any more once closing is closed.
func (l *link) await(ctx context.Context, closing <-chan struct{}) *record.Error {
	if l.get() == linkUp {
		return nil
	}
	for {
		l.mu.Lock()
		state, cause, changed := l.get(), l.cause, l.changed
		l.mu.Unlock()
		switch state {
		case linkUp:
			return nil
		case linkDown:
			return &record.Error{Kind: cause.Kind, Reason: cause.Reason}
		}
		select {
		case <-changed:
		case <-closing:
			return ErrRetired
		case <-ctx.Done():
			return &record.Error{Kind: record.KindNoBroker, Reason: "no broker has answered yet"}
		}
	}
}
