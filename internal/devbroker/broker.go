// Package devbroker is what `kafkaupstream dev` needs of Kafka beside the plugin:
// a broker inside the process, and a reader of the records that reach a broker.
//
// The broker is librdkafka's simulation: it keeps records in memory only and
// creates topics on demand. It is not for tests of what a real broker does.
package devbroker

import (
	"fmt"
	"sync"

	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
)

// Broker is a one-node cluster inside the process. Its methods may be called by any
// number of goroutines.
type Broker struct {
	simulation *librdkafka.Simulation

	mu   sync.Mutex // guards away, and that it is what the simulation was last told
	away bool
}

// Start starts a broker on a free port of 127.0.0.1.
func Start() (*Broker, error) {
	s, err := librdkafka.NewSimulation()
	if err != nil {
		return nil, fmt.Errorf("start the embedded broker: %w", err)
	}
	return &Broker{simulation: s}, nil
}

// Address returns the broker's host:port.
func (b *Broker) Address() string { return b.simulation.Address() }

// Away reports whether the broker was taken away.
func (b *Broker) Away() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.away
}

// SetAway takes the broker away, so that no client reaches it, or brings it back at the
// same address, with its records.
func (b *Broker) SetAway(away bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.simulation.SetReachable(!away); err != nil {
		return fmt.Errorf("the embedded broker: %w", err)
	}
	b.away = away
	return nil
}

// Close stops the broker; its records are gone.
func (b *Broker) Close() { b.simulation.Close() }
