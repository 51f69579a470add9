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
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/filelock"
)

const (
	// maxTransactional is how many transactions of one connection are under way in
	// this process at most. Others wait.
	maxTransactional = 4
	// transactionSlots is how many ids there are for a connection: two processes can
	// have their own, as during a reload.
	transactionSlots = 3 * maxTransactional
	// abortWait bounds how long a reply waits for an abort, which happens in any case.
	abortWait = time.Second
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

	mu    sync.Mutex
	byID  map[string]*transactionals
	ended bool
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
	lock  *os.File
	ready bool // transactions have been initialized
	dead  atomic.Bool
}

func newTransactions(p *Pool, dir string) *transactions {
	return &transactions{pool: p, dir: dir, byID: map[string]*transactionals{}}
}

// errNoTransactions: the pool has no directory for transactional ids.
var errNoTransactions = &Error{Kind: KindConfig, Reason: "transactions need a directory for their ids"}

// Transactions tells whether there is a directory for transactional ids.
func (p *Pool) Transactions() bool { return p.transactions.dir != "" }

// SendTransaction sends the records in one transaction: a consumer that reads what is
// committed sees all of them or none. The error is what the transaction came to as a
// whole; the outcomes say the same of each record, where it is not nil.
func (p *Pool) SendTransaction(conn *Connection, recs []Record, deadline time.Time) ([]Outcome, *Error) {
	if p.transactions.dir == "" {
		return nil, errNoTransactions
	}
	t, err := p.transactions.take(conn, deadline)
	if err != nil {
		return nil, err
	}
	out, err := t.send(recs, deadline)
	p.transactions.giveBack(conn, t)
	return out, err
}

// take returns a producer that is in no transaction.
func (ts *transactions) take(conn *Connection, deadline time.Time) (*transactional, *Error) {
	ts.mu.Lock()
	of := ts.byID[conn.id]
	if of == nil {
		of = &transactionals{make(chan struct{}, maxTransactional), make(chan *transactional, maxTransactional), map[*transactional]struct{}{}}
		ts.byID[conn.id] = of
	}
	ts.mu.Unlock()
	if !acquire(of.room, deadline) {
		return nil, &Error{Kind: KindQueueFull, Reason: "too many transactions are under way"}
	}
	select {
	case t := <-of.free:
		return t, nil
	default:
	}
	t, err := ts.make(conn)
	if err != nil {
		<-of.room
		return nil, &Error{Kind: KindUnavailable, Reason: err.Error()}
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.ended {
		go ts.end(t)
		return nil, &Error{Kind: KindUnavailable, Reason: "shutting down"}
	}
	of.all[t] = struct{}{}
	return t, nil
}

// giveBack returns a producer, or ends one that is good for nothing more.
func (ts *transactions) giveBack(conn *Connection, t *transactional) {
	ts.mu.Lock()
	of := ts.byID[conn.id]
	if t.dead.Load() || ts.ended {
		delete(of.all, t)
		go ts.end(t)
	} else {
		of.free <- t
	}
	ts.mu.Unlock()
	<-of.room
}

// end closes a producer and then lets another process have its id.
func (ts *transactions) end(t *transactional) {
	now := time.Now()
	t.client.deadline.Store(&now)
	t.drain()
	t.close()
	ts.pool.mu.Lock()
	delete(ts.pool.inTx, t.client)
	ts.pool.mu.Unlock()
	t.lock.Close()
}

// close ends all producers that are not in use; the others end when they are given
// back.
func (ts *transactions) close() {
	ts.mu.Lock()
	ts.ended = true
	var idle []*transactional
	for _, of := range ts.byID {
		for more := true; more; {
			select {
			case t := <-of.free:
				idle = append(idle, t)
			default:
				more = false
			}
		}
	}
	ts.mu.Unlock()
	var ending sync.WaitGroup
	for _, t := range idle {
		ending.Go(func() { ts.end(t) })
	}
	ending.Wait()
}

// make makes a producer with an id that no other process has.
func (ts *transactions) make(conn *Connection) (*transactional, error) {
	instance, err := ts.instance()
	if err != nil {
		return nil, fmt.Errorf("the directory of transactional ids: %w", err)
	}
	for slot := range transactionSlots {
		lock, err := lockFile(filepath.Join(ts.dir, fmt.Sprintf("%s-%d.lock", conn.id[:16], slot)))
		if err != nil {
			return nil, fmt.Errorf("the directory of transactional ids: %w", err)
		}
		if lock == nil {
			continue
		}
		other := &Connection{mode: conn.mode, route: conn.route, origin: conn.origin, MessageMaxBytes: conn.MessageMaxBytes, props: maps.Clone(conn.props)}
		other.props["transactional.id"] = fmt.Sprintf("kafkaupstream-%s-%s-%d", instance, conn.id[:16], slot)
		other.id = identity(other.props)
		t := &transactional{lock: lock}
		t.client = newClient(ts.pool, other, conn.shortID(), ts.pool.log.With("producer", conn.shortID(), "transactions", slot), func(*client) { t.dead.Store(true) })
		ts.pool.mu.Lock()
		ts.pool.inTx[t.client] = struct{}{}
		ts.pool.mu.Unlock()
		return t, nil
	}
	return nil, errors.New("all transactional ids are in use by other processes")
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

// send carries out one transaction.
func (t *transactional) send(recs []Record, deadline time.Time) ([]Outcome, *Error) {
	if err := t.init(deadline); err != nil {
		return nil, err
	}
	if err := t.kafka.BeginTransaction(); err != nil {
		t.dead.Store(true)
		return nil, &Error{Kind: KindUnavailable, Reason: "begin: " + t.redact(err.Error())}
	}
	out := make([]Outcome, len(recs))
	sent := make([]*Delivery, len(recs))
	for i := range recs {
		d, err := t.queue(&recs[i], true, deadline)
		if err != nil {
			out[i].Err = err
			t.abort(deadline)
			return t.aborted(out, sent, nil)
		}
		sent[i] = d
	}
	if err := t.commit(deadline); err != nil {
		if !err.aborted {
			t.dead.Store(true) // the next one with this id finds out
			t.forgetAll(sent)
			return nil, &Error{Kind: KindUnconfirmed, Unconfirmed: true, Reason: "commit: " + err.Error()}
		}
		t.abort(deadline)
		return t.aborted(out, sent, err)
	}
	for i, d := range sent { // a commit comes after all reports
		if !d.Wait(deadline.Add(abortWait), nil) {
			t.forgetAll(sent[i:])
			return nil, &Error{Kind: KindInternal, Unconfirmed: true, Reason: "a committed record was not reported"}
		}
		out[i].Ack, out[i].Err = d.Outcome()
		d.settle()
	}
	return out, nil
}

// init makes the producer ready for transactions, and ends those that an earlier one
// with its id has left.
func (t *transactional) init(deadline time.Time) *Error {
	if t.ready {
		return nil
	}
	if err := t.awaitReady(deadline); err != nil {
		return err
	}
	if t.broken != nil {
		t.dead.Store(true)
		return t.broken
	}
	if err := t.link.await(deadline, t.closing); err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	if err := t.kafka.InitTransactions(ctx); err != nil {
		t.dead.Store(true)
		e := classify(err, false)
		return &Error{Kind: e.Kind, Reason: "init: " + t.redact(e.Reason)}
	}
	t.ready = true
	return nil
}

// commitError says why a commit failed, and whether that is certain to end in an
// abort.
type commitError struct {
	error
	aborted bool
}

func (t *transactional) commit(deadline time.Time) *commitError {
	for {
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		err := t.kafka.CommitTransaction(ctx)
		cancel()
		var kerr kafka.Error
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &kerr), kerr.IsFatal():
			return &commitError{err, false}
		case kerr.TxnRequiresAbort():
			return &commitError{err, true}
		case !kerr.IsRetriable(), !time.Now().Before(deadline):
			return &commitError{err, false}
		}
	}
}

