package client

import "time"

// EndBy sets until when Drain may deliver what is queued.
func (c *Client) EndBy(deadline time.Time) { c.end.deadline.Store(&deadline) }

// EndLast is EndBy at the end of the process: what is left then is offered to Shared.Keep.
func (c *Client) EndLast(deadline time.Time) {
	c.end.last.Store(true)
	c.EndBy(deadline)
}

// HandOverTo has Drain give what librdkafka has not sent to a successor.
func (c *Client) HandOverTo(s *Successor) { c.end.successor.Store(s) }

// Undelivered waits for the end of Drain, and returns how many records were neither
// delivered nor kept.
func (c *Client) Undelivered() int {
	<-c.end.drained
	return c.end.undelivered
}

// Idle reports whether nothing has used the client since then.
func (c *Client) Idle(since time.Time) bool {
	return isClosed(c.ready) && c.load.users.Load() == 0 && c.load.lastUsed.Load() < since.UnixNano() && c.load.outstanding.Load() == 0
}

// reportWait bounds how long the reports of purged records are waited for: they come in
// milliseconds, and later on a machine that is very busy, where a record without one would not be kept.
const reportWait = 5 * time.Second

// flushSlice is how often Drain looks at its deadline.
const flushSlice = 100 * time.Millisecond

// Drain takes no more records and gives those that are queued until the deadline of EndBy,
// which may be brought forward meanwhile; what could not be delivered is logged. It
// is called once, and Close after it.
func (c *Client) Drain() {
	defer close(c.end.drained)
	<-c.ready
	close(c.end.closing)
	s := c.end.successor.Load()
	if c.Kafka == nil {
		if s != nil {
			s.Ended()
		}
		return
	}
	c.Kafka.Shut()
	if s != nil {
		c.handOver(s)
	}
	left := 1
	for left > 0 {
		wait := min(time.Until(c.end.deadline.Load().Add(-c.purgeWait())), flushSlice)
		if left = c.Kafka.Flush(wait); wait <= 0 {
			break
		}
	}
	if left > 0 {
		c.Kafka.Purge(true)
	}
	c.load.await(time.Now().Add(reportWait))
	c.end.undelivered = int(c.load.outstanding.Load()) + c.keepReturned()
	c.losses.flush(c.Log)
}

// purgeWait is the time before the deadline that is left for the reports of purged records to arrive, and for the
// records to be kept where that is wanted.
func (c *Client) purgeWait() time.Duration {
	if c.shared.Keep != nil {
		return 200 * time.Millisecond
	}
	return 100 * time.Millisecond
}

// Close ends a client that has been drained. It returns when librdkafka has gone,
// which takes a second when the cluster does not answer.
func (c *Client) Close() {
	if c.Kafka == nil {
		return
	}
	c.end.watching.Wait()
	c.Kafka.Close()
	c.losses.flush(c.Log)
}
