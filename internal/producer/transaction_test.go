package producer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func txConnection(t *testing.T, c *kfake.Cluster) *kafkaconf.Connection {
	t.Helper()
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": strings.Join(c.ListenAddrs(), ",")}, record.Mode{Transactional: true})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// transactionalIDs returns a function that returns the ids with which producers have begun since
// it was called last.
func transactionalIDs(c *kfake.Cluster) func() []string {
	var mu sync.Mutex
	var ids []string
	c.ControlKey(int16(kmsg.InitProducerID), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		if id := req.(*kmsg.InitProducerIDRequest).TransactionalID; id != nil && !slices.Contains(ids, *id) {
			ids = append(ids, *id)
		}
		return nil, nil, false
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		since := ids
		ids = nil
		return since
	}
}

func batchOf(topic string, values ...string) []record.Record {
	var recs []record.Record
	for _, v := range values {
		recs = append(recs, *recordOf(topic, v))
	}
	return recs
}

func TestTransactionIsAllOrNothing(t *testing.T) {
	c := startFake(t)
	p, _ := startPoolWith(t, Options{TransactionsDir: t.TempDir()})
	conn := txConnection(t, c)
	out, err := sendTogether(p, conn, batchOf("t", "1", "2", "3"), in(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		if o.Err != nil || o.Ack.Offset < 0 {
			t.Errorf("record %d: %+v", i, o)
		}
	}
	recs := batchOf("t", "4", "5")
	recs[1].Topic = "nowhere"
	out, err = sendTogether(p, conn, recs, in(30*time.Second))
	if err == nil || err.Kind != record.KindTopicNotFound || err.Unconfirmed {
		t.Fatalf("got %+v", err)
	}
	if out[0].Err.Kind != record.KindAborted || out[1].Err.Kind != record.KindTopicNotFound {
		t.Errorf("got %+v %+v", out[0].Err, out[1].Err)
	}
	if _, err := sendTogether(p, conn, batchOf("t", "6"), in(30*time.Second)); err != nil {
		t.Fatalf("after an abort: %v", err)
	}
}

// The abort takes back what is still queued, which says nothing of these records: taken for the reason, a unit on disk
// would be sent again for ever.
func TestTransactionsErrorIsThatOfTheRecordThatKafkaRefuses(t *testing.T) {
	c := startFake(t, kfake.NumBrokers(2))
	p, _ := startPoolWith(t, Options{TransactionsDir: t.TempDir()})
	ids := transactionalIDs(c)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := p.NewSerial(txConnection(t, c), "stream").Begin(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	near := c.CoordinatorFor(ids()[0])
	far := 1 - near
	for partition, leader := range []int32{far, near} {
		if err := c.MoveTopicPartition("t", int32(partition), leader); err != nil {
			t.Fatal(err)
		}
	}
	c.ControlKey(int16(kmsg.ApiVersions), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if c.CurrentNode() == far { // what is for it stays queued
			return nil, errors.New("no connection"), true
		}
		return nil, nil, false
	})
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge, Count: -1})
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": c.ListenAddrs()[near]}, record.Mode{Transactional: true})
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSerial(conn, "stream")
	if _, err := s.Begin(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	recs := batchOf("t", "good", "bad")
	recs[0].Partition, recs[1].Partition = 0, 1
	out, refused := s.Send(ctx, recs, "mark")
	if refused == nil || refused.Kind != record.KindTooLarge || refused.Unconfirmed {
		t.Fatalf("got %+v", refused)
	}
	if out[0].Err == nil || out[0].Err.Permanent() || out[1].Err.Kind != record.KindTooLarge {
		t.Errorf("got %+v %+v", out[0].Err, out[1].Err)
	}
}

func TestTransactionalIDsOutliveTheProcessAndAreNobodyElses(t *testing.T) {
	c, dir := startFake(t), t.TempDir()
	conn := txConnection(t, c)
	ids := transactionalIDs(c)
	send := func(p *Pool) string {
		t.Helper()
		if _, err := sendTogether(p, conn, batchOf("t", "x"), in(30*time.Second)); err != nil {
			t.Fatal(err)
		}
		return strings.Join(ids(), " ")
	}
	old, _ := startPoolWith(t, Options{TransactionsDir: dir})
	first := send(old)
	if first == "" {
		t.Fatal("no id has begun")
	}
	next, _ := startPoolWith(t, Options{TransactionsDir: dir})
	if second := send(next); second == first {
		t.Errorf("two processes have the id %s", first)
	}
	send(old) // it has not been fenced
	old.Close(t.Context())
	after, _ := startPoolWith(t, Options{TransactionsDir: dir})
	if third := send(after); third != first {
		t.Errorf("after the process the id is %s, and was %s", third, first)
	}
	elsewhere, _ := startPoolWith(t, Options{TransactionsDir: t.TempDir()})
	if other := send(elsewhere); other == first {
		t.Errorf("two gateways have the id %s", other)
	}
}

func TestTransactionsAtOnceWaitForEachOther(t *testing.T) {
	c := startFake(t)
	p, _ := startPoolWith(t, Options{TransactionsDir: t.TempDir()})
	conn := txConnection(t, c)
	const most = 4
	ids := transactionalIDs(c)
	var wg sync.WaitGroup
	for i := range 4 * most {
		wg.Go(func() {
			if _, err := sendTogether(p, conn, batchOf("t", fmt.Sprint(i), "x"), in(60*time.Second)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(ids()); n == 0 || n > most {
		t.Errorf("%d producers, want %d at most", n, most)
	}
}

func TestTransactionsWithoutTheirDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := startFake(t)
	for dir, kind := range map[string]record.Kind{"": record.KindConfig, filepath.Join(file, "dir"): record.KindUnavailable} {
		p, _ := startPoolWith(t, Options{TransactionsDir: dir})
		if _, err := sendTogether(p, txConnection(t, c), batchOf("t", "x"), in(time.Second)); err == nil || err.Kind != kind || err.Unconfirmed {
			t.Errorf("directory %q: %+v", dir, err)
		}
	}
}

func TestIdleTransactionalProducersAreClosedAndMadeAgain(t *testing.T) {
	c := startFake(t)
	p, _ := startPoolWith(t, Options{TransactionsDir: t.TempDir(), IdleTimeout: 20 * time.Millisecond})
	conn := txConnection(t, c)
	for range 2 {
		if _, err := sendTogether(p, conn, batchOf("t", "x"), in(30*time.Second)); err != nil {
			t.Fatal(err)
		}
		await.True(t, "the producer is closed", func() bool { return len(p.transactions.Clients()) == 0 })
	}
}

func TestIdleProducerOfAStreamIsClosedAndTheNextOneKnowsItsMark(t *testing.T) {
	c := startFake(t)
	p, _ := startPoolWith(t, Options{TransactionsDir: t.TempDir()})
	s := p.NewSerial(txConnection(t, c), "stream")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for i, want := range []string{"", "mark 0"} {
		marks, err := s.Begin(ctx, "t")
		if err != nil || strings.Join(marks, "") != want {
			t.Fatal(marks, err)
		}
		if _, err := s.Send(ctx, batchOf("t", "x"), fmt.Sprint("mark ", i)); err != nil {
			t.Fatal(err)
		}
		p.transactions.EndIdle(time.Now().Add(-time.Hour))
		if !s.Begun() {
			t.Error("a producer that was just used is ended")
		}
		await.True(t, "the producer is idle", func() bool {
			p.transactions.EndIdle(time.Now().Add(time.Hour))
			return !s.Begun()
		})
		await.True(t, "the producer is closed", func() bool { return len(p.transactions.Clients()) == 0 })
	}
}

func TestTransactionsSecretsAreTakenOutOfTheLog(t *testing.T) {
	c := startFake(t)
	p, _ := startPoolWith(t, Options{TransactionsDir: t.TempDir()})
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": strings.Join(c.ListenAddrs(), ","), "ssl.key.password": "planted"}, record.Mode{Transactional: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sendTogether(p, conn, batchOf("t", "x"), in(30*time.Second)); err != nil {
		t.Fatal(err)
	}
	clients := p.transactions.Clients()
	if len(clients) != 1 {
		t.Fatalf("%d producers, want 1", len(clients))
	}
	if line := clients[0].Redact("the password is planted"); strings.Contains(line, "planted") {
		t.Error(line)
	}
	p.Close(t.Context())
	if len(p.transactions.Clients()) > 0 {
		t.Error("a producer that has gone is still known")
	}
}