// abort ends the transaction without its records. What does not end in time is ended
// with the producer: it is never committed. The producer goes in any case: after a
// record that a broker refused, librdkafka's sequence numbers have a gap, of which its
// next transaction would die. The next producer with the id begins anew.
func (t *transactional) abort(deadline time.Time) {
	t.dead.Store(true)
	wait := time.Now().Add(abortWait)
	if deadline.Before(wait) {
		wait = deadline.Add(abortWait / 10)
	}
	ctx, cancel := context.WithDeadline(context.Background(), wait)
	defer cancel()
	if err := t.kafka.AbortTransaction(ctx); err != nil {
		t.log.Info("a transaction was not aborted in time; it ends with its producer", "error", t.redact(err.Error()))
	}
}

// aborted gathers the records' outcomes after an abort: none is in Kafka, and those
// that Kafka refused say why.
func (t *transactional) aborted(out []Outcome, sent []*Delivery, cause *commitError) ([]Outcome, *Error) {
	var first *Error
	for i, d := range sent {
		if d != nil && d.Reported() {
			if _, err := d.Outcome(); err != nil && !err.Unconfirmed && out[i].Err == nil {
				out[i].Err = err
			}
			d.settle()
		} else if d != nil {
			t.forgetAll(sent[i : i+1])
		}
		if out[i].Err != nil && first == nil {
			first = out[i].Err
		}
	}
	if first == nil {
		first = &Error{Kind: KindUnavailable, Reason: "the transaction was aborted"}
		if cause != nil {
			first.Reason += ": " + t.redact(cause.Error())
		}
	}
	for i := range out {
		if out[i].Err == nil {
			out[i].Err = &Error{Kind: KindAborted, Reason: "the transaction was aborted"}
		}
	}
	return out, first
}

// forgetAll lets go of deliveries whose outcome says nothing any more.
func (t *transactional) forgetAll(sent []*Delivery) {
	for _, d := range sent {
		if d != nil {
			d.OnReport(func() { go d.settle() })
		}
	}
}
