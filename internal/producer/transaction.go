package producer

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/filelock"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

const (
	// maxTransactional is how many transactions of one connection are under way in
	// this process at most. Others wait.
	maxTransactional = 4
	// transactionSlots is how many ids there are for a connection: two processes can
	// have their own, as during a reload.
	transactionSlots = 3 * maxTransactional
)

// transactions are the transactional producers of a pool.
//
// A transactional.id says to Kafka who continues whose work: a producer that begins
// with an id ends the transactions of the one before, and makes that one useless.
// So ids stay the same over restarts, and no two processes have one at a time: they
// are slots, each locked by a file in a directory that one gateway has.
type transactions struct {
	pool *Pool
	dir  string

	endings sync.WaitGroup // producers being closed

	mu      sync.Mutex
	byID    map[string]*transactionals
	serials map[*Serial]struct{}
	ended   bool
}

// transactionals are those of one connection.
type transactionals struct {
	room chan struct{}       // as many tokens as transactions may be under way
	free chan *transactional // those that wait for work
	all  map[*transactional]struct{}
}

// transactional is a producer with a transactional.id. One transaction uses it.
type transactional struct {
	*client
	lock  *os.File // nil: of a Serial, whose stream has one sender anyway
	ready bool     // transactions have been initialized
	dead  atomic.Bool
	calls sync.WaitGroup // of librdkafka's functions, some of which nobody waits for
}

func newTransactions(p *Pool, dir string) *transactions {
	return &transactions{pool: p, dir: dir, byID: map[string]*transactionals{}, serials: map[*Serial]struct{}{}}
}

// errNoTransactions: the pool has no directory for transactional ids.
var errNoTransactions = &record.Error{Kind: record.KindConfig, Reason: "transactions need a directory for their ids"}

// Transactions reports whether there is a directory for transactional ids.
func (p *Pool) Transactions() bool { return p.transactions.dir != "" }

// together delivers a route's batches in one transaction each.
type together struct {
	*transactions
	conn *kafkaconf.Connection
}

// Together returns how records of the connection are delivered in one transaction for
// each batch: a consumer that reads what is committed sees all of them or none.
func (p *Pool) Together(conn *kafkaconf.Connection) record.Way {
	return &together{p.transactions, conn}
}

// Deliver sets the batch's error to what the transaction came to as a whole; the outcomes
// say the same of each record, where there are any.
func (w *together) Deliver(ctx context.Context, b *record.Batch) {
	if w.dir == "" {
		b.Outcomes, b.Err = nil, errNoTransactions
		return
	}
	b.Outcomes, b.Err = w.send(ctx, w.conn, b.Records)
	if refusedTogether(b.Records, b.Err) {
		b.Outcomes, b.Err = w.send(ctx, w.conn.Alone(), b.Records)
	}
}

// refusedTogether reports whether a transaction was aborted since Kafka has refused a
// batch, in which one record can have harmed the others. It is then sent again with
// batches of one record: what is refused there is refused for its own sake.
func refusedTogether(recs []record.Record, err *record.Error) bool {
	return err != nil && !err.Unconfirmed && len(recs) > 1 && (err.Kind == record.KindRejected || err.Kind == record.KindTooLarge)
}

func (ts *transactions) send(ctx context.Context, conn *kafkaconf.Connection, recs []record.Record) ([]record.Outcome, *record.Error) {
	t, err := ts.take(ctx, conn)
	if err != nil {
		return nil, err
	}
	out, err := t.send(ctx, recs, nil)
	ts.giveBack(conn, t)
	return out, err
}

