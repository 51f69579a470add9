package diskfile

import (
	"context"
	"errors"
	"sync"
	"time"
)

// lookWait is how long a disk may take to say what is on it. One of a network may hang for good.
const lookWait = 2 * time.Second

// ErrHangs is what there is instead of a look that takes more than two seconds.
var ErrHangs = errors.New("the disk hangs")

// Look is a look at a disk: one at a time, however many want it, since each has a thread for as long as the disk hangs.
type Look[T any] struct {
	ask func() (T, error)

	mu      sync.Mutex
	running context.Context // ends with the look, or when it takes too long; nil: there is none
	last    T
	err     error
}

func NewLook[T any](ask func() (T, error)) *Look[T] { return &Look[T]{ask: ask} }

// Latest takes a look, or shares the one that is under way, and returns what it has found; with an error, what the last one
// without an error had found. ErrHangs comes two seconds after the look has begun: at once for those who ask later.
func (l *Look[T]) Latest() (T, error) {
	l.mu.Lock()
	look := l.running
	if look == nil {
		var ended context.CancelFunc
		look, ended = context.WithTimeout(context.Background(), lookWait)
		l.running = look
		go l.run(ended)
	}
	l.mu.Unlock()
	<-look.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(look.Err(), context.DeadlineExceeded) {
		return l.last, ErrHangs
	}
	return l.last, l.err
}

func (l *Look[T]) run(ended func()) {
	defer ended()
	found, err := l.ask()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err = err; err == nil {
		l.last = found
	}
	l.running = nil
}
