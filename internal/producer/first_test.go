package producer

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// ear is a listener that tells when a text has come over any of its connections.
type ear struct {
	net.Listener
	text  []byte
	once  sync.Once
	heard chan struct{}
}

func (e *ear) listen(network, address string) (_ net.Listener, err error) {
	e.Listener, err = net.Listen(network, address)
	return e, err
}

func (e *ear) Accept() (net.Conn, error) {
	c, err := e.Listener.Accept()
	return &overheard{c, e}, err
}

type overheard struct {
	net.Conn
	ear *ear
}

func (c *overheard) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if bytes.Contains(p[:n], c.ear.text) {
		c.ear.once.Do(func() { close(c.ear.heard) })
	}
	return n, err
}

// refusesTheFirst is a cluster whose topic "one" has a partition and a record, and whose broker
// refuses the first batch of the next producer when the second is under way: it takes that,
// and librdkafka takes the success for that of both.
func refusesTheFirst(t *testing.T, second string) *kfake.Cluster {
	t.Helper()
	e := &ear{text: []byte(second), heard: make(chan struct{})}
	c := startFake(t, kfake.SeedTopics(1, "one"), kfake.ListenFn(e.listen))
	p, _ := startPool(t, 0)
	// In a partition that was never written to, brokers look more closely since KAFKA-15591.
	if _, err := send(p, connect(t, c, true), recordOf("one", "earlier"), true, in(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	answerProduce(c, func(n int, _ *kmsg.ProduceRequest) *kerr.Error {
		if n > 1 {
			return nil
		}
		<-e.heard
		return kerr.NotLeaderForPartition
	})
	return c
}

// oneEach makes each of the records of this test a batch.
const oneEach = "1000"

var longFirst, longSecond = "first" + strings.Repeat(".", 900), "second" + strings.Repeat(".", 900)

func TestDeliveryIsUnconfirmedWhereOnlyALaterBatchImpliesIt(t *testing.T) {
	c := refusesTheFirst(t, longSecond)
	p, _ := startPool(t, 0)
	conn := connect(t, c, true, "batch.size", oneEach)
	// Records without a key have no order, and do not wait for the first of their partition.
	var sent []*Delivery
	for _, value := range []string{longFirst, longSecond} {
		d, err := queueFor(p, conn, recordOf("one", value), in(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, d)
	}
	var outcomes []record.Outcome
	for _, d := range sent {
		if !d.Wait(ending(in(10 * time.Second))) {
			t.Fatal("no outcome")
		}
		outcomes = append(outcomes, d.End())
	}
	if o := outcomes[1]; o.Err != nil || o.Ack.Offset != 1 {
		t.Fatalf("the second: %+v, %v", o.Ack, o.Err)
	}
	if got := valuesOf(t, c, "one", 2); len(got) != 2 || !strings.HasPrefix(got[1], "second") {
		t.Fatalf("the topic has %.20q", got)
	}
	if err := outcomes[0].Err; err == nil || !err.Unconfirmed {
		t.Errorf("the first, which is not there: %+v, %v", outcomes[0].Ack, err)
	}
}

func TestTransactionFailsWithARecordThatOnlyALaterBatchImplies(t *testing.T) {
	c := refusesTheFirst(t, longSecond)
	p, _ := startPoolWith(t, Options{TransactionsDir: t.TempDir()})
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": strings.Join(c.ListenAddrs(), ","), "batch.size": oneEach},
		record.Mode{Transactional: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sendTogether(p, conn, batchOf("one", longFirst, longSecond), in(10*time.Second)); err == nil || err.Unconfirmed {
		t.Errorf("a transaction of which a record is not there: %v", err)
	}
}

func TestQueueWaitsForTheFirstRecordOfAPartition(t *testing.T) {
	for _, way := range []struct {
		name  string
		props []string
	}{
		{"in batches", nil},
		{"one at a time", []string{"batch.num.messages", "1"}},
	} {
		t.Run(way.name, func(t *testing.T) {
			c := startFake(t)
			p, _ := startPool(t, 0)
			conn := connect(t, c, true, way.props...)
			release := holdProduce(c)
			queue := func(value string, partition int32, wait time.Duration) (*Delivery, *record.Error) {
				return queueFor(p, conn, &record.Record{Topic: "t", Partition: partition, Value: []byte(value)}, in(wait))
			}
			first, err := queue("first", 1, 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := queue("behind it", 1, 1500*time.Millisecond); err == nil || err.Unconfirmed {
				t.Errorf("behind the first, which is not answered: %v", err)
			}
			other, err := queue("elsewhere", 2, 10*time.Second)
			if err != nil {
				t.Fatalf("in another partition: %v", err)
			}
			release()
			for _, d := range []*Delivery{first, other} {
				if !d.Wait(ending(in(10*time.Second))) || d.End().Err != nil {
					t.Fatal("not acknowledged")
				}
			}
			if _, err := send(p, conn, &record.Record{Topic: "t", Partition: 1, Value: []byte("next")}, true, in(10*time.Second)); err != nil {
				t.Error(err)
			}
		})
	}
}
