package kafkaupstream

import (
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

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
func InvalidRoute() *Reply { return failed(&producer.Error{Kind: producer.KindConfig}) }

// Handle makes a record of the request, produces it and says what became of it.
func (h *Handler) Handle(route *Route, req Request) (reply *Reply) {
	deadline := time.Now().Add(route.timeout)
	handedOver := false
	defer func() {
		if r := recover(); r != nil {
			h.log.Error("bug: a request panicked", "panic", panicKind(r), "stack", string(debug.Stack()))
			reply = failed(&producer.Error{Kind: producer.KindInternal, Unconfirmed: handedOver})
		}
	}()
	switch req.Method() {
	case "POST", "PUT", "PATCH":
	default:
		reply = refuse(405, "this method produces nothing; allowed are "+methods)
		reply.Allow = methods
		return reply
	}
	var rec producer.Record
	if reply = route.target(req, &rec); reply != nil {
		return reply
	}
	scratch := scratches.Get().(*[]byte)
	defer release(scratch)
	if reply = route.value(req, &rec, scratch); reply != nil {
		return reply
	}
	handedOver = true
	ack, err := h.sender.Send(route.conn, &rec, route.wait, deadline)
	switch {
	case err != nil:
		reply = failed(err)
		if reply.Status >= 500 {
			h.log.Warn("a record was not delivered", "status", reply.Status, "topic", rec.Topic, "error", err.Reason)
		}
		return reply
	case route.wait:
		return written(rec.Topic, ack)
	default:
		return queued()
	}
}

// release gives the memory of a compacted body back; what a large one took is
// left to the garbage collector.
func release(scratch *[]byte) {
	if cap(*scratch) <= maxScratch {
		scratches.Put(scratch)
	}
}

// panicKind says what a panic was, without a value that may carry data.
func panicKind(r any) string {
	if err, ok := r.(runtime.Error); ok {
		return err.Error()
	}
	return "not a runtime error"
}
