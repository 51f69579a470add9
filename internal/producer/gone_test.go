package producer

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// A record that nobody waits for any more is sent again alone where Kafka refuses it together with its batch, as if
// somebody did.
func TestRecordThatNobodyWaitsForIsDeliveredAllTheSame(t *testing.T) {
	for name, follow := range map[string]bool{"whose sender has gone": false, "that is followed": true} {
		t.Run(name, func(t *testing.T) {
			c := startFake(t)
			p, _ := startPool(t, 0)
			conn := connect(t, c, true, "linger.ms", "300")
			by := &refuser{err: kerr.InvalidRecord}
			by.control(c, isBad)
			record0 := func(value string) *record.Record {
				r := recordOf("t", value)
				r.Partition = 0
				return r
			}
			if _, err := send(p, conn, record0("first"), true, in(10*time.Second)); err != nil {
				t.Fatal(err)
			}
			gone := make(chan struct{})
			close(gone)
			b := &record.Batch{Records: []record.Record{*record0("good")}, Outcomes: make([]record.Outcome, 1), Follow: follow, Gone: gone}
			p.Way(conn, true).Deliver(context.Background(), b)
			if err := b.Outcomes[0].Err; err != record.Unwaited || (b.Late != nil) != follow {
				t.Errorf("%+v, late %v", err, b.Late != nil)
			}
			if _, err := send(p, conn, record0("bad"), true, in(10*time.Second)); err == nil {
				t.Error("it was taken")
			}
			if got := valuesOf(t, c, "t", 2); !slices.Equal(got, []string{"first", "good"}) || by.largest() != 2 {
				t.Error(got, by.largest())
			}
			await.True(t, "nothing is left", func() bool { return p.Stats().InflightBytes == 0 })
		})
	}
}
