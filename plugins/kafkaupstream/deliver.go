package kafkaupstream

import (
	"fmt"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// produce delivers the request's records and replies with their outcomes.
func (h *Handler) produce(r *Served, w *work) Reply {
	b := &w.batch
	if b.Outcomes = w.outcome[:]; len(b.Records) != 1 {
		b.Outcomes = make([]record.Outcome, len(b.Records))
	}
	if r.Mode.Delivery == record.Sync {
		b.Gone = w.req.Gone()
	}
	r.way.Deliver(w.ctx, b)
	switch {
	case r.Mode.Transactional:
		return h.together(r, w)
	case !w.isBatch:
		return h.outcome(r, w, 0)
	}
	replies := make([]Reply, len(b.Records))
	for i := range replies {
		replies[i] = h.outcome(r, w, i)
	}
	return several(replies, w.asked)
}

// outcome is the reply to one of the request's records, which it counts and, where it
// failed, logs.
func (h *Handler) outcome(r *Served, w *work, i int) Reply {
	topic, o := w.batch.Records[i].Topic, w.batch.Outcomes[i]
	var reply Reply
	switch {
	case o.Err != nil:
		h.observe.Failed(o.Err.Kind)
		reply = h.logged(w, topic, o.Err)
	case r.Mode.Delivery == record.Async:
		reply = queued
	default:
		reply = outcomeReply(topic, o)
	}
	h.observe.Record(r.Mode, reply.Delivered)
	return reply
}

// logged is the reply to a record that was not acknowledged, which it logs.
func (h *Handler) logged(w *work, topic string, err *record.Error) Reply {
	reply := *failed(err)
	if reply.Status >= 500 {
		h.log.Warn("a record was not delivered", "route", w.req.Route(), "topic", topic, "status", reply.Status, "error", err.Reason)
	} else {
		h.refused(w.req, &reply, topic)
	}
	return reply
}

// together is the reply to records of one transaction. Its status is that of all of
// them, and where they are not in Kafka, of the one that is to blame.
func (h *Handler) together(r *Served, w *work) Reply {
	b := &w.batch
	topic := b.Records[0].Topic
	if b.Outcomes == nil {
		reply := writtenBefore
		if b.Err != nil {
			reply = h.logged(w, topic, b.Err)
		}
		for range b.Records {
			if b.Err != nil {
				h.observe.Failed(b.Err.Kind)
			}
			h.observe.Record(r.Mode, reply.Delivered)
		}
		if b.Err == nil && w.asked != nil {
			return w.asked.accepted(reply)
		}
		return reply
	}
	replies := make([]Reply, len(b.Records))
	blame := -1
	for i, o := range b.Outcomes {
		replies[i] = outcomeReply(b.Records[i].Topic, o)
		h.observe.Record(r.Mode, replies[i].Delivered)
		if o.Err == nil {
			continue
		}
		h.observe.Failed(o.Err.Kind)
		if blame < 0 && o.Err.Kind == b.Err.Kind {
			blame = i
		}
	}
	if !w.isBatch && b.Err == nil {
		return replies[0]
	}
	reply := several(replies, w.asked)
	if b.Err == nil {
		if reply.Receipt != "" {
			reply.several = false // the receipt is that of all, and stands in front, too
		}
		return reply
	}
	detail := reply.Detail
	reply = h.logged(w, topic, b.Err)
	if reply.Message = "the transaction was aborted: " + reply.Message; blame >= 0 && len(b.Records) > 1 {
		reply.Message = fmt.Sprintf("the transaction was aborted: record %d: %s", blame+1, failed(b.Err).Message)
	}
	if w.isBatch {
		reply.Detail = detail
	}
	return reply
}
