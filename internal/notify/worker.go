package notify

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// target is one way to reach the operator.
type target struct {
	name string
	send func(context.Context, Event) error
}

// worker sends the notifications of one target, one at a time. A target that is
// slow delays its own only: what comes meanwhile is counted in causes.
type worker struct {
	target
	timeout time.Duration
	log     *slog.Logger
	wake    chan struct{}
	done    chan struct{}

	mu     sync.Mutex
	causes causes
	closed bool
}

func newWorker(t target, o Options) *worker {
	return &worker{
		target: t, timeout: o.Timeout, log: o.Log,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		causes: causes{o.Interval, map[cause]*entry{}},
	}
}

func (w *worker) tell(e Event, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed && w.causes.add(e, now) {
		w.signal()
	}
}

// close lets run end once all that waits is sent.
func (w *worker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.signal()
}

func (w *worker) signal() {
	select {
	case w.wake <- struct{}{}:
	default: // run has a signal that it has not seen yet
	}
}

// run sends until the worker is closed and nothing waits, or the context ends.
func (w *worker) run(ctx context.Context) {
	defer close(w.done)
	for ctx.Err() == nil {
		next := w.next()
		switch {
		case next.send:
			w.deliver(ctx, next.event)
		case next.end:
			return
		default:
			w.pause(ctx, next.wait)
		}
	}
}

// step is what run does next: send an event, end, or wait.
type step struct {
	send, end bool
	event     Event
	wait      time.Duration
}

func (w *worker) next() step {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if e, ok := w.causes.take(now, w.closed); ok {
		return step{send: true, event: e}
	}
	return step{end: w.closed, wait: w.causes.wait(now)}
}

func (w *worker) pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.wake:
	case <-ctx.Done():
	}
}

func (w *worker) deliver(ctx context.Context, e Event) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	if err := w.send(ctx, e); err != nil {
		w.log.Error("the operator could not be notified", "by", w.name, "event", e.Event, "error", err)
	}
}
