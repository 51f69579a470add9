package idempotency

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

const defaultMaxBytes = 64 << 20

// Options are a store's. The zero value is good, and keeps keys in memory only.
type Options struct {
	// Dir is a directory on a local disk for this store alone; "": what is known goes with
	// the process.
	Dir string
	// MaxBytes bounds all keys with their replies, of which each counts for 512 bytes and
	// the reply's length; 0: 64 MiB, which is a hundred thousand keys with usual replies.
	MaxBytes int64
	// Log gets damage and errors of the disk, never a key or a reply; nil: nothing.
	Log *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	o.MaxBytes = cmp.Or(max(o.MaxBytes, 0), defaultMaxBytes)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Store knows keys and first replies. Its methods may be called from any goroutine.
type Store struct {
	opts Options
	log  *slog.Logger
	// intercept is put around each journal's file; nil outside tests.
	intercept func(file) file

	// ready is closed when table has what the directory has.
	ready   chan struct{}
	idle    chan struct{} // closed when the store takes no keys and none is under way
	closing chan struct{}
	ended   chan struct{} // closed when the journal is no longer used
	wake    chan struct{} // capacity 1: next is not nil

	mu       sync.Mutex
	table    *table
	closed   bool   // no key is begun any more
	sealed   bool   // nothing is written any more
	next     *batch // what the journal is to write next
	inMemory bool   // there is no directory and no journal

	// of the goroutine run
	journal      *journal
	compactAfter time.Time // not before, since an attempt failed
}

// New makes a store, and the directory where there is none. With a directory, the store
// takes it over in the background as soon as no other process has it.
func New(opts Options) (*Store, error) {
	s := newStore(opts)
	if s.opts.Dir == "" {
		s.inMemory = true
		close(s.ready)
		close(s.ended)
		return s, nil
	}
	if err := os.MkdirAll(s.opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("idempotency: %w", err)
	}
	go s.run()
	return s, nil
}

func newStore(opts Options) *Store {
	opts = opts.withDefaults()
	return &Store{
		opts:    opts,
		log:     opts.Log,
		ready:   make(chan struct{}),
		idle:    make(chan struct{}),
		closing: make(chan struct{}),
		ended:   make(chan struct{}),
		wake:    make(chan struct{}, 1),
		table:   newTable(opts.MaxBytes),
	}
}

// Begin returns what is known of a key. fingerprint is of all that makes the request the
// same or another one. For a new key the outcome is First; until ttl from now the key is
// known, or longer if the request is under way for longer, unless the store is full before.
// ctx ends the wait for a directory that another process has; the wait for the disk ends
// when that is done.
//
// The ticket is not nil for First, when it must be settled, and for Replay, when it has
// the reply.
func (s *Store) Begin(ctx context.Context, key Key, fingerprint [32]byte, ttl time.Duration) (Outcome, *Ticket) {
	select {
	case <-s.ready:
	case <-s.closing:
		return Unavailable, nil
	case <-ctx.Done():
		return Unavailable, nil
	}
	id, holder := key.id(), key.holder()
	now := s.opts.Now()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return Unavailable, nil
	}
	s.table.expire(now.UnixNano())
	if e := s.table.entries[id]; e != nil {
		defer s.mu.Unlock()
		return known(e, fingerprint)
	}
	if !s.table.room(holder) {
		s.mu.Unlock()
		return Full, nil
	}
	e := s.table.add(&entry{id: id, fingerprint: fingerprint, expires: now.Add(ttl).UnixNano()}, holder)
	written := s.enqueue(e.frame())
	forgotten := s.table.forgotten
	s.table.forgotten = 0
	s.mu.Unlock()
	if forgotten > 0 {
		s.log.LogAttrs(ctx, slog.LevelWarn, "idempotency keys were forgotten early to make room")
	}
	ticket := &Ticket{store: s, entry: e}
	if err := written.wait(); err != nil { // reported where it was written
		ticket.Abandon() // in the journal too: of its frame, and of a journal written anew meanwhile, some may be on disk
		return Unavailable, nil
	}
	return First, ticket
}

// known returns how a request with the key of an entry relates to it.
func known(e *entry, fingerprint [32]byte) (Outcome, *Ticket) {
	switch {
	case e.fingerprint != fingerprint && !e.old:
		return Mismatch, nil
	case e.state == finished:
		return Replay, &Ticket{reply: e.reply}
	case e.state == interrupted:
		return Interrupted, nil
	}
	return InFlight, nil
}

// Ready is closed when the store no longer waits for its directory.
func (s *Store) Ready() <-chan struct{} { return s.ready }

// Close takes no new keys, waits until those that are under way are settled or ctx ends,
// writes what is queued and gives the directory to the next process. A ticket that is
// settled later is Interrupted for that.
func (s *Store) Close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	s.endIfIdle()
	s.mu.Unlock()
	select {
	case <-s.idle:
	case <-ctx.Done():
	}
	s.mu.Lock()
	if !s.sealed {
		s.sealed = true
		close(s.closing)
	}
	s.mu.Unlock()
	<-s.ended
}

// endIfIdle releases Close when nothing is under way. Callers hold mu.
func (s *Store) endIfIdle() {
	if !s.closed || s.table.open > 0 {
		return
	}
	select {
	case <-s.idle:
	default:
		close(s.idle)
	}
}
