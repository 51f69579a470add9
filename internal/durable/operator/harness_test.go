package operator

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

type gateway struct {
	*durabletest.Gateway[durable.Policy, *durable.Queue]
	op *Operator
}

func startQueue(t *testing.T, dir string, opts durable.Options) *gateway {
	t.Helper()
	g := &gateway{}
	g.Gateway = durabletest.Start(t, dir, func(log *slog.Logger, owned func()) *durable.Queue {
		opts.Dir, opts.Log = dir, log
		opts.Owned = func(*durable.Queue) func() {
			owned()
			return func() {}
		}
		q := durable.Open(opts)
		g.op = New(q)
		return q
	})
	return g
}

func (g *gateway) await() *gateway {
	g.T.Helper()
	g.Await()
	return g
}

func (g *gateway) pending() int64 {
	g.T.Helper()
	stats, err := g.Queue.Stats()
	if err != nil {
		g.T.Fatal(err)
	}
	return stats.Records
}

func (g *gateway) awaitEmpty() {
	g.T.Helper()
	await.True(g.T, "nothing is on disk", func() bool { return g.pending() == 0 })
}

// streamID is the name of a connection's stream, which has records.
func (g *gateway) streamID(conn *kafkaconf.Connection, policy durable.Policy) string {
	return g.Queue.StreamOf(conn, policy).ID
}

func targetOf(b *durabletest.Broker) *durable.Target {
	return &durable.Target{Config: kafkaconf.Properties{"bootstrap.servers": strings.Join(b.ListenAddrs(), ",")}}
}

// stream returns the handle of a stream.
func (g *gateway) stream(id string) durable.Stream {
	g.T.Helper()
	streams, err := g.Queue.Streams()
	if err != nil {
		g.T.Fatal(err)
	}
	i := slices.IndexFunc(streams, func(s durable.Stream) bool { return s.ID == id })
	if i < 0 {
		g.T.Fatalf("stream %s is not among %+v", id, streams)
	}
	return streams[i]
}
