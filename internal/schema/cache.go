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
	// maxAsked and maxAsking bound what clients can ask for: the schemas that are kept, and the questions at once.
	maxAsked  = 256
	maxAsking = 4
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
	asked   int // questions of clients that are under way
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
		if s.asked {
			c.makeRoom()
		}
		e = &entry{cache: c, from: s.from, name: s.key.Name, asked: s.asked}
		c.entries[s.key] = e
	}
	e.asked = e.asked && s.asked // once the configuration has named it, it is the configuration's
	e.used = now
	return e
}

// makeRoom drops the entry of a client's that was used last the longest time ago, if there are too many: first those that
// have no schema.
func (c *Cache) makeRoom() {
	count := 0
	var oldest *sourceKey
	var used time.Time
	useful := true
	for key, e := range c.entries {
		if !e.asked {
			continue
		}
		count++
		if has := e.compiled.Load(); oldest == nil || !has && useful || has == useful && e.used.Before(used) {
			oldest, used, useful = &key, e.used, has
		}
	}
	if count >= maxAsked {
		delete(c.entries, *oldest)
	}
}

// ask runs a question about an entry in the background, or returns why it does not. It is also when
// unused entries go.
func (c *Cache) ask(about *entry, question func(context.Context)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	byClient := about.asked
	switch {
	case c.closed:
		return unavailable("the registry is asked no more: the cache is closed")
	case byClient && c.asked == maxAsking:
		return unavailable("the registry is being asked for %d other schemas", maxAsking)
	case byClient:
		c.asked++
	}
	now := c.now()
	for key, e := range c.entries {
		if now.Sub(e.used) >= unusedAfter {
			delete(c.entries, key)
		}
	}
	c.asking.Go(func() {
		question(c.ctx)
		if byClient {
			c.mu.Lock()
			c.asked--
			c.mu.Unlock()
		}
	})
	return nil
}
