package schema

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"
)

const (
	defaultTTL = time.Minute
	// unusedAfter is when an answer that nobody asked for is dropped.
	unusedAfter = 10 * time.Minute
	// maxAsked and maxAsking bound what clients can ask each registry for: the schemas that are kept, and the questions at once.
	// Other questions wait in line, each as long as the request that came with it.
	maxAsked  = 256
	maxAsking = 4
)

// Cache keeps the schemas that registries gave, for all sources of equal registry,
// credentials, subject and version. What no source of the configuration has asked for, and nobody used for ten
// minutes, is dropped when a registry is asked the next time.
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

// registryTurns are a registry's questions for schemas that clients named. Those that wait are served in their order.
type registryTurns struct {
	first chan struct{} // under way, for what there is no schema of
	again chan struct{} // for what there is: where the registry hangs, nobody waits for them, and all of them are due
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
			c.makeRoom(s.key.registry)
		}
		e = &entry{cache: c, key: s.key, from: s.from, name: s.key.Name, asked: s.asked, turns: c.turnsOf(s.key.registry)}
		c.entries[s.key] = e
	}
	if !s.asked && !s.holds { // as long as a route has the source, the registry may be away
		s.holds, e.held = true, e.held+1
		runtime.AddCleanup(s, (*entry).letGo, e)
	}
	e.asked = e.asked && s.asked // once the configuration has named it, it is the configuration's
	e.used = now
	return e
}

// turnsOf returns the turns that a registry's entries share.
func (c *Cache) turnsOf(registry registryKey) *registryTurns {
	for key, e := range c.entries {
		if key.registry == registry {
			return e.turns
		}
	}
	return &registryTurns{first: make(chan struct{}, maxAsking), again: make(chan struct{}, maxAsking)}
}

// makeRoom drops the entry of a client's that was used last the longest time ago, if there are too many of a registry: first
// those that have no schema.
func (c *Cache) makeRoom(registry registryKey) {
	count := 0
	var oldest *sourceKey
	var used time.Time
	useful := true
	for key, e := range c.entries {
		if !e.asked || key.registry != registry {
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

// ask runs a question about an entry in the background, or returns why it does not. A client's question waits for its turn
// until gaveUp is closed, and is then not asked; nil: there is a schema, and nobody waits. In the end, ended is called. It is
// also when unused entries go.
func (c *Cache) ask(about *entry, gaveUp <-chan struct{}, question func(context.Context), ended func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return unavailable("the registry is asked no more: the cache is closed")
	}
	now := c.now()
	for key, e := range c.entries {
		if e.held == 0 && now.Sub(e.used) >= unusedAfter {
			delete(c.entries, key)
		}
	}
	byClient, turns := about.asked, about.turns.first
	if gaveUp == nil {
		turns = about.turns.again
	}
	c.asking.Go(func() {
		defer ended()
		if byClient {
			select {
			case turns <- struct{}{}:
				defer func() { <-turns }()
			case <-gaveUp:
				return
			case <-c.ctx.Done():
				return
			}
		}
		question(c.ctx)
	})
	return nil
}

// keep puts an entry back that has a schema now. Made-up names may have taken its place while it was waiting.
func (c *Cache) keep(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[e.key]; !ok {
		c.makeRoom(e.key.registry)
		c.entries[e.key] = e
	}
}
