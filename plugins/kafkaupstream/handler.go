package kafkaupstream

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/idempotency"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
	"github.com/kafkaupstream/kafkaupstream/internal/tracing"
)

// methods are those that produce a record, as the Allow header has them.
const (
	methods           = "POST, PUT, PATCH"
	methodsWithDelete = methods + ", DELETE"
)

// Sender hands records to Kafka; it is *producer.Pool.
type Sender interface {
	Send(conn *kafkaconf.Connection, rec *record.Record, wait bool, deadline time.Time) (record.Ack, *record.Error)
	SendAll(conn *kafkaconf.Connection, recs []record.Record, wait bool, deadline time.Time) []record.Outcome
	SendTransaction(conn *kafkaconf.Connection, recs []record.Record, deadline time.Time) ([]record.Outcome, *record.Error)
	// Follow is SendAll for who wants to know of the outcomes that come too late as well.
	Follow(conn *kafkaconf.Connection, recs []record.Record, deadline time.Time) ([]record.Outcome, producer.Late)
	// Transactions reports whether SendTransaction is possible.
	Transactions() bool
	// Hold takes n bytes of memory for a request until Release; false: there is no room.
	Hold(conn *kafkaconf.Connection, n int) bool
	Release(conn *kafkaconf.Connection, n int)
}

// Durable delivers records to Kafka or to the disk; it is *durable.Queue.
type Durable interface {
	Send(conn *kafkaconf.Connection, rec *record.Record, policy durable.Policy, deadline time.Time) (durable.Result, *record.Error)
	SendAll(conn *kafkaconf.Connection, recs []record.Record, policy durable.Policy, deadline time.Time) []durable.Outcome
	SendUnit(conn *kafkaconf.Connection, unit durable.Unit, policy durable.Policy, deadline time.Time) (durable.UnitResult, *record.Error)
	// Replied is called when the reply to a unit with an ID has been noted.
	Replied(conn *kafkaconf.Connection, id [16]byte, policy durable.Policy)
}

// HandlerOptions are what a handler works with.
type HandlerOptions struct {
	Sender Sender
	// Durable is for durable routes; nil: they cannot be served.
	Durable Durable
	// Schemas keeps the schemas that routes have from registries, and Resolve finds the
	// secrets of these.
	Schemas *schema.Cache
	Resolve func(value string) (string, error)
	// AllowReference refuses references to secrets that the operator does not allow; nil:
	// every one is allowed.
	AllowReference func(value string) error
	// Idempotency is for routes with idempotency.
	Idempotency *idempotency.Store
	// Log gets no header, key or payload.
	Log *slog.Logger
	// Observer is told of requests and records; nil: nobody is.
	Observer Observer
	// Tracer makes spans of what is sent; nil: records have the request's own place in its
	// trace.
	Tracer *tracing.Tracer
}

// Handler answers requests.
type Handler struct {
	opts    HandlerOptions
	sender  Sender
	durable Durable
	log     *slog.Logger
	observe Observer
}

// NewHandler returns a handler.
func NewHandler(opts HandlerOptions) *Handler {
	h := &Handler{opts, opts.Sender, opts.Durable, opts.Log, opts.Observer}
	if h.observe == nil {
		h.observe = unobserved{}
	}
	return h
}

// Prepare makes a route ready to be served, and returns why it cannot be.
func (h *Handler) Prepare(route *Route) error {
	for _, need := range route.NeedsSpool() {
		if need.Path == keyDelivery && h.durable == nil || need.Path == keyTransactional && !h.sender.Transactions() {
			return need
		}
	}
	if route.idempotent != nil && h.opts.Idempotency == nil {
		return Problem{"idempotency", "this program remembers no keys"}
	}
	if h.opts.AllowReference != nil {
		if err := (Findings{Problems: route.CheckReferences(h.opts.AllowReference)}).Err(); err != nil {
			return err
		}
	}
	return h.prepareSchema(route)
}

