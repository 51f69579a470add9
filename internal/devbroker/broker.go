// Package devbroker is what `kafkaupstream dev` needs of Kafka beside the plugin:
// a broker inside the process, and a reader of the records that reach a broker.
//
// The broker is librdkafka's simulation: it keeps records in memory only and
// creates topics on demand. It is not for tests of what a real broker does.
package devbroker

import (
	"fmt"
	"net"
	"strconv"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// startMillis bounds how long the broker may take to answer.
const startMillis = 5000

// Broker is a one-node cluster inside the process. It belongs to a client that is
// made for it: the library's own way to start one writes warnings to stderr. The
// client is an admin client, the only kind that has no poll of 100 ms to wait for
// when it is closed.
type Broker struct {
	client  *kafka.AdminClient
	address string
}

// Start starts a broker on a free port of 127.0.0.1.
func Start() (*Broker, error) {
	client, err := kafka.NewAdminClient(&kafka.ConfigMap{"test.mock.num.brokers": 1, "log_level": 0})
	if err != nil {
		return nil, fmt.Errorf("start the embedded broker: %w", err)
	}
	md, err := client.GetMetadata(nil, false, startMillis)
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("the embedded broker does not answer: %w", err)
	}
	b := md.Brokers[0]
	return &Broker{client, net.JoinHostPort(b.Host, strconv.Itoa(b.Port))}, nil
}

// Address returns the broker's host:port.
func (b *Broker) Address() string { return b.address }

// Close stops the broker; its records are gone.
func (b *Broker) Close() { b.client.Close() }
