package kafkaconf

import (
	"fmt"
	"maps"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Alone returns the connection with batches of one record: what Kafka refuses there, it
// refuses for the record's own sake. Each takes a round trip, so where thousands are queued, those of async
// routes would be lost for waiting longer than librdkafka has them wait by default.
func (c *Connection) Alone() *Connection {
	c.aloneOnce.Do(func() {
		more := Properties{"batch.num.messages": "1", "linger.ms": "0"}
		if _, given := c.props["message.timeout.ms"]; !given && c.mode == (record.Mode{Delivery: record.Async}) {
			more["message.timeout.ms"] = "0" // never
		}
		c.aloneConn = c.Derived(more)
		c.aloneConn.queued = c.slow
	})
	return c.aloneConn
}

// Stripes is how many producers a durable connection has at most. It is prime: the partitions that a broker leads
// are mostly as many apart as there are brokers, and would otherwise be those of one or two producers.
const Stripes = 5

// Striped reports whether the connection's records are divided among several producers, by their partition. Each has
// one batch under way to a broker, and this is how there are several.
func (c *Connection) Striped() bool { return c.striped }

// canStripe is Striped for properties of a mode.
func canStripe(props Properties, mode record.Mode) bool {
	if mode.Delivery != record.Durable || mode.Transactional || props["max.in.flight.requests.per.connection"] != "1" {
		return false
	}
	switch props["partitioner"] { // with others it is not known where each record belongs
	case "murmur2_random", "consistent_random":
		return true
	}
	return false
}

// Stripe returns the connection with the producer for a partition: one of equal properties, and the connection itself
// for AnyPartition and unless it is Striped.
func (c *Connection) Stripe(partition int32) *Connection {
	i := int(partition) % Stripes
	if !c.striped || i <= 0 {
		return c
	}
	c.stripesOnce.Do(func() {
		c.stripes = make([]Connection, Stripes)
		for i := range c.stripes {
			c.stripes[i].content = c.derived(fmt.Sprintf("%s-%d", c.id, i), c.props, c.more)
		}
	})
	return &c.stripes[i]
}

// Derived returns a connection of the same route for which librdkafka is given more, or
// other properties.
func (c *Connection) Derived(more Properties) *Connection {
	all, props := Properties{}, maps.Clone(c.props)
	maps.Copy(all, c.more)
	maps.Copy(all, more)
	maps.Copy(props, all)
	return &Connection{content: c.derived(identity(props), props, all)}
}

func (c *Connection) derived(id string, props, more Properties) *content {
	return &content{
		mode: c.mode, id: id, route: c.route, props: props, more: more, origin: c.origin, MessageMaxBytes: c.MessageMaxBytes, queued: c.queued, slow: c.slow,
	}
}

// OneByOne reports whether each batch has one record.
func (c *Connection) OneByOne() bool { return c.props["batch.num.messages"] == "1" }

// InTransaction reports whether the producer has a transactional.id: then its records
// have one fate, and those of a transaction are one client's.
func (c *Connection) InTransaction() bool { return c.props["transactional.id"] != "" }

// Gapless reports whether librdkafka is to send nothing more after a refused batch, so
// that its records can be sent again in order. Without idempotence it cannot.
func (c *Connection) Gapless() bool {
	return c.props["enable.idempotence"] == "true" && c.props["enable.gapless.guarantee"] == "" && !c.OneByOne() && !c.InTransaction()
}

// Overtakes reports whether a batch can be taken although an earlier one of its partition
// was refused, and librdkafka then takes both for taken: see internal/producer/client/first.go.
func (c *Connection) Overtakes() bool {
	return c.props["enable.idempotence"] == "true" && c.props["max.in.flight.requests.per.connection"] != "1"
}