// The keys of a configuration that may need a spool.
const (
	keyDelivery      = "delivery"
	keyTransactional = "transactional"
)

// NeedsSpool says for which of its keys the route can be served only by a process with
// --spool-dir.
func (r *Route) NeedsSpool() (needs []Problem) {
	if r.durable {
		needs = append(needs, Problem{keyDelivery, "durable needs a directory to keep records in: --spool-dir or KAFKAUPSTREAM_SPOOL_DIR"})
	}
	if r.transactional {
		needs = append(needs, Problem{keyTransactional, "it needs a directory to keep ids in: --spool-dir or KAFKAUPSTREAM_SPOOL_DIR"})
	}
	return needs
}

// InvalidRoute is the reply to every request of a route whose configuration
// cannot be used. What is wrong with it is in the log only.
func (h *Handler) InvalidRoute() Reply {
	reply := *failed(&record.Error{Kind: record.KindConfig})
	h.observe.Refused(reply.Status)
	return reply
}

// Handle makes a record of the request, produces it and says what became of it.
func (h *Handler) Handle(route *Route, req Request) Reply {
	w := works.Get().(*work)
	w.sender, w.conn, w.req = h.sender, route.conn, req
	defer w.release()
	if h.opts.Observer == nil {
		return h.handle(route, req, w, time.Now())
	}
	began := time.Now()
	h.observe.Began()
	reply := h.handle(route, req, w, began)
	h.observe.Ended(route.mode, reply.Status, time.Since(began), w.bodyBytes)
	return reply
}

func (h *Handler) handle(route *Route, req Request, w *work, began time.Time) (reply Reply) {
	deadline := began.Add(route.timeout)
	handedOver := false
	defer func() {
		if r := recover(); r != nil {
			h.log.Error("bug: a request panicked", "route", req.Route(), "panic", logging.Panic(r), "stack", string(debug.Stack()))
			h.observe.Failed(record.KindInternal)
			reply = *failed(&record.Error{Kind: record.KindInternal, Unconfirmed: handedOver})
		}
	}()
	method := req.Method()
	tombstone := method == "DELETE" && route.tombstones
	if method != "POST" && method != "PUT" && method != "PATCH" && !tombstone {
		return route.notAllowed()
	}
	w.deadline = deadline
	if refused := route.record(req, w, tombstone); refused != nil {
		if refused.cause != "" {
			h.log.Warn("a request was refused", "route", req.Route(), "status", refused.Status, "error", refused.cause)
		}
		return *refused
	}
	if route.allowed[overrideDryRun] {
		if told := route.dryRun(req, w); told != nil {
			return *told
		}
	}
	handedOver = true
	if route.idempotent != nil {
		return h.once(route, req, w, deadline)
	}
	return h.traced(route, req, w, deadline)
}

// produce delivers the request's records.
func (h *Handler) produce(route *Route, w *work, deadline time.Time) Reply {
	switch {
	case route.transactional && w.isBatch:
		return h.transaction(route, w, w.unit(w.recs), deadline, w.form)
	case route.transactional:
		return h.transaction(route, w, w.unit(append(w.recs, w.rec)), deadline, formOpaque)
	case w.isBatch:
		return several(h.deliverAll(route, w, deadline), w.form)
	}
	reply, err := h.deliver(route, w, deadline)
	if err != nil {
		reply = h.failed(w, w.rec.Topic, err)
	}
	h.observe.Record(route.mode, reply.Delivered)
	return reply
}

// failed is the reply to a record that was not acknowledged, which it counts and logs.
func (h *Handler) failed(w *work, topic string, err *record.Error) Reply {
	h.observe.Failed(err.Kind)
	return h.logged(w, topic, err)
}

// logged is the reply to a record that was not acknowledged, which it logs.
func (h *Handler) logged(w *work, topic string, err *record.Error) Reply {
	reply := *failed(err)
	if reply.Status >= 500 {
		h.log.Warn("a record was not delivered", "route", w.req.Route(), "topic", topic, "status", reply.Status, "error", err.Reason)
	}
	return reply
}

