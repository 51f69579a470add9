package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/bounded"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
)

const (
	// retryInterval is how often an address that is taken is tried.
	retryInterval = 50 * time.Millisecond
	// patience is how long it may be taken until that is worth a line in the log: the
	// runner before this one has it during a reload.
	patience = 3 * time.Second

	readTimeout = 5 * time.Second
	// writeTimeout bounds a reply; a profile has its own length besides.
	writeTimeout   = 15 * time.Second
	idleTimeout    = 90 * time.Second
	maxHeaderBytes = 8 << 10
	// maxConnections is how many there may be at a time. More are closed at once: the
	// descriptors are for APISIX and the brokers.
	maxConnections = 64
)

type Options struct {
	// Address is host:port.
	Address string
	Metrics http.Handler
	// Ready says whether the program is ready.
	Ready func() Readiness
	// Profiles are served if it is set.
	Profiles bool
	Log      *slog.Logger
}

// Server serves, as soon as its address is free.
type Server struct {
	opts     Options
	http     *http.Server
	attempts atomic.Int64
	stop     context.Context
	cancel   context.CancelFunc
	done     chan struct{}
	once     sync.Once
}

// New makes a server that does not listen yet.
func New(opts Options) *Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", opts.Metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { writeReadiness(w, opts.Ready()) })
	if opts.Profiles { // but for cmdline: arguments may hold secrets
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	stop, cancel := context.WithCancel(context.Background())
	return &Server{
		opts: opts,
		http: &http.Server{
			Handler: mux, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
			MaxHeaderBytes: maxHeaderBytes, ErrorLog: logging.HTTPErrors(opts.Log),
		},
		stop: stop, cancel: cancel,
		done: make(chan struct{}),
	}
}

// Attempts returns how often the address could not be listened on.
func (s *Server) Attempts() int64 { return s.attempts.Load() }

// Start begins to serve, now or when the address is free. It never fails and does not
// wait.
func (s *Server) Start() {
	go func() {
		defer close(s.done)
		l := s.listen()
		if l == nil {
			return
		}
		s.opts.Log.Info("metrics and health are served", "address", l.Addr().String(), "attempts", s.attempts.Load())
		if err := s.http.Serve(bounded.Listener(l, maxConnections, 0)); !errors.Is(err, http.ErrServerClosed) {
			s.opts.Log.Error("metrics and health are no longer served", "error", err)
		}
	}()
}

// listen returns a listener, or nil when the server was closed before the address was
// free.
func (s *Server) listen() net.Listener {
	began, said := time.Now(), false
	for {
		l, err := new(net.ListenConfig).Listen(s.stop, "tcp", s.opts.Address)
		if err == nil {
			if said {
				s.opts.Log.Warn("the address of --admin is free now", "address", s.opts.Address, "attempts", s.attempts.Load())
			}
			return l
		}
		s.attempts.Add(1)
		if !said && time.Since(began) >= patience {
			said = true
			s.opts.Log.Warn("metrics and health cannot be served; it is tried again until they can", "address", s.opts.Address,
				"attempts", s.attempts.Load(), "error", err)
		}
		select {
		case <-s.stop.Done():
			return nil
		case <-time.After(retryInterval):
		}
	}
}

// Close releases the address at once: requests under way are cut off. A nil
// server has nothing to let go of.
func (s *Server) Close() {
	if s == nil {
		return
	}
	s.once.Do(func() {
		s.cancel()
		_ = s.http.Close()
		<-s.done
	})
}

// Readiness says whether the program can do its work, and what it knows about that.
type Readiness struct {
	Ready bool `json:"ready"` // there are no Reasons: the server sets it
	// Reasons say why it is not ready.
	Reasons []string `json:"reasons,omitempty"`
	// Warnings are what is wrong and no reason to take the program out.
	Warnings []string `json:"warnings,omitempty"`
	// Clusters are the connections that have a producer.
	Clusters []Cluster `json:"clusters,omitempty"`
}

// Refuse adds a reason why the program is not ready.
func (r *Readiness) Refuse(reason string) { r.Reasons = append(r.Reasons, reason) }

func (r *Readiness) Warn(warning string) { r.Warnings = append(r.Warnings, warning) }

// Cluster is a connection to a cluster.
type Cluster struct {
	Producer string `json:"producer"` // as in the log and the metrics
	Brokers  string `json:"brokers"`
	Delivery string `json:"delivery"`
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"` // why it does not answer
}

func writeReadiness(w http.ResponseWriter, r Readiness) {
	r.Ready = len(r.Reasons) == 0
	text, _ := json.MarshalIndent(r, "", "  ") // of strings: cannot fail
	w.Header().Set("Content-Type", "application/json")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(text, '\n'))
}
