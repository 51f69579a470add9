package client

import (
	"context"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// clientOf returns a client that has no librdkafka producer.
func clientOf(t *testing.T, shared *Shared) *Client {
	t.Helper()
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": "127.0.0.1:1"}, record.Mode{})
	if err != nil {
		t.Fatal(err)
	}
	return &Client{shared: shared, credentials: &credentials{Conn: conn}}
}

// What was perhaps written does not become a "no" since a successor has not taken it.
func TestHandedOverRecordIsUnconfirmedAsLongAsTheFirstAttemptIs(t *testing.T) {
	unconfirmed, refusal := &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true}, &record.Error{Kind: record.KindQueueFull}
	for _, before := range []*record.Error{unconfirmed, {Kind: record.KindUnconfirmed}} {
		shared := &Shared{Budget: &Budget{}}
		from, to := clientOf(t, shared), clientOf(t, shared)
		to.made = made{ready: make(chan struct{}), broken: refusal}
		close(to.ready)
		from.load.settled = make(chan struct{}, 1)
		d := deliveries.Get().(*Delivery)
		from.returned.putBack(Returned{d: d, err: before})
		from.passOn(&Successor{Ended: func() {}, Accept: func(soon context.Context, b *Returned) *record.Error { return to.Accept(soon, from, b) }})
		want := refusal
		if before.Unconfirmed {
			want = unconfirmed
		}
		if !d.Reported() || d.Outcome().Err != want {
			t.Errorf("after %+v: %+v", before, d.Outcome().Err)
		}
	}
}

// A sender that keeps its record still has it on disk when the outcome is unknown: a second copy would be sent as well,
// and the record is not lost.
func TestRecordThatIsKeptIsNotKeptAgainAtTheEnd(t *testing.T) {
	for _, kept := range []bool{true, false} {
		copies := 0
		shared := &Shared{Budget: &Budget{}, Keep: func(*kafkaconf.Connection, *record.Record) bool { copies++; return true }}
		c := clientOf(t, shared)
		c.end.last.Store(true)
		d := deliveries.Get().(*Delivery)
		d.kept = kept
		c.returned.putBack(Returned{d: d, err: &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true}})
		if lost := c.keepReturned(); (copies == 0) != kept || lost != 0 {
			t.Errorf("kept by its sender: %v; %d copies were made, %d lost", kept, copies, lost)
		}
	}
}

// A batch is refused for one of its records, and which one shows when each is sent alone: there is no time for that at the end.
func TestRecordOfARefusedBatchIsNotAnsweredWithTheRefusalAtTheEnd(t *testing.T) {
	shared := &Shared{Budget: &Budget{}}
	c := clientOf(t, shared)
	c.end.last.Store(true)
	d := deliveries.Get().(*Delivery)
	c.returned.putBack(Returned{d: d, err: &record.Error{Kind: record.KindTooLarge}})
	if lost := c.keepReturned(); lost != 1 || !d.Reported() || d.Outcome().Err != ErrShuttingDown {
		t.Errorf("%d lost, %+v", lost, d.Outcome().Err)
	}
}
