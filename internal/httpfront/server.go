package httpfront

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/bounded"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/nginxuri"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
)

// Bounds are what clients may take of the server.
type Bounds struct {
	HeaderTimeout time.Duration // from a request's first byte to its header's end
	ReadTimeout   time.Duration // from there to the body's end
	IdleTimeout   time.Duration // between two requests of a connection, and for a reply to be taken
	HeaderBytes   int
	Connections   int // and as many requests, of which HTTP/2 has several on one; 0: any number of these
}

// maxHeaderLines is how many lines a header may have: net/http takes a hundred bytes for each, however short. APISIX has 100.
const maxHeaderLines = 200

// maxStreams is how many requests a connection of HTTP/2 has at once: no fewer than RFC 9113 asks for (6.5.2).
const maxStreams = 100

type Options struct {
	Handler *kafkaupstream.Handler
	Trust   *Trust
	Bounds  Bounds
	TLS     *Certificates // which have been read; nil: none
	Proxies Proxies
	Log     *slog.Logger
}

// Stats are numbers since the start, and of now.
type Stats struct {
	Connections int64 // that are open
	Unrouted    int64 // requests that no route takes
	Unproven    int64 // requests that only the gateway may send, and somebody else did
	Routes      int64 // that are served
	Valid       int64 // 1: they are those of the file; 0: that has errors
	Reads       int64 // times that routes were given
	Certificate int64 // 1: it is that of the files, or there is none; 0: these cannot be read again
}

// Server serves routes.
type Server struct {
	opts   Options
	http   *http.Server
	routes atomic.Pointer[Routes]
	open   Connections

	listener  atomic.Pointer[net.Listener] // as it was given; nil: none yet
	accepting sync.WaitGroup

	stopping, invalid                      atomic.Bool
	connections, unrouted, unproven, reads atomic.Int64
	serving                                atomic.Int64 // requests whose replies are not taken yet
	begun, answered, awaited               atomic.Int64 // requests; of the last the server waits for the body
	arrived                                atomic.Int64 // pieces of bodies
	still                                  atomic.Bool  // nothing has begun, arrived or been answered for takeTime
}

// noWriteTimeout never ends. By it each stream of HTTP/2 has a timer, which net/http stops at the stream's end. A deadline that
// ServeHTTP sets can come behind that end, as some do, and would make a timer that keeps the stream's memory until it fires.
const noWriteTimeout = 365 * 24 * time.Hour

func New(opts Options, routes *Routes) *Server {
	s := &Server{opts: opts}
	s.routes.Store(routes)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s.http = &http.Server{
		Handler: s, Protocols: &protocols, DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout: opts.Bounds.HeaderTimeout, ReadTimeout: opts.Bounds.ReadTimeout, IdleTimeout: opts.Bounds.IdleTimeout, WriteTimeout: noWriteTimeout,
		MaxHeaderBytes: opts.Bounds.HeaderBytes, ConnState: s.count, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog: logging.HTTPErrors(opts.Log),
	}
	if opts.TLS != nil {
		s.http.TLSConfig = opts.TLS.config()
	}
	return s
}

// count keeps the number of open connections.
func (s *Server) count(c net.Conn, state http.ConnState) {
	s.open.Note(c, state)
	switch state {
	case http.StateNew:
		s.connections.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.connections.Add(-1)
	}
}

// Serve accepts connections until Shutdown, and returns what keeps it from that.
func (s *Server) Serve(l net.Listener) (err error) {
	s.accepting.Add(1)
	defer s.accepting.Done()
	given := l
	s.listener.Store(&given)
	if s.opts.Proxies != nil {
		l = proxied(l, s.opts.Proxies, s.opts.Bounds.HeaderTimeout)
	}
	l = bounded.Listener(l, s.opts.Bounds.Connections, s.opts.Bounds.IdleTimeout)
	if s.opts.TLS != nil {
		err = s.http.ServeTLS(l, "", "")
	} else {
		err = s.http.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) || s.stopping.Load() && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// SetRoutes exchanges the routes: requests that come from now on get the new ones. nil: there are new ones, and they
// cannot be served.
func (s *Server) SetRoutes(routes *Routes) {
	s.reads.Add(1)
	s.invalid.Store(routes == nil)
	if routes != nil {
		s.routes.Store(routes)
	}
}

// Invalid reports whether the last routes that SetRoutes was given cannot be served.
func (s *Server) Invalid() bool { return s.invalid.Load() }

func (s *Server) Routes() *Routes { return s.routes.Load() }

// Leave tells clients to go: each connection is closed after its next reply, and not before, since a client may just be
// sending a request. New ones are still accepted.
func (s *Server) Leave() { s.stopping.Store(true) }

// Leaving reports whether the server has been told to leave.
func (s *Server) Leaving() bool { return s.stopping.Load() }

// Shutdown accepts no more connections and waits for requests under way, until ctx ends: then they are cut off. It
// returns how many these were, and then ctx's error. Clients that do not take their replies are not waited for.
func (s *Server) Shutdown(ctx context.Context) (cut int, err error) {
	s.stopping.Store(true)
	if l := s.listener.Load(); l != nil {
		awaitAccepted(ctx, *l)
		(*l).Close()
		s.accepting.Wait() // net/http knows of all connections now
	}
	waits, cancel := context.WithCancel(ctx)
	defer cancel()
	go s.awaitQuiet(waits, cancel)
	s.open.awaitEnd(waits)
	if err = s.http.Shutdown(waits); err == nil {
		return 0, nil
	}
	cut = s.underWay()
	_ = s.http.Close()
	if cut == 0 { // connections without a request, or with a part of it, or with a reply that is not taken
		return 0, nil
	}
	return cut, waits.Err()
}

// underWay is how many requests have come, and are not answered yet; without those of which no more comes.
func (s *Server) underWay() int {
	n := -s.answered.Load() // in the order in which a request passes these by, backwards: or it would be counted in two of them
	if s.still.Load() {
		n -= s.awaited.Load()
	}
	return int(n + s.begun.Load())
}

// awaitQuiet calls quiet when nothing has moved for takeTime, and no request is under way.
func (s *Server) awaitQuiet(ctx context.Context, quiet func()) {
	tick := time.NewTicker(connectionsLook)
	defer tick.Stop()
	moved := func() int64 { return s.begun.Load() + s.arrived.Load() + s.answered.Load() }
	since, seen := time.Now(), moved()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now := moved(); now != seen {
			since, seen = time.Now(), now
		}
		s.still.Store(time.Since(since) > takeTime)
		if s.still.Load() && s.underWay() == 0 {
			quiet()
			return
		}
	}
}