// take returns a producer that is in no transaction.
func (ts *transactions) take(ctx context.Context, conn *kafkaconf.Connection) (*transactional, *record.Error) {
	ts.mu.Lock()
	of := ts.byID[conn.ID()]
	if of == nil {
		of = &transactionals{make(chan struct{}, maxTransactional), make(chan *transactional, maxTransactional), map[*transactional]struct{}{}}
		ts.byID[conn.ID()] = of
	}
	ts.mu.Unlock()
	select {
	case of.room <- struct{}{}:
	case <-ctx.Done():
		return nil, &record.Error{Kind: record.KindQueueFull, Reason: "too many transactions are under way"}
	}
	select {
	case t := <-of.free:
		return t, nil
	default:
	}
	t, err := ts.make(conn)
	if err != nil {
		<-of.room
		return nil, &record.Error{Kind: record.KindUnavailable, Reason: err.Error()}
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.ended {
		ts.endings.Go(func() { ts.end(t) })
		return nil, errShuttingDown
	}
	of.all[t] = struct{}{}
	return t, nil
}

// giveBack returns a producer, or ends one that is good for nothing more.
func (ts *transactions) giveBack(conn *kafkaconf.Connection, t *transactional) {
	ts.mu.Lock()
	of := ts.byID[conn.ID()]
	if t.dead.Load() || ts.ended {
		delete(of.all, t)
		ts.endings.Go(func() { ts.end(t) })
	} else {
		of.free <- t
	}
	ts.mu.Unlock()
	<-of.room
}

// end closes a producer and then lets another process have its id.
func (ts *transactions) end(t *transactional) {
	t.calls.Wait()
	now := time.Now()
	t.client.deadline.Store(&now)
	t.drain()
	t.close()
	ts.pool.mu.Lock()
	delete(ts.pool.inTx, t.client)
	ts.pool.mu.Unlock()
	if t.lock != nil {
		t.lock.Close()
	}
}

// stop ends all producers that are not in use; the others end when they are given
// back. It does not wait: where the cluster does not answer, that takes a second.
func (ts *transactions) stop() {
	ts.mu.Lock()
	ts.ended = true
	for _, of := range ts.byID {
		for more := true; more; {
			select {
			case t := <-of.free:
				ts.endings.Go(func() { ts.end(t) })
			default:
				more = false
			}
		}
	}
	serials := slices.Collect(maps.Keys(ts.serials))
	ts.mu.Unlock()
	for _, s := range serials {
		s.endIfIdle()
	}
}

// close is stop, and returns when those producers have gone.
func (ts *transactions) close() {
	ts.stop()
	ts.endings.Wait()
}

// make makes a producer with an id that no other process has.
func (ts *transactions) make(conn *kafkaconf.Connection) (*transactional, error) {
	instance, err := ts.instance()
	if err != nil {
		return nil, fmt.Errorf("the directory of transactional ids: %w", err)
	}
	for slot := range transactionSlots {
		lock, err := lockFile(filepath.Join(ts.dir, fmt.Sprintf("%s-%d.lock", conn.ID()[:16], slot)))
		if err != nil {
			return nil, fmt.Errorf("the directory of transactional ids: %w", err)
		}
		if lock == nil {
			continue
		}
		t := ts.producer(conn, fmt.Sprintf("kafkaupstream-%s-%s-%d", instance, conn.ID()[:16], slot))
		t.lock = lock
		return t, nil
	}
	return nil, errors.New("all transactional ids are in use by other processes")
}

// producer makes a producer with a transactional.id.
func (ts *transactions) producer(conn *kafkaconf.Connection, id string) *transactional {
	other := conn.Derived(kafkaconf.Properties{"transactional.id": id})
	t := &transactional{}
	t.client = newClient(ts.pool, other, conn.ProducerID(), ts.pool.log.With("producer", conn.ProducerID(), "transactions", id), func(*client) { t.dead.Store(true) })
	ts.pool.mu.Lock()
	ts.pool.inTx[t.client] = struct{}{}
	ts.pool.mu.Unlock()
	return t
}

// instance returns what tells this gateway's ids from others', made once for the
// directory.
func (ts *transactions) instance() (string, error) {
	if err := os.MkdirAll(ts.dir, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(ts.dir, "instance")
	for range 2 {
		text, err := os.ReadFile(path)
		if err == nil {
			if id := strings.TrimSpace(string(text)); len(id) == 16 {
				return id, nil
			}
			return "", fmt.Errorf("%s is damaged: it has 16 hexadecimal digits", path)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		var id [8]byte
		_, _ = rand.Read(id[:]) // never fails
		temporary := fmt.Sprintf("%s.%x", path, id)
		if err := os.WriteFile(temporary, []byte(hex.EncodeToString(id[:])), 0o600); err != nil {
			return "", err
		}
		err = os.Link(temporary, path) // fails if another process was first
		os.Remove(temporary)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("%s cannot be made", path)
}

// lockFile opens and locks a file; nil: another process has it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	locked, err := filelock.Try(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if !locked || err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
