package producer

import "maps"

// alone returns the connection with batches of one record: what Kafka refuses there, it
// refuses for the record's own sake.
func (c *Connection) alone() *Connection {
	c.aloneOnce.Do(func() {
		c.aloneConn = c.derived(Properties{"batch.num.messages": "1", "linger.ms": "0"})
	})
	return c.aloneConn
}

// derived returns a connection of the same route for which librdkafka is given more, or
// other properties.
func (c *Connection) derived(more Properties) *Connection {
	all, props := Properties{}, maps.Clone(c.props)
	maps.Copy(all, c.more)
	maps.Copy(all, more)
	maps.Copy(props, all)
	return &Connection{
		mode: c.mode, id: identity(props), route: c.route, props: props, more: all, origin: c.origin, MessageMaxBytes: c.MessageMaxBytes,
	}
}

// oneByOne reports whether each batch has one record.
func (c *Connection) oneByOne() bool { return c.props["batch.num.messages"] == "1" }

// inTransaction reports whether the producer has a transactional.id: then its records
// have one fate, and those of a transaction are one client's.
func (c *Connection) inTransaction() bool { return c.props["transactional.id"] != "" }

// gapless reports whether librdkafka is to send nothing more after a refused batch, so
// that its records can be sent again in order. Without idempotence it cannot.
func (c *Connection) gapless() bool {
	return c.props["enable.idempotence"] == "true" && c.props["enable.gapless.guarantee"] == "" && !c.oneByOne() && !c.inTransaction()
}

// overtakes reports whether a batch can be taken although an earlier one of its partition
// was refused: see first.go. That of a batch of one record is nobody else's loss.
func (c *Connection) overtakes() bool {
	return c.gapless() && c.props["max.in.flight.requests.per.connection"] != "1"
}
