package schema

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	defaultTTL = time.Minute
	// unusedAfter is when an answer that nobody asked for is dropped.
	unusedAfter = 10 * time.Minute
)

// Cache keeps the schemas that registries gave, for all sources of equal registry,
// credentials, subject and version. What nobody used for ten minutes is dropped when
// a registry is asked the next time.
type Cache struct {
	ttl  time.Duration
	log  *slog.Logger
	now  func() time.Time
	ctx  context.Context // ends with Close
	stop context.CancelFunc

	mu      sync.Mutex
	entries map[sourceKey]*entry
	closed  bool
	asking  sync.WaitGroup
}

// NewCache returns an empty cache, which asks for a "latest" version again when its
// answer is older than ttl; one minute if that is 0. A nil logger is none. Its owner
// closes it.
func NewCache(ttl time.Duration, log *slog.Logger) *Cache {
	if ttl <= 0 {
		ttl = defaultTTL
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Cache{ttl: ttl, log: log, now: time.Now, ctx: ctx, stop: stop, entries: map[sourceKey]*entry{}}
}

// Close ends the questions that are under way and waits until they have ended. After
// it, sources have what they had, and ask no more.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.asking.Wait()
}

// entry returns the source's entry, a new one if there is none.
func (c *Cache) entry(s *Source) *entry {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[s.key]
	if !ok {
		e = &entry{cache: c, from: s.from, version: s.key.version}
		c.entries[s.key] = e
	}
	e.used = now
	return e
}

// ask runs a question in the background, unless the cache is closed. It is also when
// unused entries go.
func (c *Cache) ask(question func(context.Context)) (asked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	now := c.now()
	for key, e := range c.entries {
		if now.Sub(e.used) >= unusedAfter {
			delete(c.entries, key)
		}
	}
	c.asking.Go(func() { question(c.ctx) })
	return true
}
