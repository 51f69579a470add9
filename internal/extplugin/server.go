package extplugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Environment variables that APISIX sets for the runner it starts.
const (
	// EnvListenAddress holds `unix:` and the path of the socket to listen on.
	EnvListenAddress = "APISIX_LISTEN_ADDRESS"
	// EnvConfExpireTime holds how many seconds APISIX keeps a token.
	EnvConfExpireTime = "APISIX_CONF_EXPIRE_TIME"
)

const (
	// defaultConfTTL is APISIX's own when it does not say.
	defaultConfTTL = 3600 * time.Second
	// watchInterval is how often a server looks whether its socket is still there.
	watchInterval = 200 * time.Millisecond
	// expireInterval is how often a server forgets unused tokens.
	expireInterval = time.Minute
	// freeInterval is how often memory of large bodies is given back to the
	// system: a runtime that has nothing to do would keep it for minutes.
	freeInterval = 2 * time.Second
	// successorLook is how often a server that ends looks for the next one.
	successorLook = 5 * time.Millisecond
	// acceptPause is between two tries to accept when one failed.
	acceptPause = 50 * time.Millisecond
)

// SocketPath takes the path out of the value of [EnvListenAddress].
func SocketPath(address string) (string, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok || path == "" {
		return "", fmt.Errorf("%s is %q: expected unix: and the path of a socket; APISIX sets it for the command under ext-plugin", EnvListenAddress, address)
	}
	return path, nil
}

// ConfTTL reads the value of [EnvConfExpireTime], which may be empty.
func ConfTTL(seconds string) (time.Duration, error) {
	if seconds == "" {
		return defaultConfTTL, nil
	}
	n, err := strconv.Atoi(seconds)
	if err != nil || n <= 0 || n > 1<<31 {
		return 0, fmt.Errorf("%s is %q: expected a positive number of seconds", EnvConfExpireTime, seconds)
	}
	return time.Duration(n) * time.Second, nil
}

type Options struct {
	// SocketPath is where to listen, as for [OpenSocket]; or Socket is the socket.
	SocketPath string
	Socket     *Socket
	// ConfTTL is how long APISIX keeps a token; the server keeps an unused one a
	// fifth longer. 0 means one hour.
	ConfTTL time.Duration
	// Memory bounds the memory of frames larger than 64 kB; nil: they are not bounded.
	Memory Memory
	// Peers are who may speak to the server.
	Peers Peers
	// Log gets the server's lines; no configuration, header or body is in them.
	Log *slog.Logger
}

// Server serves a plugin to APISIX on a Unix socket.
type Server struct {
	log      *slog.Logger
	memory   Memory
	peers    Peers
	confs    *confStore
	draining atomic.Bool
	large    atomic.Bool // a large buffer has become garbage
	shared   atomic.Bool // the socket stays at its path, where another process has it too
	count    counters

	stop     chan struct{}  // closed when the server begins to end
	endWatch func()         // closes it
	loops    sync.WaitGroup // accept loops and the watch
	sessions sync.WaitGroup
	// undismissed: idle sessions that have not sent their dismissal. Until none is left no call is sent elsewhere, since APISIX
	// might take the next connection that is to be dismissed for it.
	undismissed sync.WaitGroup

	mu        sync.Mutex
	listeners []*Socket
	live      map[*session]struct{}
}

// Listen makes the socket and begins to serve the plugin. It returns as soon as APISIX can
// connect.
func Listen(opts Options, plugin Plugin) (*Server, error) {
	ttl := opts.ConfTTL
	if ttl == 0 {
		ttl = defaultConfTTL
	}
	if opts.Peers.Family == nil {
		opts.Peers.Family = Ancestors()
	}
	s := &Server{
		log:    opts.Log,
		memory: opts.Memory,
		peers:  opts.Peers,
		confs:  newConfStore(plugin, ttl+ttl/5, opts.Log),
		stop:   make(chan struct{}),
		live:   map[*session]struct{}{},
	}
	s.endWatch = sync.OnceFunc(func() { close(s.stop) })
	l := opts.Socket
	if l == nil {
		var err error
		if l, err = OpenSocket(opts.SocketPath, opts.Peers); err != nil {
			return nil, err
		}
	}
	if l.replaced {
		s.log.Info("the socket was taken over from another runner")
	}
	s.serve(l)
	s.loops.Add(1)
	go s.watch()
	return s, nil
}

func (s *Server) serve(l *Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		l.Remove()
		l.Close()
		return
	}
	s.listeners = append(s.listeners, l)
	s.loops.Add(1)
	go s.accept(l)
}

func (s *Server) accept(l *Socket) {
	defer s.loops.Done()
	defer l.Close()
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			if !temporary(err) {
				if !s.draining.Load() && !errors.Is(err, os.ErrDeadlineExceeded) {
					s.log.Error("cannot accept connections of APISIX any more", "error", err)
				}
				for _, conn := range l.backlog() {
					s.begin(conn)
				}
				return
			}
			s.log.Warn("cannot accept a connection of APISIX", "error", err)
			time.Sleep(acceptPause) // out of descriptors: wait for some to come back
			continue
		}
		s.begin(conn)
	}
}

