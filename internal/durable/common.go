package durable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/notify"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// common is what a queue and its streams share. But for the spool it is set before there is a stream.
type common struct {
	log      *slog.Logger
	notifier *notify.Notifier
	pool     *producer.Pool              // nil: an operator's command, which sends nothing
	spool    atomic.Pointer[spool.Spool] // nil: the directory could not be opened yet, or is closed
	trouble  atomic.Pointer[error]       // why the directory could not be used when it was last tried; nil: it could
	loops
}

var errNoDisk = errors.New("the spool's directory cannot be opened")

// noDisk is errNoDisk with the reason.
func (c *common) noDisk() error {
	if why := c.trouble.Load(); why != nil {
		return fmt.Errorf("%w: %w", errNoDisk, *why)
	}
	return errNoDisk
}

// ErrStopping is returned by operations that Stop has ended.
var ErrStopping = errors.New("the runner is stopping")

// loops are the goroutines that Stop ends and waits for.
type loops struct {
	life    context.Context // ends with Stop: nothing new is sent
	asked   deadline.Group  // ends with life: contexts for each record, which cost less
	end     func()
	adding  sync.Mutex // held to add one, and to end life
	running sync.WaitGroup
}

func (l *loops) stopping() bool { return l.life.Err() != nil }

// loop runs f until Stop, which waits for its end; not after Stop.
func (l *loops) loop(f func()) {
	l.adding.Lock()
	defer l.adding.Unlock()
	if !l.stopping() {
		l.running.Go(f)
	}
}

// endLife ends the loops, and keeps new ones from being added.
func (l *loops) endLife() {
	l.adding.Lock()
	defer l.adding.Unlock()
	l.end()
	l.asked.EndAt(time.Now())
}
