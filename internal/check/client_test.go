package check

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
)

// startFar starts a broker whose metadata takes longer than the first question waits.
func startFar(t *testing.T) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		c.SleepControl(func() { time.Sleep((firstMillis + 50) * time.Millisecond) })
		return nil, nil, false
	})
	return c
}

func TestAClusterFarAwayAnswers(t *testing.T) {
	t.Parallel()
	c, err := newClient(kafkaconf.Properties{"bootstrap.servers": startFar(t).ListenAddrs()[0]})
	if err != nil {
		t.Fatal(err)
	}
	defer c.end()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if m, err := c.answer(ctx); err != nil || len(m.Brokers) != 1 {
		t.Errorf("%v, %v", m, err)
	}
}
