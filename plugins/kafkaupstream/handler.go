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
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
	"github.com/kafkaupstream/kafkaupstream/internal/tracing"
)

// methods are those that produce a record, as the Allow header has them.
const (
	methods           = "POST, PUT, PATCH"
	methodsWithDelete = methods + ", DELETE"
)

// Producers bring records to Kafka; it is *producer.Pool.
type Producers interface {
	// Way delivers records one by one and, with acknowledged, waits for Kafka.
	Way(conn *kafkaconf.Connection, acknowledged bool) record.Way
	// Together delivers the records of a request in one transaction, where Transactions says
	// that this is possible.
	Together(conn *kafkaconf.Connection) record.Way
	Transactions() bool
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
	// Observer is told of requests and records; nil: nobody is.
	Observer Observer
	// Tracer makes spans of what is sent; nil: records have the request's own place in its
	// trace.
	Tracer *tracing.Tracer
}

// Handler answers requests.
type Handler struct {
	opts    HandlerOptions
	log     *slog.Logger
	observe Observer
}

// NewHandler returns a handler.
func NewHandler(opts HandlerOptions) *Handler {
	h := &Handler{opts, opts.Log, opts.Observer}
	if h.observe == nil {
		h.observe = unobserved{}
	}
	return h
}

// Prepare makes a route ready to be served, which no route is without it, and returns why
// it cannot be.
func (h *Handler) Prepare(route *Route) error {
	for _, need := range route.NeedsSpool() {
		if need.Path == keyDelivery && h.opts.Disk == nil || need.Path == keyTransactional && !h.opts.Producers.Transactions() {
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
	route.way = h.way(route)
	return h.prepareSchema(route)
}

// way returns how the route's records are delivered.
func (h *Handler) way(route *Route) record.Way {
	switch {
	case route.mode.Delivery == record.Durable:
		return h.opts.Disk.Way(route.conn, durable.Policy(route.suspend))
	case route.mode.Transactional:
		return h.opts.Producers.Together(route.conn)
	}
	return h.opts.Producers.Way(route.conn, route.mode.Delivery == record.Sync)
}

// The keys of a configuration that may need a spool.
const (
	keyDelivery      = "delivery"
	keyTransactional = "transactional"
)

// NeedsSpool says for which of its keys the route can be served only by a process with
// --spool-dir.
func (r *Route) NeedsSpool() (needs []Problem) {
	if r.mode.Delivery == record.Durable {
		needs = append(needs, Problem{keyDelivery, "durable needs a directory to keep records in: --spool-dir or KAFKAUPSTREAM_SPOOL_DIR"})
	}
	if r.mode.Transactional {
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

// Handle makes records of the request, delivers them and says what became of them.
func (h *Handler) Handle(route *Route, req Request) Reply {
	began := time.Now()
	ctx := deadline.New(began.Add(route.timeout))
	defer ctx.Release()
	w := newWork(ctx, h.opts.Producers, route.conn, req)
	defer w.release()
	if h.opts.Observer == nil {
		return h.handle(route, req, w)
	}
	h.observe.Began()
	reply := h.handle(route, req, w)
	h.observe.Ended(route.mode, reply.Status, time.Since(began), w.bodyBytes)
	return reply
}

func (h *Handler) handle(route *Route, req Request, w *work) (reply Reply) {
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
	if refused := route.records(req, w, tombstone); refused != nil {
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
		return h.once(route, req, w)
	}
	return h.traced(route, req, w)
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

// records makes the records of the request, in w.
func (r *Route) records(req Request, w *work, tombstone bool) *Reply {
	if refused := r.target(req, &w.base); refused != nil {
		return refused
	}
	if tombstone {
		return r.tombstone(req, w)
	}
	refused := r.value(req, w)
	if refused == nil && r.mode.Transactional && r.tombstones {
		return unmixed(w.batch.Records)
	}
	return refused
}

// work is the memory that one request takes and the next one uses again.
type work struct {
	ctx       *deadline.Context
	req       Request
	producers Producers
	conn      *kafkaconf.Connection
	held      int // bytes of memory taken from producers

	base      draft        // what the request's records have in common
	batch     record.Batch // the records
	froms     []origins    // theirs, for a dry run
	isBatch   bool         // the reply is about several
	form      bodyForm
	body      []byte // as the client sent it
	bodyBytes int    // of it, as the gateway handed it over
	scratch   []byte // of the compacted body

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

// topic is that of the request, without what the route puts behind it.
func (w *work) topic() string { return w.base.Topic }

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
		if !w.producers.Hold(w.conn, bytes) {
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
		w.producers.Release(w.conn, w.held)
	}
	*w = work{scratch: w.scratch}
	if cap(w.scratch) <= maxScratch {
		works.Put(w)
	}
}
