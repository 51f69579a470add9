package producer

import (
	"cmp"
	"maps"
	"slices"

	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
)

// Stats is a look at a pool. It costs no request anything to take one.
type Stats struct {
	InflightBytes    int64 // of requests and queued records
	MaxInflightBytes int64 // their bound
	Started          int64 // producers made since the pool began
	Fatal            int64 // of these, those that failed for good
	ConnectionBreaks int64 // connections to brokers that broke; 0 without [Options.BrokerStatsInterval]
	// Producers are those that take records, by state and ID: those that fail come first.
	Producers []ProducerStats
}

// What the pool's producers report of themselves.
type (
	Observer      = client.Observer
	State         = client.State
	ProducerStats = client.Stats
	BrokerStats   = client.BrokerStats
)

const (
	StateConnecting = client.StateConnecting
	StateUp         = client.StateUp
	StateDown       = client.StateDown
	StateInvalid    = client.StateInvalid
)

// order is that of [Stats.Producers]: who shows a hundred of them shows those that fail.
var order = []State{StateDown, StateInvalid, StateConnecting, StateUp}

// Stats returns the pool's numbers.
func (p *Pool) Stats() Stats {
	s := Stats{
		InflightBytes: p.shared.Budget.Total(), MaxInflightBytes: p.shared.Budget.Limit,
		Started: p.shared.Started.Load(), Fatal: p.shared.Fatal.Load(), ConnectionBreaks: p.shared.Breaks.Load(),
	}
	p.mu.RLock()
	var clients []*client.Client
	for _, id := range slices.Sorted(maps.Keys(p.clients)) { // the connection's own before its stripes
		clients = append(clients, p.clients[id])
	}
	p.mu.RUnlock()
	clients = append(clients, p.transactions.Clients()...)
	byID := map[string]int{}
	for _, c := range clients {
		one := c.Stats()
		if i, ok := byID[one.ID]; ok {
			s.Producers[i].Add(one)
			continue
		}
		byID[one.ID] = len(s.Producers)
		s.Producers = append(s.Producers, one)
	}
	slices.SortFunc(s.Producers, func(a, b ProducerStats) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.State), slices.Index(order, b.State)), cmp.Compare(a.ID, b.ID))
	})
	return s
}
