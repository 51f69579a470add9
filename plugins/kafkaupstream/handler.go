package kafkaupstream

import (
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/idempotency"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/restproxy"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
	"github.com/kafkaupstream/kafkaupstream/internal/tracing"
)

// Producers bring records to Kafka; it is *producer.Pool.
type Producers interface {
	// Way delivers records one by one and, with acknowledged, waits for Kafka.
	Way(conn *kafkaconf.Connection, acknowledged bool) record.Way
	// Together delivers the records of a request in one transaction, where Transactions says
	// that this is possible.
	Together(conn *kafkaconf.Connection) record.Way
	Transactions() bool
	// Warm makes the connection's producer, so that the first request need not wait for it. It
	// returns at once.
	Warm(conn *kafkaconf.Connection)
	// Hold takes n bytes of memory for a request until Release; false: there is no room.
	Hold(conn *kafkaconf.Connection, n int) bool
	Release(conn *kafkaconf.Connection, n int)
}

// Disk brings records to Kafka or to the disk; it is *durable.Queue.
type Disk interface {
	Way(conn *kafkaconf.Connection, policy durable.Policy) record.Way
}

// HandlerOptions are what a handler works with.
type HandlerOptions struct {
	Producers Producers
	// Disk is for durable routes; nil: they cannot be served.
	Disk Disk
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
	// Observer may be nil.
	Observer Observer
	// Tracer makes spans of what is sent; nil: no spans, and records carry the request's own
	// traceparent.
	Tracer *tracing.Tracer
}

// Handler answers requests.
type Handler struct {
	opts    HandlerOptions
	log     *slog.Logger
	observe Observer
}

func NewHandler(opts HandlerOptions) *Handler {
	h := &Handler{opts, opts.Log, opts.Observer}
	if h.observe == nil {
		h.observe = unobserved{}
	}
	return h
}

// Served is a route that is ready to be served: [Handler.Prepare] makes it.
type Served struct {
	*routeconf.Route
	way record.Way

	schema, keySchema *routeSchema     // nil: none
	registry          *schema.Registry // for the schemas that clients of the REST Proxy name; nil: none
	schemas           *schema.Cache
}

// Refusals are what this handler lacks for a route that is valid.
func (h *Handler) Refusals(r *routeconf.Route) (all []routeconf.Problem) {
	for _, need := range r.NeedsSpool() {
		if need.Path == routeconf.KeyDelivery && h.opts.Disk == nil || need.Path == routeconf.KeyTransactional && !h.opts.Producers.Transactions() {
			all = append(all, need)
		}
	}
	if r.Idempotency != nil && h.opts.Idempotency == nil {
		all = append(all, routeconf.Problem{Path: "idempotency", Message: "idempotency is not available in this program"})
	}
	if h.opts.Schemas == nil {
		for _, s := range r.OfRegistries() {
			all = append(all, routeconf.Problem{Path: s.Path + ".registry", Message: "schema registries are not available in this program"})
		}
	}
	if h.opts.AllowReference != nil {
		all = append(all, r.CheckReferences(h.opts.AllowReference)...)
	}
	return all
}

// Prepare makes a route ready to be served, or returns why it cannot be. It does not wait for Kafka.
func (h *Handler) Prepare(r *routeconf.Route) (*Served, error) {
	if err := (routeconf.Findings{Problems: h.Refusals(r)}).Err(); err != nil {
		return nil, err
	}
	served := &Served{Route: r}
	h.prepareSchemas(served)
	if !r.Mode.Transactional { // whose producers are made for each id
		h.opts.Producers.Warm(r.Conn)
	}
	served.way = h.way(r)
	return served, nil
}

// way returns how the route's records are delivered.
func (h *Handler) way(r *routeconf.Route) record.Way {
	switch {
	case r.Mode.Delivery == record.Durable:
		return h.opts.Disk.Way(r.Conn, durable.Policy(r.Suspend))
	case r.Mode.Transactional:
		return h.opts.Producers.Together(r.Conn)
	}
	return h.opts.Producers.Way(r.Conn, r.Mode.Delivery == record.Sync)
}

// InvalidRoute is the reply to every request of a route whose configuration
// cannot be used. What is wrong with it is in the log only.
func (h *Handler) InvalidRoute(req Request) Reply {
	reply := *failed(&record.Error{Kind: record.KindConfig})
	asProblem(req, &reply)
	h.observe.Refused(reply.Status)
	return reply
}

// Refuse is the reply to a request that the front gives to no route; allow is the header of a 405.
func (h *Handler) Refuse(req Request, status int, message, allow string) Reply {
	reply := *refuse(status, message)
	reply.Allow = allow
	asProblem(req, &reply)
	h.observe.Refused(status)
	h.refused(req, &reply, "")
	return reply
}

// refused logs a refusal that has a cause, and, once a minute for a route, what a client is answered and an operator can mend: a
// topic that does not exist, a path without a route, a limit, no room in memory. topic may be empty.
func (h *Handler) refused(req Request, reply *Reply, topic string) {
	const message = "a request was refused"
	if reply.cause != "" {
		h.log.Warn(message, "route", req.Route(), "status", reply.Status, "error", reply.cause)
		return
	}
	if reply.Status != 404 && reply.Status != 413 && reply.Status != 503 {
		return
	}
	var about []any
	if route := req.Route(); route != "" {
		about = append(about, "route", route)
	}
	about = append(about, "status", reply.Status, "error", reply.Message)
	if topic != "" {
		about = append(about, logging.Example, topic)
	}
	h.log.InfoContext(logging.Minute, message, about...)
}

