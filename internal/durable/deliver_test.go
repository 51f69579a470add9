package durable

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// sendAll sends several records and says what became of each.
func (g *gateway) sendAll(conn *kafkaconf.Connection, timeout time.Duration, values ...string) string {
	recs := make([]record.Record, len(values))
	for i, v := range values {
		topic, value, found := strings.Cut(v, ":")
		if !found {
			topic, value = "t", v
		}
		recs[i] = *recordOf(topic, value)
	}
	var said []string
	for _, o := range g.deliver(conn, DeadLetter, timeout, recs...).Outcomes {
		switch {
		case o.Err != nil && o.Err.Unconfirmed:
			said = append(said, "unconfirmed")
		case o.Err != nil:
			said = append(said, fmt.Sprint("refused ", o.Err.Kind))
		case o.Receipt != "":
			said = append(said, "kept")
		default:
			said = append(said, "acknowledged")
		}
	}
	return strings.Join(said, ", ")
}

func TestSeveralRecordsAreDeliveredInOrderAndOnce(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	want := func(want string, timeout time.Duration, values ...string) {
		t.Helper()
		if got := g.sendAll(conn, timeout, values...); got != want {
			t.Fatalf("%v: %s, want %s", values, got, want)
		}
	}
	want("acknowledged, acknowledged", patient, "0", "1")
	b.block()
	want("kept, kept", soon, "2", "3") // and under way
	want("kept, kept", soon, "4", "5") // behind them
	b.release()
	g.awaitEmpty()
	want("acknowledged", patient, "6")
	ascending(t, b.values(t, "t", 7))
}

func TestOneOfSeveralThatKafkaRefusesForGoodDoesNotHoldUpTheOthers(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	b.failWith(func(topic string) *kerr.Error {
		if topic == "u" {
			return kerr.InvalidRecord
		}
		return nil
	})
	got := g.sendAll(b.connect(t), patient, "u:x", "nowhere:x")
	if want := fmt.Sprintf("refused %v, refused %v", record.KindRejected, record.KindTopicNotFound); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("on disk: %v", left)
	}
}

func TestOfSeveralRecordsThoseThatHaveRoomAreKept(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{MaxBytes: 2000}).await()
	conn := b.connect(t)
	g.want("acknowledged", conn, "t", "0", patient)
	large := strings.Repeat("x", 1500)
	got := g.sendAll(connect(t, "127.0.0.1:1"), soon, "1", large, large, "4")
	if want := fmt.Sprintf("kept, kept, refused %v, refused %v", record.KindSpoolFull, record.KindSpoolFull); got != want {
		t.Errorf("no broker: %s, want %s", got, want)
	}
	b.block()
	if got := g.sendAll(conn, soon, "1", large); got != "kept, unconfirmed" {
		t.Errorf("under way: %s", got)
	}
	b.release()
	await.True(t, "nothing of the connection is on disk", func() bool { return g.queue.stream(conn, DeadLetter).clear(nil) })
	g.want("acknowledged", conn, "t", "2", patient)
	if n := len(b.values(t, "t", 4)); n != 4 {
		t.Errorf("the topic has %d records, want 4", n)
	}
}
