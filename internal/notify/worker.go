package notify

import (
	"context"
	"sync"
	"time"
)

// maxCauses bounds the causes that are counted separately; the rest are one cause, others.
const maxCauses = 1000

// cause is what notifications are counted by. The reason is not part of it: its
// text may differ each time.
type cause struct{ event, stream, topic string }

var others = cause{event: "others"}

// held is what is known of a cause.
type held struct {
	due     time.Time // when it may be sent next
	waiting *Event    // nil: nothing
}

// worker sends the notifications of one target, one at a time. A target that is
// slow delays its own only: what comes meanwhile is counted.
type worker struct {
	target
	opts Options
	wake chan struct{} // capacity 1

	// mu guards what is held of each cause, and whether the worker is to end.
	mu     sync.Mutex
	causes map[cause]*held
	closed bool
}

// tell adds an event to those of its cause that wait to be sent.
func (w *worker) tell(e Event, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	key := cause{e.Event, e.Stream, e.Topic}
	if w.causes[key] == nil && len(w.causes) >= maxCauses && e.Event != StreamSuspended { // of which no client makes many
		key, e.Event, e.Stream, e.Topic = others, others.event, "", ""
	}
	h := w.causes[key]
	if h == nil {
		h = &held{due: now}
		w.causes[key] = h
	}
	if h.waiting != nil {
		e.Count += h.waiting.Count
	}
	h.waiting = &e
	w.signal()
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
	for ctx.Err() == nil {
		e, wait, end := w.next()
		switch {
		case e != nil:
			w.deliver(ctx, e)
			continue
		case end:
			return
		}
		select {
		case <-time.After(wait):
		case <-w.wake:
		case <-ctx.Done():
		}
	}
}

// next takes a StreamSuspended, or else the event that is longest overdue; of a closed worker, also one that is not
// due. Without one it returns how long nothing becomes due, an interval at most. It
// forgets causes of which nothing came for an interval.
func (w *worker) next() (e *Event, wait time.Duration, end bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	wait = w.opts.Interval
	var first *held
	for key, h := range w.causes {
		due := !now.Before(h.due)
		switch {
		case h.waiting == nil && due:
			delete(w.causes, key)
		case h.waiting != nil && (due || w.closed):
			if first == nil || before(h, first) {
				first = h
			}
		default:
			wait = min(wait, h.due.Sub(now))
		}
	}
	if first != nil {
		e, first.waiting, first.due = first.waiting, nil, now.Add(w.opts.Interval)
	}
	return e, wait, w.closed
}

// before reports whether a is to be sent before b; both have an event.
func before(a, b *held) bool {
	if urgent := a.waiting.Event == StreamSuspended; urgent != (b.waiting.Event == StreamSuspended) {
		return urgent
	}
	return a.due.Before(b.due)
}

func (w *worker) deliver(ctx context.Context, e *Event) {
	ctx, cancel := context.WithTimeout(ctx, w.opts.Timeout)
	defer cancel()
	if err := w.send(ctx, *e); err != nil {
		w.opts.Log.Error("cannot notify the operator", "by", w.name, "event", e.Event, "error", err)
	}
}
