package producer

import (
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// SendAll sends records as [Pool.Send] does, all of them before it waits for the
// first.
func (p *Pool) SendAll(conn *kafkaconf.Connection, recs []record.Record, wait bool, deadline time.Time) []record.Outcome {
	out := make([]record.Outcome, len(recs))
	if !wait {
		for i := range recs {
			_, out[i].Err = p.Send(conn, &recs[i], false, deadline)
		}
		return out
	}
	type sent struct {
		*Delivery
		by *client
	}
	all := make([]sent, len(recs))
	for i := range recs {
		out[i].Err = p.retrying(conn, recs[i].Topic, deadline, func(c *client, s *suspect) (err *record.Error) {
			all[i].by = c
			all[i].Delivery, err = c.queue(&recs[i], s, forSender, deadline)
			return err
		})
	}
	for i, s := range all {
		if out[i].Err == nil {
			out[i].Ack, out[i].Err = s.by.await(s.Delivery, recs[i].Topic, deadline)
		}
	}
	return out
}
