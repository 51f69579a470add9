package durable

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

func TestQueueLeavesRoomOnDiskForOtherRoutes(t *testing.T) {
	g := startQueue(t, t.TempDir(), Options{MaxBytes: 200_000}).await()
	first, second := durabletest.Connect(t, durabletest.Nobody), durabletest.Connect(t, durabletest.Nobody)
	if first.Origin() != second.Origin() {
		t.Fatal("the routes are to share a stream")
	}
	large := strings.Repeat("x", 20_000)
	full := fmt.Sprintf("refused %v", record.KindSpoolFull)
	n := 0
	for g.Send(first, "t", large, durabletest.Soon/10) == "kept" {
		n++
	}
	if n < 5 || n > 7 { // of eight
		t.Errorf("the first route took room for %d records", n)
	}
	g.Want(full, first, "t", large, durabletest.Soon/10)
	if got := g.SendAll(first, durabletest.Soon/10, large); got != full {
		t.Errorf("a batch of the first: %s", got)
	}
	g.Want("kept", second, "t", large, durabletest.Soon/10)
	if got := g.SendAll(second, durabletest.Soon/10, "1", large, "3"); got != "kept, "+full+", "+full {
		t.Errorf("a batch: %s", got)
	}
	g.Want(full, first, "t", "small", durabletest.Soon/10) // while it has more than its part
	g.Want("kept", second, "t", "small", durabletest.Soon/10)
}
