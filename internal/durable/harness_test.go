package durable

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

type broker struct{ *durabletest.Broker }

func startBroker(t *testing.T, opts ...kfake.Opt) *broker {
	t.Helper()
	return &broker{durabletest.StartBroker(t, opts...)}
}

type gateway struct {
	*durabletest.Gateway[Policy, *Queue]
}

func startQueue(t *testing.T, dir string, opts Options) *gateway {
	t.Helper()
	return &gateway{durabletest.Start(t, dir, func(log *slog.Logger, owned func()) *Queue {
		opts.Dir, opts.Log = dir, log
		opts.Owned = func(*Queue) func() {
			owned()
			return func() {}
		}
		return Open(opts)
	})}
}

func (g *gateway) await() *gateway {
	g.T.Helper()
	g.Await()
	return g
}

func (g *gateway) pending() (n int64) {
	g.Queue.mu.RLock()
	defer g.Queue.mu.RUnlock()
	for _, st := range g.Queue.streams {
		if disk := st.disk.Load(); disk != nil {
			n += disk.Pending()
		}
	}
	return n
}

func (g *gateway) awaitEmpty() {
	g.T.Helper()
	await.True(g.T, "nothing is on disk", func() bool { return g.pending() == 0 })
}

// stream returns a stream as an operator's commands see it.
func (g *gateway) stream(id string) Stream {
	g.T.Helper()
	streams, err := g.Queue.Streams()
	if err != nil {
		g.T.Fatal(err)
	}
	i := slices.IndexFunc(streams, func(s Stream) bool { return s.ID == id })
	if i < 0 {
		g.T.Fatalf("stream %s is not among %+v", id, streams)
	}
	return streams[i]
}

func (g *gateway) info(id string) StreamInfo {
	g.T.Helper()
	return g.stream(id).Info()
}