func (s *Server) Stats() Stats {
	stats := Stats{
		Connections: s.connections.Load(), Unrouted: s.unrouted.Load(), Unproven: s.unproven.Load(),
		Routes: int64(s.Routes().Count), Valid: 1, Reads: s.reads.Load(), Certificate: 1,
	}
	if s.Invalid() {
		stats.Valid = 0
	}
	if s.opts.TLS != nil && s.opts.TLS.Stale() {
		stats.Certificate = 0
	}
	return stats
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := requests.Get().(*request)
	defer req.release()
	req.http, req.reply, req.trust, req.server = r, w, s.opts.Trust, s
	if s.stopping.Load() {
		w.Header().Set("Connection", "close")
	}
	defer s.serving.Add(-1)
	if most := int64(s.opts.Bounds.Connections); s.serving.Add(1) > most && most > 0 {
		reply := s.opts.Handler.Refuse(req, http.StatusServiceUnavailable, "too many requests are in flight", "")
		reply.SetHeader(w.Header())
		w.WriteHeader(reply.Status) // a body would wait for a client of HTTP/2, and the request with it
		return
	}
	reply := s.answer(req)
	defer reply.Release()
	if r.ProtoMajor < 2 {
		req.write(reply)
		return
	}
	// Whose client can read all that comes, and have nothing sent; internal/bounded sees to that of HTTP/1.
	out := http.NewResponseController(w) // of net/http's own writer: its methods fail with the stream only
	_ = out.SetWriteDeadline(time.Now().Add(s.opts.Bounds.IdleTimeout))
	_ = r.Body.Close() // what nobody has read is kept otherwise
	req.write(reply)
	_ = out.Flush() // or net/http would wait for the client after the request's end, when it counts no more
}

func (s *Server) answer(req *request) kafkaupstream.Reply {
	s.begun.Add(1)
	defer s.answered.Add(1)
	r, handler := req.http, s.opts.Handler
	if req.weighHeader() > maxHeaderLines {
		if r.ProtoMajor < 2 { // where net/http would wait for the body before it replies
			req.reply.Header().Set("Connection", "close")
		}
		return handler.Refuse(req, http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("the header has more than %d lines", maxHeaderLines), "")
	}
	if c := s.opts.TLS; c != nil && r.TLS != nil && !c.takes(r.TLS) {
		s.unproven.Add(1)
		req.reply.Header().Set("Connection", "close")
		return handler.Refuse(req, http.StatusForbidden, "the client certificate's authority is no longer trusted", "")
	}
	// Before the mux, which would redirect from a path with // and .., for a POST in vain, and look at what is escaped without
	// reading it.
	if !nginxuri.Clean(r.URL) {
		s.unrouted.Add(1)
		return handler.Refuse(req, http.StatusBadRequest, "the path cannot be read", "")
	}
	found, allow := s.routes.Load().find(r)
	if found == nil {
		s.unrouted.Add(1)
		if allow != "" {
			return handler.Refuse(req, http.StatusMethodNotAllowed, "no route takes this method; there are some for "+allow, allow)
		}
		return handler.Refuse(req, http.StatusNotFound, "no route takes this path", "")
	}
	req.route, req.proven = found, s.opts.Trust.proven(r)
	if found.gatewayOnly && !req.proven {
		s.unproven.Add(1)
		return handler.Refuse(req, http.StatusForbidden, "this route takes requests from its gateway only", "")
	}
	if req.proven {
		if header := s.opts.Trust.repeated(r); header != "" {
			return handler.Refuse(req, http.StatusBadRequest, "the header "+header+" is there more than once", "")
		}
	}
	delete(r.Header, SecretHeader) // which no record is to have
	return handler.Handle(found.served, req)
}
