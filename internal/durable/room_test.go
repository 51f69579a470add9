package durable

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func TestDeadLettersThatFillTheirShareStopNobody(t *testing.T) {
	large := strings.Repeat("x", 20_000)
	for _, drop := range []bool{true, false} {
		t.Run(fmt.Sprint("drop the oldest: ", drop), func(t *testing.T) {
			b, dir := startBroker(t), t.TempDir()
			g := startQueue(t, dir, Options{MaxBytes: 200_000, DropLetters: drop}).await() // a share of 25,000
			conn := b.connect(t)
			id, c := streamID(conn, DeadLetter), dial(t, dir)
			g.want("acknowledged", conn, "t", "0", patient)
			b.refuse()
			g.hold(b, DeadLetter, recordOf("u", "1"+large))
			await.True(t, "the first is a dead letter", func() bool { return infoOf(t, c, id).DeadLetters == 1 && g.pending() == 0 })
			g.hold(b, DeadLetter, recordOf("u", "2"+large), recordOf("t", "1"))
			b.values(t, "t", 2) // which waits for nothing

			if drop {
				await.True(t, "the first has made room", func() bool {
					stats, err := g.queue.Stats()
					return err == nil && stats.DeadLettersDropped == 1 && stats.DeadLetters == 1 && stats.Records == 0
				})
				if got := shown(t, c.Show, ShowRequest{Selection: Selection{Stream: id}, Bytes: 1}); got != "2" {
					t.Errorf("dead letters: %s", got)
				}
				return
			}
			await.True(t, "the log says what the second waits for", func() bool {
				return strings.Contains(g.log.String(), "a dead letter cannot be written")
			})
			await.True(t, "only the second waits", func() bool { return g.pending() == 1 })
			if got := shown(t, c.Show, ShowRequest{Selection: Selection{Stream: id, Pending: true}, Bytes: 1}); got != "2" {
				t.Errorf("to be sent: %s", got)
			}
			if _, err := c.Drop(t.Context(), Selection{Stream: id}); err != nil {
				t.Error(err)
			}
			await.True(t, "there is room for the second", func() bool { return infoOf(t, c, id).DeadLetters == 1 && g.pending() == 0 })
		})
	}
}

func TestOneRouteCannotTakeAllRoomOnDisk(t *testing.T) {
	g := startQueue(t, t.TempDir(), Options{MaxBytes: 200_000}).await()
	first, second := connect(t, nobody), connect(t, nobody)
	if first.Origin() != second.Origin() {
		t.Fatal("the routes are to share a stream")
	}
	large := strings.Repeat("x", 20_000)
	full := fmt.Sprintf("refused %v", record.KindSpoolFull)
	n := 0
	for g.send(first, "t", large, soon/10) == "kept" {
		n++
	}
	if n < 5 || n > 7 { // of eight
		t.Errorf("the first route took room for %d records", n)
	}
	g.want(full, first, "t", large, soon/10)
	if got := g.sendAll(first, soon/10, large); got != full {
		t.Errorf("a batch of the first: %s", got)
	}
	g.want("kept", second, "t", large, soon/10)
	if got := g.sendAll(second, soon/10, "1", large, "3"); got != "kept, "+full+", "+full {
		t.Errorf("a batch: %s", got)
	}
	g.want(full, first, "t", "small", soon/10) // while it has more than its part
	g.want("kept", second, "t", "small", soon/10)
}
