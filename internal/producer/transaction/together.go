package transaction

import (
	"context"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// together delivers a route's batches in one transaction each.
type together struct {
	*Producers
	conn *kafkaconf.Connection
}

// Together returns how records of the connection are delivered in one transaction for
// each batch: a consumer that reads what is committed sees all of them or none.
func (ps *Producers) Together(conn *kafkaconf.Connection) record.Way {
	return &together{ps, conn}
}

// Deliver sets the batch's error to the outcome of the transaction as a whole; the outcomes
// say the same of each record, where there are any.
func (w *together) Deliver(ctx context.Context, b *record.Batch) {
	if !w.Enabled() {
		b.Outcomes, b.Err = nil, errNoTransactions
		return
	}
	b.Outcomes, b.Err = w.send(ctx, w.conn, b.Records)
	if refusedTogether(b.Records, b.Err) {
		b.Outcomes, b.Err = w.send(ctx, w.conn.Alone(), b.Records)
	}
}

func (ps *Producers) send(ctx context.Context, conn *kafkaconf.Connection, recs []record.Record) ([]record.Outcome, *record.Error) {
	t, err := ps.take(ctx, conn)
	if err != nil {
		return nil, err
	}
	out, err := t.send(ctx, recs, nil)
	ps.giveBack(conn, t)
	return out, err
}
