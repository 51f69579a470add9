package kafkaconf

import "maps"

// Alone returns the connection with batches of one record: what Kafka refuses there, it
// refuses for the record's own sake.
func (c *Connection) Alone() *Connection {
	c.aloneOnce.Do(func() {
		c.aloneConn = c.Derived(Properties{"batch.num.messages": "1", "linger.ms": "0"})
	})
	return c.aloneConn
}

// Derived returns a connection of the same route for which librdkafka is given more, or
// other properties.
func (c *Connection) Derived(more Properties) *Connection {
	all, props := Properties{}, maps.Clone(c.props)
	maps.Copy(all, c.more)
	maps.Copy(all, more)
	maps.Copy(props, all)
	return &Connection{
		mode: c.mode, id: identity(props), route: c.route, props: props, more: all, origin: c.origin, MessageMaxBytes: c.MessageMaxBytes,
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
