package kafkaupstream

import (
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/tracing"
)

// traced produces the request's records in the trace that the request is part of. This
// comes after everything that compares records: a request that is sent again is the same
// one, in another trace.
func (h *Handler) traced(r *Served, req Request, w *work) Reply {
	at := tracing.Extract(req)
	if h.opts.Tracer == nil {
		w.join(at, r.Conn.MessageMaxBytes)
		return h.produce(r, w)
	}
	first, n := &w.batch.Records[0], len(w.batch.Records)
	span := h.opts.Tracer.Start(at, tracing.Message{
		Topic: first.Topic, Records: n, Tombstone: n == 1 && first.Value == nil, Delivery: r.Mode.String(),
	})
	w.join(span.Context(), r.Conn.MessageMaxBytes)
	reply := h.produce(r, w)
	span.End(tracing.Result{
		Delivered:    string(reply.Delivered),
		Acknowledged: reply.Delivered == DeliveredYes && !reply.several,
		Partition:    reply.Ack.Partition, Offset: reply.Ack.Offset,
		Error: reply.failure,
	})
	return reply
}

// join gives the request's records their place in a trace.
func (w *work) join(at tracing.Context, limit int) {
	if at.Traceparent == "" && at.Baggage == "" {
		return
	}
	headers := [...]record.Header{
		{Key: tracing.HeaderTraceparent, Value: []byte(at.Traceparent)},
		{Key: tracing.HeaderTracestate, Value: []byte(at.Tracestate)},
		{Key: tracing.HeaderBaggage, Value: []byte(at.Baggage)},
	}
	for i := range w.batch.Records {
		join(&w.batch.Records[i], headers[:], limit)
	}
}

// join adds the headers that have a value. What the route or the client has put under one
// of these names stays, and then tracestate, which belongs to traceparent, is not added
// either. Nor is anything for which there is no room: to be traced is no reason to be
// refused.
func join(rec *record.Record, headers []record.Header, limit int) {
	size := recordSize(rec)
	own := rec.Headers[:len(rec.Headers):len(rec.Headers)] // records of a batch may share what follows
	for _, h := range headers {
		if size += len(h.Key) + len(h.Value); size > limit {
			return
		}
		taken := hasHeader(own, h.Key) || h.Key == tracing.HeaderTracestate && hasHeader(own, tracing.HeaderTraceparent)
		if len(h.Value) > 0 && !taken {
			rec.Headers = append(rec.Headers[:len(rec.Headers):len(rec.Headers)], h)
		}
	}
}

func hasHeader(headers []record.Header, name string) bool {
	for i := range headers {
		if strings.EqualFold(headers[i].Key, name) {
			return true
		}
	}
	return false
}
