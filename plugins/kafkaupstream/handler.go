package kafkaupstream

import (
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
)

// methods are those that produce a record, as the Allow header has them.
const methods = "POST, PUT, PATCH"

// Sender hands records to Kafka; it is *producer.Pool.
type Sender interface {
	Send(conn *producer.Connection, rec *producer.Record, wait bool, deadline time.Time) (producer.Ack, *producer.Error)
}

// Handler answers requests.
type Handler struct {
	sender Sender
	log    *slog.Logger
}

// NewHandler returns a handler that produces through sender. Its log gets no
// header, key or payload.
func NewHandler(sender Sender, log *slog.Logger) *Handler {
	return &Handler{sender, log}
}

// InvalidRoute is the reply to every request of a route whose configuration
// cannot be used. What is wrong with it is in the log only.
func InvalidRoute() Reply { return *failed(&producer.Error{Kind: producer.KindConfig}) }

// Handle makes a record of the request, produces it and says what became of it.
func (h *Handler) Handle(route *Route, req Request) (reply Reply) {
	deadline := time.Now().Add(route.timeout)
	handedOver := false
	defer func() {
		if r := recover(); r != nil {
			h.log.Error("bug: a request panicked", "panic", logging.Panic(r), "stack", string(debug.Stack()))
			reply = *failed(&producer.Error{Kind: producer.KindInternal, Unconfirmed: handedOver})
		}
	}()
	switch req.Method() {
	case "POST", "PUT", "PATCH":
	default:
		reply = *refuse(405, "this method produces nothing; allowed are "+methods)
		reply.Allow = methods
		return reply
	}
	w := works.Get().(*work)
	defer w.release()
	if refused := route.target(req, &w.rec); refused != nil {
		return *refused
	}
	if refused := route.value(req, &w.rec, &w.scratch); refused != nil {
		return *refused
	}
	handedOver = true
	ack, err := h.sender.Send(route.conn, &w.rec, route.wait, deadline)
	switch {
	case err != nil:
		reply = *failed(err)
		if reply.Status >= 500 {
			h.log.Warn("a record was not delivered", "status", reply.Status, "topic", w.rec.Topic, "error", err.Reason)
		}
		return reply
	case route.wait:
		return written(w.rec.Topic, ack)
	default:
		return queued
	}
}

// work is the memory that one request takes and the next one uses again.
type work struct {
	rec     producer.Record
	scratch []byte // of the compacted body
}

var works = sync.Pool{New: func() any { return new(work) }}

// maxScratch is the largest scratch that is kept for the next request, in bytes.
const maxScratch = 256 << 10

// release gives the memory back; what a large body took is left to the garbage
// collector.
func (w *work) release() {
	w.rec = producer.Record{}
	if cap(w.scratch) <= maxScratch {
		works.Put(w)
	}
}
