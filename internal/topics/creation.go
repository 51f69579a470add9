package topics

import (
	"sync"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

const (
	// creationWait is how long a topic that is not there may be being created where the
	// cluster does not say whether it does so on demand.
	creationWait = time.Second
	// longCreationWait is the same where the cluster does: a controller that is busy, or
	// being replaced, takes its time. A topic that is not there then was refused.
	longCreationWait = 30 * time.Second
	// autoMaxAge is how long it is known whether a cluster creates topics on demand, and
	// autoRetry when it is asked again where it did not say.
	autoMaxAge = 10 * time.Minute
	autoRetry  = time.Minute
)

// errCreating stands for a topic that may be there in a moment.
var errCreating = &record.Error{Kind: record.KindUnavailable, Reason: "the cluster may be creating the topic"}

// autoCreation is whether a cluster creates a topic that somebody asks for by its name.
// Its answer about a topic is the same, UNKNOWN_TOPIC_OR_PARTITION, while it does and
// where it does not: only its configuration tells.
type autoCreation struct {
	// look asks for the brokers' configuration; nil: nobody can.
	look func() (creates, known bool)

	mu      sync.Mutex
	creates bool
	known   bool
	until   time.Time // the end of what was found out
	looking bool
}

// wait returns how long a topic that is not there may be being created.
func (a *autoCreation) wait(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.After(a.until) && !a.looking && a.look != nil {
		a.looking = true
		go a.find()
	}
	switch {
	case a.known && !a.creates:
		return 0
	case a.known, a.looking: // which ends soon
		return longCreationWait
	}
	return creationWait
}

func (a *autoCreation) find() {
	creates, known := a.look()
	a.mu.Lock()
	defer a.mu.Unlock()
	age := autoRetry
	if known {
		a.creates, a.known, age = creates, true, autoMaxAge
	}
	a.looking, a.until = false, time.Now().Add(age)
}

// absent is what there is to say against a topic that the cluster does not know, and
// whether that may pass. Cache.mu is held.
func (ts *Cache) absent(t *Topic) (err *record.Error, passes bool) {
	now := ts.now()
	if t.missing.IsZero() {
		t.missing = now
	}
	if t.named && now.Sub(t.missing) < ts.auto.wait(now) {
		return errCreating, true
	}
	return &record.Error{Kind: record.KindTopicNotFound, Reason: "the cluster has no such topic"}, false
}
