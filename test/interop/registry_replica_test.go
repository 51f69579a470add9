package interop

import (
	"context"
	"maps"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// registryReplica rebuilds the registry's state from the topic.
type registryReplica struct {
	t       *testing.T
	client  *kgo.Client
	stopped chan struct{}
	// sizes are how many records each transaction has. Subscribers do not see them; the test
	// needs them to check that each transaction is whole.
	sizes [registryChanges + 1]atomic.Int64

	state   registryState
	records int
	applied atomic.Int64 // transactions
}

func startRegistryReplica(t *testing.T, brokers string) *registryReplica {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumeTopics(registryTopic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	p := &registryReplica{t: t, client: cl, stopped: make(chan struct{}), state: registryState{}}
	go p.run()
	t.Cleanup(p.end)
	return p
}

func (p *registryReplica) end() {
	p.client.Close()
	<-p.stopped
}

// run applies each transaction when all of it is there.
func (p *registryReplica) run() {
	defer close(p.stopped)
	var transaction []*kgo.Record
	for {
		fetches := p.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			p.records++
			want := int(p.applied.Load()) + 1
			if got := registryTransaction(rec); got != want {
				p.t.Errorf("the record at %d is of transaction %d, want %d", rec.Offset, got, want)
				return
			}
			if transaction = append(transaction, rec); int64(len(transaction)) == p.sizes[want].Load() {
				p.apply(transaction)
				transaction = nil
				p.applied.Add(1)
			}
		})
	}
}

// registryTransaction is the number that the route has put into a header.
func registryTransaction(rec *kgo.Record) int {
	for _, h := range rec.Headers {
		if h.Key == "transaction" {
			n, _ := strconv.Atoi(string(h.Value))
			return n
		}
	}
	return 0
}

// apply does what a transaction says: structures are replaced, or one is deleted.
func (p *registryReplica) apply(transaction []*kgo.Record) {
	for _, rec := range transaction {
		if rec.Value == nil {
			if len(transaction) > 1 {
				p.t.Errorf("the deletion at %d has company in its transaction", rec.Offset)
			}
			delete(p.state, string(rec.Key))
			continue
		}
		p.state[string(rec.Key)] = string(rec.Value)
	}
}

// judge compares the replica with the registry.
func (p *registryReplica) judge(want registryState) {
	p.t.Helper()
	if maps.Equal(p.state, want) {
		return
	}
	p.t.Errorf("the replica has %d structures, the registry %d", len(p.state), len(want))
	for urn, text := range want {
		if p.state[urn] != text {
			p.t.Errorf("%s is\n%s\nwant\n%s", urn, p.state[urn], text)
			return
		}
	}
}
