package control

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/operator"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

type gateway struct {
	*durabletest.Gateway[durable.Policy, *durable.Queue]
}

// startQueue starts a queue whose owner serves the socket.
func startQueue(t *testing.T, dir string, opts durable.Options) *gateway {
	t.Helper()
	return &gateway{durabletest.Start(t, dir, func(log *slog.Logger, owned func()) *durable.Queue {
		opts.Dir, opts.Log = dir, log
		opts.Owned = func(q *durable.Queue) func() {
			defer owned()
			return Serve(operator.New(q), dir, log)
		}
		return durable.Open(opts)
	})}
}

func (g *gateway) await() *gateway {
	g.T.Helper()
	g.Await()
	return g
}

func dial(t *testing.T, dir string) *Client {
	t.Helper()
	var c *Client
	await.True(t, "the owner answers on its socket", func() (answers bool) {
		var err error
		c, err = Dial(t.Context(), dir)
		return err == nil
	})
	t.Cleanup(func() { c.Close() })
	return c
}

// infoOf returns the numbers of a stream.
func infoOf(t *testing.T, c *Client, id string) durable.StreamInfo {
	t.Helper()
	infos, err := c.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(infos, func(s durable.StreamInfo) bool { return s.Stream == id })
	if i < 0 {
		t.Fatalf("stream %s is not among %+v", id, infos)
	}
	return infos[i]
}
