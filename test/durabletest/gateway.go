package durabletest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

const (
	// Patient is a timeout that a busy machine does not reach.
	Patient = 30 * time.Second
	// Soon is the timeout of a record that is to be kept.
	Soon = 300 * time.Millisecond
)

// Queue is a *durable.Queue; P is durable.Policy, whose zero value is DeadLetter.
type Queue[P ~bool] interface {
	Start(*producer.Pool)
	Stop()
	Close() error
	Keep(*kafkaconf.Connection, *record.Record) bool
	Way(*kafkaconf.Connection, P) record.Way
}

// Gateway is a queue and a pool, as one process has them.
type Gateway[P ~bool, Q Queue[P]] struct {
	T     *testing.T
	Log   *await.Log
	Queue Q
	Pool  *producer.Pool
	Close func()
	owned chan struct{}
}

// Start opens a queue on the directory, with a log and with a function that it is to call when it
// owns the directory, and starts it.
func Start[P ~bool, Q Queue[P]](t *testing.T, dir string, open func(log *slog.Logger, owned func()) Q) *Gateway[P, Q] {
	t.Helper()
	g := &Gateway[P, Q]{T: t, Log: &await.Log{}, owned: make(chan struct{})}
	logger := logging.New(io.MultiWriter(g.Log, t.Output()), slog.LevelInfo)
	g.Queue = open(logger.Logger, sync.OnceFunc(func() { close(g.owned) }))
	g.Pool = producer.NewPool(producer.Options{Log: logger.Logger, Keep: g.Queue.Keep, TransactionsDir: dir + "-ids"})
	g.Queue.Start(g.Pool)
	g.Close = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		g.Queue.Stop()
		g.Pool.Drain(ctx)
		if err := g.Queue.Close(); err != nil {
			t.Error(err)
		}
		g.Pool.Close(ctx)
		logger.Close(time.Second)
	})
	t.Cleanup(g.Close)
	return g
}

// Await returns when the queue owns its directory and knows what is in it.
func (g *Gateway[P, Q]) Await() {
	g.T.Helper()
	await.True(g.T, "the queue owns the spool", func() bool {
		select {
		case <-g.owned:
			return true
		default:
			return false
		}
	})
}

func RecordOf(topic, value string) *record.Record {
	return &record.Record{Topic: topic, Partition: record.AnyPartition, Value: []byte(value)}
}

func Deliver(w record.Way, timeout time.Duration, recs ...record.Record) *record.Batch {
	b := &record.Batch{Records: recs}
	DeliverBatch(w, timeout, b)
	return b
}

func DeliverBatch(w record.Way, timeout time.Duration, b *record.Batch) {
	ctx := deadline.New(time.Now().Add(timeout))
	defer ctx.Release()
	b.Outcomes = make([]record.Outcome, len(b.Records))
	w.Deliver(ctx, b)
}

func (g *Gateway[P, Q]) Deliver(conn *kafkaconf.Connection, policy P, timeout time.Duration, recs ...record.Record) *record.Batch {
	return Deliver(g.Queue.Way(conn, policy), timeout, recs...)
}

// Send sends a record and says what became of it: acknowledged, kept, or the error.
func (g *Gateway[P, Q]) Send(conn *kafkaconf.Connection, topic, value string, timeout time.Duration) string {
	return Said(g.Deliver(conn, false, timeout, *RecordOf(topic, value)).Outcomes[0])
}

// Said is an outcome in a word or two.
func Said(o record.Outcome) string {
	switch {
	case o.Err != nil && o.Err.Unconfirmed:
		return "unconfirmed"
	case o.Err != nil:
		return fmt.Sprint("refused ", o.Err.Kind)
	case o.Receipt != "":
		return "kept"
	default:
		return "acknowledged"
	}
}

// SendAll sends several records, each as VALUE of topic t or as TOPIC:VALUE, and says what became of each.
func (g *Gateway[P, Q]) SendAll(conn *kafkaconf.Connection, timeout time.Duration, values ...string) string {
	recs := make([]record.Record, len(values))
	for i, v := range values {
		topic, value, found := strings.Cut(v, ":")
		if !found {
			topic, value = "t", v
		}
		recs[i] = *RecordOf(topic, value)
	}
	var said []string
	for _, o := range g.Deliver(conn, false, timeout, recs...).Outcomes {
		said = append(said, Said(o))
	}
	return strings.Join(said, ", ")
}

// Want sends a record and ends the test unless that becomes of it.
func (g *Gateway[P, Q]) Want(want string, conn *kafkaconf.Connection, topic, value string, timeout time.Duration) {
	g.T.Helper()
	if got := g.Send(conn, topic, value, timeout); got != want {
		g.T.Fatalf("record %s: %s, want %s", value, got, want)
	}
}

// Hold makes the queue keep records of a stream by sending them while the broker says nothing. The
// first of them is under way.
func (g *Gateway[P, Q]) Hold(b *Broker, policy P, records ...*record.Record) (receipts []string) {
	g.T.Helper()
	b.Block()
	defer b.Release()
	for _, rec := range records {
		result := g.Deliver(b.Connect(g.T), policy, Soon, *rec).Outcomes[0]
		if result.Err != nil || result.Receipt == "" {
			g.T.Fatalf("record %s was not kept: %+v, %v", rec.Value, result, result.Err)
		}
		receipts = append(receipts, result.Receipt)
	}
	return receipts
}

// Files lists what is in the streams' directories.
func Files(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// SendUnit sends a unit, its records' values separated by spaces, and says what became
// of it.
func (g *Gateway[P, Q]) SendUnit(conn *kafkaconf.Connection, topic, values string, policy P, timeout time.Duration) string {
	var recs []record.Record
	for _, v := range strings.Fields(values) {
		recs = append(recs, *RecordOf(topic, v))
	}
	return What(g.Deliver(conn, policy, timeout, recs...))
}

// What is what became of a unit, in a word or two.
func What(b *record.Batch) string {
	switch {
	case b.Err != nil && b.Err.Unconfirmed:
		return "unconfirmed"
	case b.Err != nil:
		return fmt.Sprintf("refused %d", b.Err.Kind)
	case b.Outcomes == nil:
		return "committed before"
	case len(b.Outcomes) != len(b.Records) || b.Outcomes[0].Ack.Offset < 0:
		return fmt.Sprintf("outcomes %+v", b.Outcomes)
	case b.Outcomes[0].Receipt != "":
		return "kept"
	}
	return "committed"
}

// WantUnit sends a unit and ends the test unless that becomes of it.
func (g *Gateway[P, Q]) WantUnit(want string, conn *kafkaconf.Connection, topic, values string, timeout time.Duration) {
	g.T.Helper()
	if got := g.SendUnit(conn, topic, values, false, timeout); got != want {
		g.T.Fatalf("unit %s: %s, want %s", values, got, want)
	}
}