func (r *Route) notAllowed() Reply {
	reply := *refuse(405, "this method produces nothing; allowed are "+r.allow())
	reply.Allow = r.allow()
	return reply
}

// allow is the Allow header.
func (r *Route) allow() string {
	if r.tombstones {
		return methodsWithDelete
	}
	return methods
}

// record makes the record of the request.
func (r *Route) record(req Request, w *work, tombstone bool) *Reply {
	if refused := r.target(req, w); refused != nil {
		return refused
	}
	if tombstone {
		return r.tombstone(req, w)
	}
	refused := r.value(req, w)
	if refused == nil && r.transactional && r.tombstones {
		return unmixed(w.recs)
	}
	return refused
}

func (h *Handler) deliver(route *Route, w *work, deadline time.Time) (Reply, *record.Error) {
	rec := &w.rec
	switch route.mode {
	case kafkaconf.Async:
		_, err := h.sender.Send(route.conn, rec, false, deadline)
		return queued, err
	case kafkaconf.Durable:
		result, err := h.durable.Send(route.conn, rec, durable.Policy(route.suspend), deadline)
		if result.Receipt != "" {
			return kept(result.Receipt), err
		}
		return written(rec.Topic, result.Ack), err
	default:
		if w.follow {
			o := h.follow(route, append(w.recs, w.rec), w, deadline)[0]
			return written(rec.Topic, o.Ack), o.Err
		}
		ack, err := h.sender.Send(route.conn, rec, true, deadline)
		return written(rec.Topic, ack), err
	}
}

// follow sends the records, and notes in w how to learn of what comes too late.
func (h *Handler) follow(route *Route, recs []record.Record, w *work, deadline time.Time) (out []record.Outcome) {
	out, w.late = h.sender.Follow(route.conn, recs, deadline)
	return out
}

// deliverAll delivers the records of a batch and says what became of each.
func (h *Handler) deliverAll(route *Route, w *work, deadline time.Time) []Reply {
	recs := w.recs
	replies := make([]Reply, len(recs))
	defer h.observeAll(route.mode, replies)
	if route.mode == kafkaconf.Durable {
		for i, o := range h.durable.SendAll(route.conn, recs, durable.Policy(route.suspend), deadline) {
			switch {
			case o.Err != nil:
				replies[i] = h.failed(w, recs[i].Topic, o.Err)
			case o.Receipt != "":
				replies[i] = kept(o.Receipt)
			default:
				replies[i] = written(recs[i].Topic, o.Ack)
			}
		}
		return replies
	}
	wait := route.mode == kafkaconf.Sync
	var outcomes []record.Outcome
	if w.follow {
		outcomes = h.follow(route, recs, w, deadline)
	} else {
		outcomes = h.sender.SendAll(route.conn, recs, wait, deadline)
	}
	for i, o := range outcomes {
		switch {
		case o.Err != nil:
			replies[i] = h.failed(w, recs[i].Topic, o.Err)
		case wait:
			replies[i] = written(recs[i].Topic, o.Ack)
		default:
			replies[i] = queued
		}
	}
	return replies
}

func (h *Handler) observeAll(mode kafkaconf.Mode, replies []Reply) {
	for i := range replies {
		h.observe.Record(mode, replies[i].Delivered)
	}
}

// observeUnit counts records of which the same is known, and returns their reply.
func (h *Handler) observeUnit(mode kafkaconf.Mode, reply Reply, records int) Reply {
	for range records {
		h.observe.Record(mode, reply.Delivered)
	}
	return reply
}

