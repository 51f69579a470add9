// Package control is how `kafkaupstream spool` reaches the runner that owns a spool: the socket
// DIR/control.sock, HTTP and JSON on it, and the client. What a command does is the business of
// internal/durable/operator. cmd/kafkaupstream calls this package, the runner's side of it and the
// command's.
package control

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

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/operator"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
)

const (
	// maxBody bounds a request to the socket, in bytes.
	maxBody = 1 << 20
	// readWait bounds the reading of a request, and writeWait the writing of a reply.
	readWait  = 10 * time.Second
	writeWait = 10 * time.Second
	// endWait is how long close waits for replies to be written.
	endWait = time.Second
)

// server serves an operator's commands on the socket. Everything it does are methods of
// [operator.Operator]: this is only their way through HTTP, JSON in and out.
type server struct {
	http   *http.Server
	socket *socket
	served sync.WaitGroup

	mu       sync.Mutex // held to add a request, and to close
	closed   bool
	requests sync.WaitGroup
}

// Serve serves the commands on the directory's socket, for the process that owns the directory, until
// end is called, which returns when no request is being worked on. Where no socket can be made that
// is logged: there are no commands then while this process runs, and nothing else is missing.
func Serve(o *operator.Operator, dir string, log *slog.Logger) (end func()) {
	made, err := listen(dir)
	if err != nil {
		log.Warn("no socket can be made in the spool's directory; `kafkaupstream spool` works only while no runner has it", "error", err)
		return func() {}
	}
	return serve(made, routes(o), log).close
}

// serve returns a server that serves; close ends it.
func serve(made *socket, operations http.Handler, log *slog.Logger) *server {
	s := &server{socket: made}
	s.http = &http.Server{
		Handler: s.counted(operations), ReadHeaderTimeout: readWait, IdleTimeout: readWait,
		MaxHeaderBytes: 16 << 10, ErrorLog: logging.HTTPErrors(log),
	}
	s.served.Go(func() { _ = s.http.Serve(made.listener) }) // it ends with close
	return s
}

// close ends the serving, and returns when no request is being worked on. Operations end early by themselves, and
// their callers learn what was done; a list that is read slowly is cut off.
func (s *server) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.socket.remove()
	ctx, cancel := context.WithTimeout(context.Background(), endWait)
	defer cancel()
	_ = s.http.Shutdown(ctx)
	_ = s.http.Close()
	s.requests.Wait()
	s.served.Wait()
	s.socket.close()
}

// counted makes close wait for requests, and refuses those that come too late.
func (s *server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			replyError(w, http.StatusServiceUnavailable, operator.Done{}, durable.ErrStopping)
			return
		}
		s.requests.Add(1)
		s.mu.Unlock()
		defer s.requests.Done()
		next.ServeHTTP(w, r)
	})
}

// streamRequest names a stream to suspend or resume.
type streamRequest struct {
	Stream string `json:"stream"`
}

type replayRequest struct {
	operator.Selection
	To *durable.Target `json:"to,omitempty"`
}

// problemReply is the reply to what failed, with what was done before it did.
type problemReply struct {
	operator.Done
	Error string `json:"error"`
}

// routes is the table of operations.
func routes(o *operator.Operator) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /alive", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /streams", func(w http.ResponseWriter, r *http.Request) {
		infos, err := o.Streams(r.Context())
		if err != nil {
			replyError(w, http.StatusInternalServerError, operator.Done{}, err)
			return
		}
		reply(w, http.StatusOK, infos)
	})
	mux.HandleFunc("GET /room", func(w http.ResponseWriter, r *http.Request) {
		room, _ := o.Room(r.Context()) // the error is the client's
		reply(w, http.StatusOK, room)
	})
	mux.HandleFunc("POST /find", operation(o.Find))
	mux.HandleFunc("POST /replay", operation(func(ctx context.Context, r replayRequest) (operator.Done, error) {
		return o.Replay(ctx, r.Selection, r.To)
	}))
	mux.HandleFunc("POST /drop", operation(o.Drop))
	mux.HandleFunc("POST /suspend", operation(func(ctx context.Context, r streamRequest) (operator.Done, error) { return o.Suspend(ctx, r.Stream) }))
	mux.HandleFunc("POST /resume", operation(func(ctx context.Context, r streamRequest) (operator.Done, error) { return o.Resume(ctx, r.Stream) }))
	mux.HandleFunc("POST /show", func(w http.ResponseWriter, r *http.Request) {
		var req operator.ShowRequest
		if readRequest(w, r, &req) {
			show(o, w, r, req)
		}
	})
	return mux
}

// operation serves an operation that takes a JSON object and returns what was done.
func operation[Request any](f func(context.Context, Request) (operator.Done, error)) http.HandlerFunc {
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

// show writes a JSON object a line for each record, at the pace of whoever reads. Where it fails after the
// first, the last line is a problemReply.
func show(o *operator.Operator, w http.ResponseWriter, r *http.Request, req operator.ShowRequest) {
	begun := false
	lines := json.NewEncoder(w)
	err := o.Show(r.Context(), req, func(info *operator.RecordInfo) error {
		begun = true
		return lines.Encode(info)
	})
	switch {
	case err != nil && begun:
		_ = lines.Encode(problemReply{Error: err.Error()}) // the client may be gone
	case err != nil:
		replyError(w, http.StatusConflict, operator.Done{}, err)
	}
}

// readRequest reads a request's one JSON object; false: it has been answered.
func readRequest(w http.ResponseWriter, r *http.Request, req any) bool {
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(readWait))
	// While an operation works, the server reads on to learn that its caller has gone.
	defer conn.SetReadDeadline(time.Time{})
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(req)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one JSON object")
		}
	}
	if err != nil {
		replyError(w, http.StatusBadRequest, operator.Done{}, fmt.Errorf("the request is unreadable: %w", err))
		return false
	}
	return true
}

func replyError(w http.ResponseWriter, status int, done operator.Done, err error) {
	reply(w, status, problemReply{done, err.Error()})
}

// reply gives the client some time only: one that reads nothing must not keep a request here.
func reply(w http.ResponseWriter, status int, v any) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeWait))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