// Handle makes records of the request, delivers them and replies with their outcomes. The caller releases the reply.
func (h *Handler) Handle(r *Served, req Request) Reply {
	began := time.Now()
	ctx := deadline.New(began.Add(r.Timeout))
	defer ctx.Release()
	w := newWork(ctx, h.opts.Producers, r.Conn, req)
	defer w.release()
	h.observe.Began()
	reply := w.present(h.handle(r, req, w))
	h.observe.Ended(r.Mode, reply.Status, time.Since(began), w.bodyBytes)
	w.leave(&reply)
	return reply
}

func (h *Handler) handle(r *Served, req Request, w *work) (reply Reply) {
	handedOver := false
	defer func() {
		if r := recover(); r != nil {
			h.log.Error("bug: a request panicked", "route", req.Route(), "panic", logging.Panic(r), "stack", string(debug.Stack()))
			h.observe.Failed(record.KindInternal)
			reply = *failed(&record.Error{Kind: record.KindInternal, Unconfirmed: handedOver})
		}
	}()
	if refused := r.understand(req, w); refused != nil {
		h.refused(req, refused, "")
		return *refused
	}
	method := req.Method()
	if method == "OPTIONS" && r.WebHooks != nil && req.Header("webhook-request-origin") != "" {
		return r.handshake(req)
	}
	tombstone := method == "DELETE" && r.Tombstones
	if method != "POST" && method != "PUT" && method != "PATCH" && !tombstone &&
		!(r.WholeRequest() && (method == "GET" || method == "DELETE")) {
		return r.notAllowed()
	}
	if refused := r.records(req, w, tombstone); refused != nil {
		h.refused(req, refused, w.topic)
		return *refused
	}
	if r.Allowed[routeconf.OverrideDryRun] {
		if reply := r.dryRun(req, w); reply != nil {
			return *reply
		}
	}
	var is *first
	if r.Idempotency != nil {
		var refused *Reply
		if is, refused = r.first(req, w); refused != nil {
			return *refused
		}
	}
	if err := req.Failed(); err != nil { // all has been asked that the record depends on
		h.log.Warn("a request was refused", "route", req.Route(), "status", 503, "error", err)
		return *unavailable("the gateway did not answer what it was asked for")
	}
	handedOver = true
	if is != nil {
		return h.once(r, req, w, is)
	}
	return h.traced(r, req, w)
}

func (r *Served) notAllowed() Reply {
	reply := *refuse(405, "this method produces nothing; allowed are "+r.Allow())
	reply.Allow = r.Allow()
	return reply
}

// records makes the records of the request, in w.
func (r *Served) records(req Request, w *work, tombstone bool) *Reply {
	if refused := r.target(req, w); refused != nil {
		return refused
	}
	w.topic = w.base.Topic
	if tombstone {
		return r.tombstone(req, w)
	}
	refused := r.value(req, w)
	if refused == nil && r.Mode.Transactional && r.Tombstones {
		return unmixed(w.batch.Records)
	}
	return refused
}

// work is what is known of a request while it is handled. The next request uses its memory again.
type work struct {
	ctx       *deadline.Context
	req       Request
	producers Producers
	conn      *kafkaconf.Connection
	held      int // bytes of memory taken from producers

	base      draft        // what the request's records have in common
	batch     record.Batch // the records
	froms     []origins    // theirs, for a dry run
	topic     string       // of the request, without the suffix of an envelope or virtual host
	isBatch   bool         // the reply is about several
	apart     bool         // and has a place for the refusal of each
	form      *bodyForm
	path      restproxy.Call // what the path asks for, on routes that know the REST Proxy
	asked     *asked         // nil: the request is none to the REST Proxy
	head      []byte         // of the envelope http; nil: not made yet
	body      []byte         // as the client sent it
	bodyBytes int            // of it, as the gateway handed it over
	scratch   []byte         // of the compacted body

	namedKey, namedValue namedSchema

	// The memory of a batch of one record.
	record  [1]record.Record
	outcome [1]record.Outcome
}

var works = sync.Pool{New: func() any { return new(work) }}

func newWork(ctx *deadline.Context, producers Producers, conn *kafkaconf.Connection, req Request) *work {
	w := works.Get().(*work)
	w.ctx, w.producers, w.conn, w.req = ctx, producers, conn, req
	w.batch.Records = w.record[:0]
	return w
}

// next returns another record that has what all of the request's have.
func (w *work) next() *draft {
	d := w.base
	d.Headers = slices.Clip(d.Headers)
	return &d
}

// maxScratch is the largest scratch that is kept for the next request, in bytes.
const maxScratch = 256 << 10

// errNoRoom: the memory that requests may take is used up.
var errNoRoom = errors.New("no room in memory")

// noRoom is the reply to a request for which there is no room in memory.
func noRoom() *Reply { return unavailable("too many requests are in flight") }

// Hold takes memory for so many bytes in all, or returns errNoRoom.
func (w *work) Hold(bytes int) error { return w.holdMore(bytes - w.held) }

// holdMore takes memory for so many bytes beside those held, or returns errNoRoom.
func (w *work) holdMore(bytes int) error {
	if bytes > 0 {
		if !w.producers.Hold(w.conn, bytes) {
			return errNoRoom
		}
		w.held += bytes
	}
	return nil
}

// leave leaves memory to the reply, whose text is there twice while it is sent, out of what the work holds.
func (w *work) leave(reply *Reply) {
	text := len(reply.Detail) + len(reply.body)
	if text < longReply {
		return
	}
	n := min(2*text, w.held)
	w.held -= n
	producers, conn := w.producers, w.conn
	reply.release = func() { producers.Release(conn, n) }
}

// release gives the memory back; what a large body took is left to the garbage
// collector.
func (w *work) release() {
	if w.held > 0 {
		w.producers.Release(w.conn, w.held)
	}
	*w = work{scratch: w.scratch}
	if cap(w.scratch) <= maxScratch {
		works.Put(w)
	}
}
