package kafkaupstream

import (
	"context"
	"strconv"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/idempotency"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
)

const (
	idempotencyHeader = "idempotency-key"
	defaultTTL        = 24 * time.Hour
	maxTTL            = 7 * 24 * time.Hour
)

// idempotent is a route's idempotency.
type idempotent struct {
	ttl      time.Duration
	required bool
}

// idempotencyKeys is the table of the keys below idempotency.
var idempotencyKeys = map[string]func(c *configReader, path string, v any){
	"ttl_s": func(c *configReader, path string, v any) {
		if n, ok := c.integer(path, v, 1, int64(maxTTL/time.Second)); ok {
			c.route.idempotent.ttl = time.Duration(n) * time.Second
		}
	},
	"required": func(c *configReader, path string, v any) { c.route.idempotent.required = c.boolean(path, v) },
}

func (c *configReader) readIdempotency(path string, v any) {
	fields, ok := v.([]field)
	if !ok {
		c.problem(path, "expected an object, got %s", typeName(v))
		return
	}
	c.route.idempotent = &idempotent{ttl: defaultTTL}
	for _, f := range fields {
		if read, ok := idempotencyKeys[f.name]; ok {
			read(c, path+"."+f.name, f.value)
		} else {
			c.problem(path+"."+f.name, "unknown key%s", didYouMean(f.name, idempotencyKeys))
		}
	}
}

// once delivers the request's records unless it is a repetition: that one is told what
// the first was told.
func (h *Handler) once(route *Route, req Request, w *work, deadline time.Time) Reply {
	text := req.Header(idempotencyHeader)
	if text == "" {
		if route.idempotent.required {
			return *refuse(400, "the header "+idempotencyHeader+" is required")
		}
		return h.traced(route, req, w, deadline)
	}
	key, err := idempotency.ParseKey(text)
	if err != nil {
		return *refuse(400, err.Error())
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	scope := route.conn.Origin() + " " + route.topic.text
	outcome, ticket := h.opts.Idempotency.Begin(ctx, scope, key, w.fingerprint(req), route.idempotent.ttl)
	switch outcome {
	case idempotency.First:
	case idempotency.Replay:
		stored := ticket.Reply()
		return Reply{Status: int(stored[0])<<8 | int(stored[1]), body: stored[2:]}
	case idempotency.Mismatch:
		return *refuse(422, "the idempotency key belongs to another request")
	case idempotency.InFlight:
		return Reply{Status: 409, Message: "the first request with this idempotency key is still under way", Delivered: DeliveredUnknown}
	case idempotency.Interrupted:
		if route.units() {
			if ticket = h.opts.Idempotency.Resume(scope, key); ticket != nil {
				w.again = true
				return h.settle(route, req, w, ticket, deadline)
			}
		}
		return Reply{Status: 409, Message: "what became of the first request with this idempotency key is not known", Delivered: DeliveredUnknown}
	case idempotency.Full:
		return *unavailable("the gateway cannot remember another idempotency key now")
	default:
		return *unavailable("the gateway cannot tell now whether this idempotency key is new")
	}
	return h.settle(route, req, w, ticket, deadline)
}

// units tells whether what became of a request can be found out later, by the identity
// of its unit.
func (r *Route) units() bool { return r.transactional && r.durable }

// settle delivers the request's records and remembers what it is told.
func (h *Handler) settle(route *Route, req Request, w *work, ticket *idempotency.Ticket, deadline time.Time) Reply {
	defer ticket.Interrupt() // unless it is settled: after a panic
	if route.units() {
		w.id = ticket.Identity()
	}
	reply := h.traced(route, req, w, deadline)
	if route.units() {
		h.settleUnit(route, w, ticket, reply)
		return reply
	}
	if reply.Delivered == DeliveredNo {
		ticket.Abandon() // nothing was done: a repetition is as good as the first
		return reply
	}
	stored := reply.AppendJSON([]byte{byte(reply.Status >> 8), byte(reply.Status)})
	if err := ticket.Finish(stored); err != nil {
		h.opts.Log.Warn("the reply to a request with an idempotency key cannot be remembered", "route", w.req.Route(), "error", err)
	}
	return reply
}

// settleUnit remembers the reply to a unit. Of one that is not known, the next request
// with the key finds it out.
func (h *Handler) settleUnit(route *Route, w *work, ticket *idempotency.Ticket, reply Reply) {
	stored := reply.AppendJSON([]byte{byte(reply.Status >> 8), byte(reply.Status)})
	if len(stored) > idempotency.MaxReply { // what is said of each record is left out
		reply.Detail = nil
		stored = reply.AppendJSON(stored[:2])
	}
	switch reply.Delivered {
	case DeliveredUnknown:
		ticket.Interrupt()
		return
	case DeliveredNo:
		ticket.Abandon()
	default:
		if err := ticket.Finish(stored); err != nil {
			h.opts.Log.Warn("the reply to a request with an idempotency key cannot be remembered", "route", w.req.Route(), "error", err)
			return
		}
	}
	h.durable.Replied(route.conn, w.id, durable.Policy(route.suspend))
}

// fingerprint is that of the records which the request comes to.
func (w *work) fingerprint(req Request) [32]byte {
	parts := [][]byte{[]byte(req.Method()), []byte(req.Path())}
	add := func(i int, rec *producer.Record) {
		value := rec.Value
		if w.sent != nil { // in its envelope it has an id of its own
			value = w.sent[i]
		}
		parts = append(parts, []byte(rec.Topic), []byte(strconv.Itoa(int(rec.Partition))), rec.Key, value)
		if rec.Value == nil {
			parts = append(parts, []byte("null"))
		}
		for _, h := range rec.Headers {
			parts = append(parts, []byte(h.Key), h.Value)
		}
	}
	if !w.isBatch {
		add(0, &w.rec)
	}
	for i := range w.recs {
		add(i, &w.recs[i])
	}
	return idempotency.FingerprintOf(parts...)
}