// transaction delivers the records in one transaction. Its reply's status is that of
// all of them, and where they are not in Kafka, of the one that is to blame.
func (h *Handler) transaction(route *Route, w *work, unit durable.Unit, deadline time.Time, form bodyForm) Reply {
	recs := unit.Records
	var outcomes []record.Outcome
	var err *record.Error
	if route.durable {
		var result durable.UnitResult
		result, err = h.durable.SendUnit(route.conn, unit, durable.Policy(route.suspend), deadline)
		if result.Receipt != "" {
			return h.observeUnit(route.mode, keptUnit(result.Receipt, len(recs), form), len(recs))
		}
		if outcomes = result.Outcomes; outcomes == nil && err == nil {
			return h.observeUnit(route.mode, writtenBefore, len(recs))
		}
	} else {
		outcomes, err = h.sender.SendTransaction(route.conn, recs, deadline)
	}
	if outcomes == nil {
		for range recs {
			h.observe.Failed(err.Kind)
		}
		return h.observeUnit(route.mode, h.logged(w, recs[0].Topic, err), len(recs))
	}
	replies := make([]Reply, len(recs))
	defer h.observeAll(route.mode, replies)
	blame := -1
	for i, o := range outcomes {
		if o.Err == nil {
			replies[i] = written(recs[i].Topic, o.Ack)
			continue
		}
		replies[i] = *failed(o.Err)
		h.observe.Failed(o.Err.Kind)
		if blame < 0 && o.Err.Kind == err.Kind {
			blame = i
		}
	}
	if form == formOpaque && err == nil {
		return replies[0]
	}
	reply := several(replies, form)
	if err != nil {
		detail := reply.Detail
		reply = h.logged(w, recs[0].Topic, err)
		if reply.Message = "the transaction was aborted: " + reply.Message; blame >= 0 && len(recs) > 1 {
			reply.Message = fmt.Sprintf("the transaction was aborted: record %d: %s", blame+1, failed(err).Message)
		}
		if form != formOpaque {
			reply.Detail = detail
		}
	}
	return reply
}

// work is the memory that one request takes and the next one uses again.
type work struct {
	rec     record.Record
	from    origins
	recs    []record.Record // of a batch
	froms   []origins       // theirs, for a dry run
	isBatch bool
	form    bodyForm
	topic   string // without what the route puts behind it
	body    []byte // as the client sent it
	scratch []byte // of the compacted body

	deadline time.Time
	req      Request
	sender   Sender
	conn     *kafkaconf.Connection
	held     int // bytes of memory taken from sender

	bodyBytes int // of the body as it came

	// Of a request with an idempotency key:
	id     [16]byte      // of the unit; zero: there is none
	again  bool          // it may have been done before
	follow bool          // what comes too late is to be known as well
	late   producer.Late // gives it; nil: all is known
}

// unit is the records of the request as one.
func (w *work) unit(recs []record.Record) durable.Unit {
	return durable.Unit{ID: w.id, Records: recs, Again: w.again}
}

var works = sync.Pool{New: func() any { return new(work) }}

// maxScratch is the largest scratch that is kept for the next request, in bytes.
const maxScratch = 256 << 10

// errNoRoom: the memory that requests may take is used up.
var errNoRoom = errors.New("no room in memory")

// noRoom is the reply to a request for which there is no room in memory.
func noRoom() *Reply { return unavailable("too many requests are in flight") }

// bodyFailed is the reply to a request whose body could not be had.
func bodyFailed(err error) *Reply {
	if errors.Is(err, errNoRoom) {
		return noRoom()
	}
	return unavailable("the gateway did not hand the body over")
}

// Hold takes memory for so many bytes in all, or returns errNoRoom.
func (w *work) Hold(bytes int) error { return w.holdMore(bytes - w.held) }

// holdMore takes memory for so many bytes beside those held, or returns errNoRoom.
func (w *work) holdMore(bytes int) error {
	if bytes > 0 {
		if !w.sender.Hold(w.conn, bytes) {
			return errNoRoom
		}
		w.held += bytes
	}
	return nil
}

// release gives the memory back; what a large body took is left to the garbage
// collector.
func (w *work) release() {
	if w.held > 0 {
		w.sender.Release(w.conn, w.held)
	}
	*w = work{scratch: w.scratch}
	if cap(w.scratch) <= maxScratch {
		works.Put(w)
	}
}
