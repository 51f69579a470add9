package schema

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// failureStays is how long a failure is the answer before the registry is asked
	// again.
	failureStays = time.Second
	// staleLogged is how often it is logged that an old schema is in use.
	staleLogged = time.Minute
)

// entry is one registered schema in the cache: the last answer, and whether a
// question is under way. There is never more than one.
type entry struct {
	cache *Cache
	key   sourceKey
	from  *Registry
	name  Name
	turns *registryTurns
	asked bool      // for by clients only; under the cache's lock
	used  time.Time // under the cache's lock
	held  int       // sources of the configuration that have asked for it; under the cache's lock

	compiled atomic.Bool // there is a schema

	mu       sync.Mutex
	schema   *Schema // nil until there has been an answer
	answer   Registered
	answered time.Time
	err      error // the last question's
	failed   time.Time
	logged   time.Time
	asking   chan struct{} // closed when the question that is under way ends
}

// letGo notes that a source of the configuration is gone, with its route.
func (e *entry) letGo() {
	e.cache.mu.Lock()
	defer e.cache.mu.Unlock()
	e.held--
}

func (e *entry) current(ctx context.Context) (*Schema, int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		if e.due() {
			if err := e.ask(ctx); err != nil && e.schema == nil {
				return nil, 0, err
			}
		}
		switch {
		case e.schema != nil:
			return e.schema, e.answer.ID, nil
		case e.asking == nil:
			return nil, 0, e.err
		case !e.wait(ctx):
			return nil, 0, unavailable("the registry has not answered yet")
		}
	}
}

// wait returns when the question that is under way has ended: without an answer, if the request that began it had to wait
// too long for its turn. It reports false when ctx ends first.
func (e *entry) wait(ctx context.Context) bool {
	asking := e.asking
	e.mu.Unlock()
	defer e.mu.Lock()
	select {
	case <-asking:
		return true
	case <-ctx.Done():
		return false
	}
}

// due reports whether to ask. A version with a number is never another.
func (e *entry) due() bool {
	now := e.cache.now()
	switch {
	case e.asking != nil:
		return false
	case e.err != nil && now.Sub(e.failed) < failureStays:
		return false
	case e.schema == nil:
		return true
	}
	return e.name.Version == latest && now.Sub(e.answered) >= e.cache.ttl
}

// ask begins a question. It belongs to no request, since others wait for it too; but a first one that still waits for its
// turn ends with the request that began it, so that there are never more of these than requests.
func (e *entry) ask(ctx context.Context) error {
	done := make(chan struct{})
	var gaveUp <-chan struct{}
	if e.schema == nil {
		gaveUp = ctx.Done()
	}
	err := e.cache.ask(e, gaveUp, e.question, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.asking = nil
		close(done)
	})
	if err == nil {
		e.asking = done
	}
	return err
}

func (e *entry) question(ctx context.Context) {
	s, answer, err := e.load(ctx)
	if err == nil {
		e.cache.keep(e)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.take(s, answer, err)
}

// load asks, and compiles the answer if it is not the one that there is.
func (e *entry) load(ctx context.Context) (*Schema, Registered, error) {
	asking, cancel := context.WithTimeout(ctx, 3*e.from.opts.Timeout) // with all references
	defer cancel()
	answer, err := e.from.Get(asking, e.name)
	if err != nil {
		return nil, Registered{}, err
	}
	e.mu.Lock()
	s, before := e.schema, e.answer
	e.mu.Unlock()
	if s != nil && reflect.DeepEqual(answer, before) {
		return s, answer, nil
	}
	s, err = e.from.load(ctx, asking, answer, e.name)
	return s, answer, err
}

// take notes how a question ended.
func (e *entry) take(s *Schema, answer Registered, err error) {
	now := e.cache.now()
	e.err = err
	if err == nil {
		e.schema, e.answer, e.answered = s, answer, now
		e.compiled.Store(true)
		return
	}
	e.failed = now
	if e.schema == nil || e.cache.ctx.Err() != nil {
		return
	}
	if e.logged.IsZero() || now.Sub(e.logged) >= staleLogged {
		e.logged = now
		e.cache.log.Warn("cannot refresh a schema from the registry; using the last one",
			"subject", e.name.Subject, "version", e.name.Version, "reason", err)
	}
}