// begin serves a connection, if its peer may have one.
func (s *Server) begin(conn *net.UnixConn) {
	if uid, ok := s.peers.allowed(conn); !ok {
		s.log.Error("a connection to the socket was refused: its user is not APISIX's; --socket-users lets others in", "user", uid)
		conn.Close()
		return
	}
	session, err := newSession(s, conn)
	if err != nil {
		conn.Close()
		return
	}
	s.mu.Lock()
	s.live[session] = struct{}{}
	s.sessions.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.sessions.Done()
		session.serve()
		s.mu.Lock()
		delete(s.live, session)
		s.mu.Unlock()
	}()
}

// watch puts the socket back when somebody removed it, forgets old tokens, and
// gives memory back.
func (s *Server) watch() {
	defer s.loops.Done()
	look := time.NewTicker(watchInterval)
	defer look.Stop()
	expire := time.NewTicker(expireInterval)
	defer expire.Stop()
	free := time.NewTicker(freeInterval)
	defer free.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-expire.C:
			s.confs.expire()
		case <-free.C:
			if s.large.Swap(false) {
				debug.FreeOSMemory()
			}
		case <-look.C:
			s.confs.tick()
			s.restoreSocket()
		}
	}
}

// restoreSocket listens again when the path is gone. The listener before stays:
// connections may be waiting in it.
func (s *Server) restoreSocket() {
	s.mu.Lock()
	listeners := s.listeners
	s.mu.Unlock()
	if len(listeners) == 0 || !listeners[0].missing() {
		return
	}
	l, err := openSocket(listeners[0].path, s.peers.mode(), ownGroup)
	if err != nil {
		s.log.Error("the socket was removed and cannot be made again", "error", err)
		return
	}
	s.log.Warn("the socket was removed by another process; made again")
	s.mu.Lock()
	s.retireListeners()
	s.mu.Unlock()
	s.serve(l)
}

// retireListeners lets the accept loops end once what waits is accepted. s.mu is held.
func (s *Server) retireListeners() {
	for _, l := range s.listeners {
		l.retire(s.shared.Load())
	}
	s.listeners = nil
}

// AwaitSuccessor returns when another process's socket is at the path, or nothing is; when no
// connection has been open for idle, unless that is 0; or when ctx ends. On a reload APISIX stops the
// old runner before the new one listens: a server that ends goes on serving until then.
func (s *Server) AwaitSuccessor(ctx context.Context, idle time.Duration) {
	s.endWatch()
	look := time.NewTicker(successorLook)
	defer look.Stop()
	lastUsed := time.Now()
	for {
		s.mu.Lock()
		listeners, open := s.listeners, len(s.live)
		s.mu.Unlock()
		if len(listeners) == 0 || !listeners[0].Ours() {
			if len(listeners) > 0 && !listeners[0].missing() {
				s.log.Info("another runner has taken the socket over")
			}
			return
		}
		if open > 0 {
			lastUsed = time.Now()
		}
		if idle > 0 && time.Since(lastUsed) > idle {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// LeaveSocket has Shutdown leave the socket at its path: another process has it too, and what
// connects from then on waits for the next one that accepts.
func (s *Server) LeaveSocket() { s.shared.Store(true) }

// Shutdown ends the server without losing a call. It takes no more connections, and dismisses each, the idle
// ones at once and the others with their next answer, so that APISIX closes it or asks elsewhere. One that
// has not been used yet gets its first call answered. It does not close them itself, since APISIX may be about
// to use one, which would fail a request. Calls under way, and connections that their peer does not close, are
// waited for until ctx ends. The error is a [CutOffError] when calls were not finished.
func (s *Server) Shutdown(ctx context.Context) error {
	s.endWatch()
	s.draining.Store(true)
	s.mu.Lock()
	s.retireListeners()
	s.mu.Unlock()
	s.loops.Wait()
	s.undismissed.Add(1) // or a session could find none left before end has come to all
	s.eachSession((*session).end)
	s.undismissed.Done()

	done := make(chan struct{})
	go func() {
		s.sessions.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		n := 0
		s.eachSession(func(session *session) {
			if session.hasCall() {
				n++
			}
			_ = session.conn.Close()
		})
		if n == 0 {
			return nil
		}
		return CutOffError{n, context.Cause(ctx)}
	}
}

// CutOffError is returned by a shutdown that closed connections with a call under way.
type CutOffError struct {
	Calls int
	Err   error // why no more time was left
}

// Error returns the number of calls and the reason.
func (e CutOffError) Error() string {
	return fmt.Sprintf("%d calls were not finished in time: %s", e.Calls, e.Err)
}

func (e CutOffError) Unwrap() error { return e.Err }

func (s *Server) eachSession(f func(*session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for session := range s.live {
		f(session)
	}
}
