package extplugin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/logging"
)

// confStore keeps what APISIX has prepared: a token stands for the parsed configurations
// of a route. A text is parsed once, however many
// tokens it has: any edit of a route, and in file mode any edit of the file, makes
// new tokens for the same texts.
type confStore struct {
	plugin  Plugin
	log     *slog.Logger
	ttl     time.Duration // of a token that is not used
	now     func() time.Time
	invalid atomic.Int64 // texts parsed that cannot be used
	second  atomic.Int64 // now, as of the last tick: a call looks at no clock

	mu     sync.RWMutex
	next   uint32
	tokens map[uint32]*rule
	keys   map[string]uint32
	texts  map[textID]*parsedConf
}

type textID struct {
	name string
	sum  [sha256.Size]byte
}

// rule is the configurations of one token, in the order in which they run.
type rule struct {
	key      string
	route    string // for the log
	confs    []*parsedConf
	lastUsed atomic.Int64 // seconds since the epoch
}

// parsedConf is one text's outcome; err says why it cannot be used. Where conf is set all
// the same, the plugin answers the requests itself.
type parsedConf struct {
	id       textID
	ready    chan struct{} // closed when the next three are set
	conf     any
	warnings []error
	err      error
	rules    int // that use it; under confStore.mu
}

func newConfStore(plugin Plugin, ttl time.Duration, log *slog.Logger) *confStore {
	s := &confStore{
		plugin: plugin,
		log:    log,
		ttl:    ttl,
		now:    time.Now,
		next:   randomToken(),
		tokens: map[uint32]*rule{},
		keys:   map[string]uint32{},
		texts:  map[textID]*parsedConf{},
	}
	s.tick()
	return s
}

// randomToken makes the first token of a process. APISIX's cache of tokens
// survives a reload, and so a token of an earlier process comes in again: counted
// from 1 it would name another route.
func randomToken() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint32(b[:])
}

// tick updates the store's time, which calls read instead of the clock.
func (s *confStore) tick() { s.second.Store(s.now().Unix()) }

// prepare returns the token of the configuration. key is APISIX's name for it and
// its version; the same key gives the same token. It does not fail: a text that
// cannot be used is remembered as such.
func (s *confStore) prepare(key string, texts []confText) uint32 {
	now := s.now().Unix()
	s.mu.Lock()
	if key != "" {
		if token, ok := s.keys[key]; ok {
			s.tokens[token].lastUsed.Store(now)
			s.mu.Unlock()
			return token
		}
	}
	r := &rule{key: key, route: routeOf(key)}
	r.lastUsed.Store(now)
	var created []int // of r.confs: those to be parsed here
	for i, t := range texts {
		c, isNew := s.text(t)
		r.confs = append(r.confs, c)
		if isNew {
			created = append(created, i)
		}
	}
	token := s.next
	for _, used := s.tokens[token]; used || token == 0; _, used = s.tokens[token] {
		token++
	}
	s.next = token + 1
	s.tokens[token] = r
	if key != "" {
		s.keys[key] = token
	}
	s.mu.Unlock()

	for _, i := range created { // outside the lock, which calls of other routes need
		c := r.confs[i]
		s.parse(c, texts[i].text)
		if c.err != nil {
			s.invalid.Add(1)
		}
		if len(c.warnings) > 0 { // once a text: each consumer of a route has a token of its own
			s.log.Warn("a route's configuration is doubtful", "route", r.route, "plugin", c.id.name, "warning", oneLine(c.warnings...))
		}
	}
	for _, c := range r.confs {
		if <-c.ready; c.err != nil {
			s.log.Error("a route's configuration is invalid; its requests are answered 500", "route", r.route, "plugin", c.id.name, "error", oneLine(c.err))
		}
	}
	return token
}

// oneLine joins the errors, and those that are joined in them, with semicolons.
func oneLine(errs ...error) string {
	return strings.ReplaceAll(errors.Join(errs...).Error(), "\n", "; ")
}

// text returns the entry of a text; a new one has yet to be parsed. s.mu is held.
func (s *confStore) text(t confText) (c *parsedConf, isNew bool) {
	id := textID{t.name, sha256.Sum256([]byte(t.text))}
	c, ok := s.texts[id]
	if !ok {
		c = &parsedConf{id: id, ready: make(chan struct{})}
		s.texts[id] = c
	}
	c.rules++
	return c, !ok
}

// parse parses the text of c. A plugin that panics has refused it.
func (s *confStore) parse(c *parsedConf, text string) {
	defer close(c.ready)
	defer func() {
		if r := recover(); r != nil {
			c.err = fmt.Errorf("the plugin panicked: %s", logging.Panic(r))
		}
	}()
	if c.id.name != s.plugin.Name() {
		c.err = errors.New("there is no plugin of this name here")
		return
	}
	if p, ok := s.plugin.(Parser); ok {
		c.conf, c.warnings, c.err = p.Parse([]byte(text))
		return
	}
	if c.conf, c.err = s.plugin.ParseConf([]byte(text)); c.err != nil {
		c.conf = nil
	}
}

// maxRouteName bounds what the log shows of a key that is not APISIX's, in bytes.
const maxRouteName = 64

// routeOf returns the route's id of APISIX's key, which is conf_type#conf_id#plugin#conf_version
// (apisix/core/lrucache.lua): a conf_id is "&" and that of a service or consumer longer
// where there is one. What is no route keeps its type, and of another key the beginning
// stays as it is.
func routeOf(key string) string {
	parts := strings.Split(key, "#")
	if len(parts) < 4 {
		return key[:min(len(key), maxRouteName)]
	}
	id, _, _ := strings.Cut(parts[1], "&")
	if kind, _, _ := strings.Cut(parts[0], "&"); kind != "route" {
		return kind + "#" + id
	}
	return id
}

func (s *confStore) get(token uint32) (*rule, bool) {
	s.mu.RLock()
	r, ok := s.tokens[token]
	s.mu.RUnlock()
	if !ok {
		return nil, false
	}
	if now := s.second.Load(); r.lastUsed.Load() != now {
		r.lastUsed.Store(now)
	}
	for _, c := range r.confs {
		<-c.ready
	}
	return r, true
}

// expire forgets the tokens that were not used for the store's ttl.
func (s *confStore) expire() {
	oldest := s.now().Add(-s.ttl).Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, r := range s.tokens {
		if r.lastUsed.Load() >= oldest {
			continue
		}
		delete(s.tokens, token)
		delete(s.keys, r.key)
		for _, c := range r.confs {
			if c.rules--; c.rules == 0 {
				delete(s.texts, c.id)
			}
		}
	}
}
