package transaction

import (
	"context"
	"log/slog"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

func TestProducerThatFailedWhileItWaitedIsNotUsed(t *testing.T) {
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": "127.0.0.1:1"}, record.Mode{Transactional: true})
	if err != nil {
		t.Fatal(err)
	}
	ps := New(&client.Shared{
		Log: slog.New(slog.DiscardHandler), Budget: &client.Budget{Limit: 1 << 20},
		Resolve: func(value string) (string, error) { return value, nil },
	}, t.TempDir())
	t.Cleanup(func() {
		ps.Stop()
		ps.Wait()
	})
	take := func() *transactional {
		t.Helper()
		tx, err := ps.take(context.Background(), conn)
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	first := take()
	ps.giveBack(conn, first)
	if again := take(); again != first {
		t.Error("a producer that waits for work is not used")
	}
	ps.giveBack(conn, first)
	first.dead.Store(true)
	next := take()
	if next == first {
		t.Error("a producer is used that has failed")
	}
	ps.giveBack(conn, next)
}
