package durable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// maxControlBody bounds a request to the socket, in bytes.
	maxControlBody = 1 << 20
	// controlRead bounds the reading of a request, and controlWrite the writing of
	// each part of a reply.
	controlRead  = 10 * time.Second
	controlWrite = 10 * time.Second
)

// control serves the operator's commands on DIR/control.sock, for as long as this
// process owns the directory. Everything it does are methods of Queue: this is only
// their way through HTTP, JSON in and out.
type control struct {
	mu       sync.Mutex
	tried    bool
	closed   bool
	server   *http.Server
	socket   *controlSocket
	served   chan struct{}
	requests sync.WaitGroup
}

// listen begins to serve, once. Without a socket there are no commands while this
// process runs, and nothing else is missing.
func (c *control) listen(q *Queue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tried || c.closed || q.pool == nil {
		return
	}
	c.tried = true
	socket, err := listenControl(q.opts.Dir)
	if err != nil {
		q.log.Warn("no socket can be made in the spool's directory; `kafkaupstream spool` works only while no runner has it", "error", err)
		return
	}
	c.socket, c.served = socket, make(chan struct{})
	c.server = &http.Server{
		Handler: c.counted(controlRoutes(q)), ReadHeaderTimeout: controlRead, IdleTimeout: controlRead,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(q.log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(c.served)
		_ = c.server.Serve(socket.listener) // it ends with close
	}()
}

// close ends the serving, and returns when no request is being worked on.
func (c *control) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	if c.server == nil {
		return
	}
	c.socket.remove()
	_ = c.server.Close()
	c.requests.Wait()
	<-c.served
	c.socket.close()
}

// counted makes close wait for requests, and refuses those that come too late.
func (c *control) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			replyError(w, http.StatusServiceUnavailable, Done{}, errStopping)
			return
		}
		c.requests.Add(1)
		c.mu.Unlock()
		defer c.requests.Done()
		next.ServeHTTP(w, r)
	})
}

// streamRequest names a stream to suspend or resume.
type streamRequest struct {
	Stream string `json:"stream"`
}

// replayRequest is what Replay takes.
type replayRequest struct {
	Selection
	To *Target `json:"to,omitempty"`
}

// problemReply is the reply to what failed, with what was done before it did.
type problemReply struct {
	Done
	Error string `json:"error"`
}

// controlRoutes is the table of operations.
func controlRoutes(q *Queue) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /alive", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /streams", func(w http.ResponseWriter, _ *http.Request) {
		infos, err := q.Streams()
		if err != nil {
			replyError(w, http.StatusInternalServerError, Done{}, err)
			return
		}
		reply(w, http.StatusOK, infos)
	})
	mux.HandleFunc("POST /find", operation(func(_ context.Context, sel Selection) (Done, error) { return q.Find(sel) }))
	mux.HandleFunc("POST /replay", operation(func(ctx context.Context, r replayRequest) (Done, error) { return q.Replay(ctx, r.Selection, r.To) }))
	mux.HandleFunc("POST /drop", operation(q.Drop))
	mux.HandleFunc("POST /suspend", operation(func(ctx context.Context, r streamRequest) (Done, error) { return q.Suspend(ctx, r.Stream) }))
	mux.HandleFunc("POST /resume", operation(func(_ context.Context, r streamRequest) (Done, error) { return q.Resume(r.Stream) }))
	mux.HandleFunc("POST /show", func(w http.ResponseWriter, r *http.Request) {
		var req ShowRequest
		if readRequest(w, r, &req) {
			show(q, w, r, req)
		}
	})
	return mux
}

// operation serves what takes a JSON object and says what was done.
func operation[Request any](f func(context.Context, Request) (Done, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req Request
		if !readRequest(w, r, &req) {
			return
		}
		done, err := f(r.Context(), req)
		if err != nil {
			replyError(w, http.StatusConflict, done, err)
			return
		}
		reply(w, http.StatusOK, done)
	}
}

// show writes a JSON object a line for each record. Where it fails after the first,
// the last line is a problemReply.
func show(q *Queue, w http.ResponseWriter, r *http.Request, req ShowRequest) {
	begun := false
	lines := json.NewEncoder(w)
	err := q.Show(r.Context(), req, func(info *RecordInfo) error {
		begun = true
		allowWrite(w)
		return lines.Encode(info)
	})
	switch {
	case err != nil && begun:
		allowWrite(w)
		_ = lines.Encode(problemReply{Error: err.Error()}) // nobody is left to tell
	case err != nil:
		replyError(w, http.StatusConflict, Done{}, err)
	}
}

// readRequest reads a request's one JSON object; false: it has been answered.
func readRequest(w http.ResponseWriter, r *http.Request, req any) bool {
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(controlRead))
	// While an operation works, the server reads on to learn that its caller has gone.
	defer conn.SetReadDeadline(time.Time{})
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBody))
	d.DisallowUnknownFields()
	err := d.Decode(req)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one JSON object")
		}
	}
	if err != nil {
		replyError(w, http.StatusBadRequest, Done{}, fmt.Errorf("the request is unreadable: %w", err))
		return false
	}
	return true
}

func replyError(w http.ResponseWriter, status int, done Done, err error) {
	reply(w, status, problemReply{done, err.Error()})
}

func reply(w http.ResponseWriter, status int, v any) {
	allowWrite(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // nobody is left to tell
}

// allowWrite gives the next part of a reply its time: one that nobody reads must not
// keep a request here.
func allowWrite(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(controlWrite))
}
