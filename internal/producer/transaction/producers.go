package transaction

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Producers are the transactional producers of a pool. Any goroutine may use them.
type Producers struct {
	shared *client.Shared
	ids    ids

	endings sync.WaitGroup // producers being closed
	// sweeping is held by EndIdle and Stop: a stream's producer that Stop finds in use is used by
	// somebody who ends it then.
	sweeping sync.Mutex

	mu      sync.Mutex // guards what follows, and ofConnection.free
	byID    map[string]*ofConnection
	live    map[*transactional]struct{} // from made to closed
	serials []*Serial
	ended   bool
}

// ofConnection are the producers of one connection's batches.
type ofConnection struct {
	room chan struct{}    // as many tokens as transactions may be in progress
	free []*transactional // those that wait for work, the last used last
}

// New returns the transactional producers of a pool: none yet. dir is for what makes
// transactional ids outlive a process, and this gateway's alone; "": there are no transactions.
func New(shared *client.Shared, dir string) *Producers {
	return &Producers{shared: shared, ids: ids(dir), byID: map[string]*ofConnection{}, live: map[*transactional]struct{}{}}
}

// Enabled reports whether there is a directory for transactional ids.
func (ps *Producers) Enabled() bool { return ps.ids != "" }

// together delivers a route's batches in one transaction each.
type together struct {
	*Producers
	conn *kafkaconf.Connection
}

// Together returns how records of the connection are delivered in one transaction for
// each batch: a consumer that reads what is committed sees all of them or none.
func (ps *Producers) Together(conn *kafkaconf.Connection) record.Way {
	return &together{ps, conn}
}

// Deliver sets the batch's error to the outcome of the transaction as a whole; the outcomes
// say the same of each record, where there are any.
func (w *together) Deliver(ctx context.Context, b *record.Batch) {
	if !w.Enabled() {
		b.Outcomes, b.Err = nil, errNoTransactions
		return
	}
	b.Outcomes, b.Err = w.send(ctx, w.conn, b.Records)
	if refusedTogether(b.Records, b.Err) {
		b.Outcomes, b.Err = w.send(ctx, w.conn.Alone(), b.Records)
	}
}

func (ps *Producers) send(ctx context.Context, conn *kafkaconf.Connection, recs []record.Record) ([]record.Outcome, *record.Error) {
	t, err := ps.take(ctx, conn)
	if err != nil {
		return nil, err
	}
	out, err := t.send(ctx, recs, nil)
	ps.giveBack(conn, t)
	return out, err
}

func (ps *Producers) Clients() (all []*client.Client) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for t := range ps.live {
		all = append(all, t.Client)
	}
	return all
}

func (ps *Producers) make(conn *kafkaconf.Connection, id string, lock *os.File) *transactional {
	other := conn.Derived(kafkaconf.Properties{"transactional.id": id})
	t := &transactional{lock: lock}
	log := ps.shared.Log.With("producer", conn.ProducerID(), "transactions", id)
	t.Client = client.New(ps.shared, client.Owner{Failed: func(*client.Client) { t.dead.Store(true) }}, other, conn.ProducerID(), log)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.live[t] = struct{}{}
	return t
}

// take returns a producer that is in no transaction.
func (ps *Producers) take(ctx context.Context, conn *kafkaconf.Connection) (*transactional, *record.Error) {
	of := ps.of(conn)
	select {
	case of.room <- struct{}{}:
	case <-ctx.Done():
		return nil, &record.Error{Kind: record.KindQueueFull, Reason: "too many transactions are in progress"}
	}
	if t := ps.reuse(of); t != nil {
		return t, nil
	}
	id, lock, err := ps.ids.free(conn)
	if err != nil {
		<-of.room
		return nil, err
	}
	t := ps.make(conn, id, lock)
	if ps.hasEnded() {
		ps.end(t)
		<-of.room
		return nil, client.ErrShuttingDown
	}
	return t, nil
}

// reuse returns a producer that waits for work; nil: there is none. One may have failed while it waited.
func (ps *Producers) reuse(of *ofConnection) *transactional {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for len(of.free) > 0 {
		last := len(of.free) - 1
		t := of.free[last]
		of.free = slices.Delete(of.free, last, last+1)
		if !t.dead.Load() {
			return t
		}
		ps.end(t)
	}
	return nil
}

func (ps *Producers) of(conn *kafkaconf.Connection) *ofConnection {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	of := ps.byID[conn.ID()]
	if of == nil {
		of = &ofConnection{room: make(chan struct{}, maxAtOnce)}
		ps.byID[conn.ID()] = of
	}
	return of
}

// giveBack returns a producer, or ends one that is of no more use.
func (ps *Producers) giveBack(conn *kafkaconf.Connection, t *transactional) {
	ps.mu.Lock()
	of := ps.byID[conn.ID()]
	if t.dead.Load() || ps.ended {
		ps.end(t)
	} else {
		of.free = append(of.free, t)
	}
	ps.mu.Unlock()
	<-of.room
}

// end closes a producer in the background, and then lets another process have its id.
func (ps *Producers) end(t *transactional) {
	ps.endings.Go(func() {
		t.calls.Wait()
		t.EndBy(time.Now())
		t.Drain()
		t.Close()
		ps.mu.Lock()
		delete(ps.live, t)
		ps.mu.Unlock()
		if t.lock != nil {
			t.lock.Close()
		}
	})
}

func (ps *Producers) hasEnded() bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.ended
}

// EndIdle ends the producers that nothing has used since then, and those that have failed: what a
// route's earlier configurations have made too. A stream's next one begins as after a restart.
func (ps *Producers) EndIdle(since time.Time) {
	ps.sweeping.Lock()
	defer ps.sweeping.Unlock()
	if !ps.hasEnded() {
		ps.endWhere(func(t *transactional) bool { return t.dead.Load() || t.Idle(since) })
	}
}

// Stop ends all producers that are not in use; the others end when they are given
// back. It does not wait: where the cluster does not answer, that takes a second.
func (ps *Producers) Stop() {
	ps.sweeping.Lock()
	defer ps.sweeping.Unlock()
	ps.mu.Lock()
	ps.ended = true
	ps.mu.Unlock()
	ps.endWhere(all)
}

func all(*transactional) bool { return true }

// endWhere ends the producers that are not in use and that over is true of.
func (ps *Producers) endWhere(over func(*transactional) bool) {
	ps.mu.Lock()
	for _, of := range ps.byID {
		of.free = slices.DeleteFunc(of.free, func(t *transactional) bool {
			if over(t) {
				ps.end(t)
				return true
			}
			return false
		})
	}
	serials := slices.Clone(ps.serials)
	ps.mu.Unlock()
	for _, s := range serials {
		s.endUnused(over)
	}
}

// Wait returns when the producers that have ended are closed.
func (ps *Producers) Wait() { ps.endings.Wait() }
