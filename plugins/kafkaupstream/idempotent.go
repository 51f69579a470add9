package kafkaupstream

import (
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/idempotency"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

const (
	idempotencyHeader = "idempotency-key"
	consumerName      = "consumer_name" // APISIX's variable
)

// The replies to a repetition where the outcome of the first request is not known: yet, or
// for good.
var (
	underWay = Reply{Status: 409, failure: "idempotency_key_in_progress", Message: "the first request with this idempotency key is still under way", Delivered: DeliveredUnknown}
	lost     = Reply{Status: 410, failure: "idempotency_key_outcome_lost", Delivered: DeliveredUnknown,
		Message: "the outcome of the first request with this idempotency key is unknown and will stay unknown; use another key to send it again"}
)

// first is what a request and its repetitions have in common.
type first struct {
	key         idempotency.Key
	fingerprint [32]byte
}

// first says what a request with an idempotency key would repeat, nil of one without.
func (r *Served) first(req Request, w *work) (*first, *Reply) {
	texts := req.Values(idempotencyHeader)
	switch {
	case len(texts) == 0 && r.Idempotency.Required:
		return nil, refuse(400, "the header "+idempotencyHeader+" is required").as("idempotency_key_missing")
	case len(texts) == 0:
		return nil, nil
	case len(texts) > 1:
		return nil, refuse(400, "the header "+idempotencyHeader+" is there more than once")
	}
	key, refused := r.idempotencyKey(req, w, texts[0])
	if refused != nil {
		return nil, refused
	}
	return &first{key, r.fingerprint(req, w)}, nil
}

// once delivers the request's records unless it is a repetition, which gets the first reply
// again.
func (h *Handler) once(r *Served, req Request, w *work, is *first) Reply {
	var refused *Reply
	outcome, ticket := h.opts.Idempotency.Begin(w.ctx, is.key, is.fingerprint, r.Idempotency.TTL)
	switch outcome {
	case idempotency.First:
		return h.settle(r, req, w, ticket)
	case idempotency.Replay:
		return storedReply(ticket.Reply())
	case idempotency.Mismatch:
		return *refuse(422, "the idempotency key belongs to another request").as("idempotency_key_reused")
	case idempotency.InFlight:
		return underWay
	case idempotency.Interrupted:
		if !r.units() {
			return lost
		}
		if ticket = h.opts.Idempotency.Resume(is.key); ticket == nil {
			return underWay
		}
		w.batch.Again = true
		return h.settle(r, req, w, ticket)
	case idempotency.Full:
		refused = unavailable("too many requests with idempotency keys are under way")
	default:
		refused = unavailable("the gateway cannot check this idempotency key now")
	}
	h.refused(req, refused, "")
	return *refused
}

// idempotencyKey makes a key of the header's text: one of the client for the topic. The
// client's share of the store is that of all its topics, since clients may choose these.
func (r *Served) idempotencyKey(req Request, w *work, text string) (key idempotency.Key, refused *Reply) {
	var err error
	if key.Key, err = idempotency.ParseKey(text); err != nil {
		return key, refuse(400, err.Error())
	}
	client := ""
	if scope := r.Idempotency.Scope; scope == nil {
		client = req.Var(consumerName)
	} else if client, refused = expand(scope, req); refused != nil {
		return key, refused
	}
	key.Holder = r.Conn.Origin() + " " + r.TopicText.Text + r.TopicEnd
	key.Scope = r.Conn.Origin() + " " + w.topic + r.TopicEnd
	if client != "" {
		key.Holder += " " + client
		key.Scope += " " + client
	}
	return key, nil
}

// fingerprint returns a hash of what the client sent: method, path, query, body, the headers that the
// record is made from, and the client's variables in the route's key. Trace headers are not among them,
// and are added later: repeated in another trace, it is the same request.
func (r *Served) fingerprint(req Request, w *work) [32]byte {
	parts := [][]byte{[]byte(req.Method()), []byte(req.Path()), w.body}
	add := func(kind string, each func(func(name, value string)), counts func(name string) bool) {
		var given [][2]string
		each(func(name, value string) {
			if counts(name) {
				given = append(given, [2]string{name, value})
			}
		})
		slices.SortStableFunc(given, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
		for _, g := range given {
			parts = append(parts, []byte(kind), []byte(g[0]), []byte(g[1]))
		}
	}
	add("query", req.Arguments, func(string) bool { return true })
	add("header", req.Headers, r.shapesRecord)
	if req.HeadersMissing() { // those that the record is made from are asked for by their names
		for _, o := range shaping {
			if r.Allowed[o] {
				parts = append(parts, []byte(req.Header(r.HeaderNames[o])))
			}
		}
	}
	for _, name := range r.Key.Variables() {
		if fromClient(name) {
			parts = append(parts, []byte("key"), []byte(name), []byte(variableValue(req, name)))
		}
	}
	return idempotency.FingerprintOf(parts...)
}

// shapesRecord reports whether the record depends on a header. The name is in lower case.
func (r *Served) shapesRecord(name string) bool {
	switch {
	case name == "content-type", r.InEnvelope(name):
		return true
	case r.CloudEvents && strings.HasPrefix(name, "ce-"):
		return true
	case r.Allowed[routeconf.OverrideHeaders] && strings.HasPrefix(name, r.Prefix+clientHeader):
		return true
	}
	return slices.ContainsFunc(shaping, func(o routeconf.Override) bool { return r.Allowed[o] && name == r.HeaderNames[o] })
}

// shaping are the overrides whose headers the record is made from.
var shaping = []routeconf.Override{routeconf.OverrideTopic, routeconf.OverrideKey, routeconf.OverridePartition, routeconf.OverrideTimestamp}

// settleLate returns a function for the outcomes of records that were not acknowledged in
// time. The request's memory is used for another by then.
func (h *Handler) settleLate(w *work, ticket *idempotency.Ticket) func([]record.Outcome) {
	isBatch, asked, name := w.isBatch, w.asked, strings.Clone(w.req.Route())
	topics := make([]string, len(w.batch.Records))
	for i := range topics {
		topics[i] = strings.Clone(w.batch.Records[i].Topic)
	}
	return func(outcomes []record.Outcome) {
		replies := make([]Reply, len(outcomes))
		for i, o := range outcomes {
			if replies[i] = outcomeReply(topics[i], o); o.Err != nil {
				h.log.Warn("a record was not delivered after its request had been answered", "route", name, "topic", topics[i], "status", replies[i].Status, "error", o.Err.Reason)
			}
		}
		reply := replies[0]
		if isBatch {
			reply = several(replies, asked)
		}
		h.remember(name, ticket, reply)
	}
}

// remember settles the ticket of a request by its final reply. A request of which nothing was
// produced is forgotten; one whose outcome is unknown (a 504 among others) leaves its ticket
// interrupted, since that is no reply to repeat. It reports whether the store has noted it.
func (h *Handler) remember(name string, ticket *idempotency.Ticket, reply Reply) bool {
	switch {
	case reply.unconfirmed:
		ticket.Interrupt()
		return false
	case reply.Delivered == DeliveredNo:
		ticket.Abandon()
	default:
		if err := ticket.Finish(toStore(reply)); err != nil {
			h.log.Warn("cannot store the reply to a request with an idempotency key", "route", name, "error", err)
			return false
		}
	}
	return true
}

// toStore is a reply as the store has it: its status, two bytes, and its body. Of one that
// is too large, what is said of each record is left out: it is a form of this plugin's own then.
func toStore(reply Reply) []byte {
	stored := reply.AppendJSON([]byte{byte(reply.Status >> 8), byte(reply.Status)})
	if len(stored) > idempotency.MaxReply {
		reply.Detail, reply.body = nil, nil
		stored = reply.AppendJSON(stored[:2])
	}
	return stored
}

// storedReply is the reply that toStore was given. Earlier versions kept those too that
// left it open what had become of the records.
func storedReply(stored []byte) Reply {
	status := int(stored[0])<<8 | int(stored[1])
	if status >= 500 {
		return lost
	}
	return Reply{Status: status, body: stored[2:]}
}

// units reports whether the outcome of a request can be found out later, by the identity
// of its unit.
func (r *Served) units() bool { return r.Mode.Transactional && r.Mode.Delivery == record.Durable }

// settle delivers the request's records and remembers the reply. Where records are not
// acknowledged in time, the ticket stays open until librdkafka reports them, and repetitions get
// 409 until then. No goroutine waits for that, only a function, so an open ticket costs a few
// hundred bytes. At the end of a process the store closes last, after the pool's last report.
func (h *Handler) settle(r *Served, req Request, w *work, ticket *idempotency.Ticket) Reply {
	mine := true
	defer func() {
		if mine {
			ticket.Interrupt() // unless it is settled: after a panic
		}
	}()
	b := &w.batch
	b.Follow = r.Mode == record.Mode{Delivery: record.Sync}
	if r.units() {
		b.Unit = ticket.Identity()
	}
	reply := h.traced(r, req, w)
	if b.Late == nil {
		if h.remember(w.req.Route(), ticket, reply) && b.Replied != nil {
			b.Replied()
		}
		return reply
	}
	mine = false
	b.Late(h.settleLate(w, ticket))
	return reply
}
