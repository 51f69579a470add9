package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/admin"
	"github.com/kafkaupstream/kafkaupstream/internal/apisixroute"
	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
	"github.com/kafkaupstream/kafkaupstream/internal/httpfront"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/metrics"
	"github.com/kafkaupstream/kafkaupstream/internal/routefile"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

const (
	defaultServeListen = "127.0.0.1:8080"
	// defaultLeave is more than load balancers take to notice that a server is not ready: Kubernetes asks every
	// second or more rarely, and takes a moment to tell every node.
	defaultLeave = 5 * time.Second
)

// serveOptions are serve's flags and environment.
type serveOptions struct {
	runOptions
	file, listen string
	group        string // of the Unix socket; "": the process's own
	leave        time.Duration
	bounds       httpfront.Bounds
	certificates httpfront.Certificates
	trust        httpfront.Trust
	proxies      httpfront.Proxies
}

// readServeOptions reads and checks them. A wrong flag has been printed where the error is errUsage.
func readServeOptions(env environment) (o *serveOptions, err error) {
	o = &serveOptions{}
	fs := newFlags(env.command)
	fs.StringVar(&o.file, "f", "", "`file` with the routes, YAML or JSON, or an apisix.yaml with this plugin; read again on SIGHUP and when it changes")
	addressVar(fs, &o.listen, "listen", defaultServeListen, isUnix, "`address` to listen on: host:port (0.0.0.0:port for all addresses), a port alone for the loopback interface, or unix:/path; a socket that systemd passes on goes before it")
	fs.StringVar(&o.group, "socket-group", "", "the `group` that may open a unix: socket, by name or id; the process is in it or root (default the process's own)")
	fs.section("TLS, and what a gateway in front says")
	fs.StringVar(&o.certificates.CertFile, "tls-cert", "", "`file` with the certificate, PEM; read again when it changes")
	fs.StringVar(&o.certificates.KeyFile, "tls-key", "", "`file` with its key, PEM")
	fs.StringVar(&o.certificates.ClientCAFile, "tls-client-ca", "", "`file` with certificates, PEM: every client needs one of theirs, and is the gateway")
	secretFile := fs.String("gateway-secret-file", "", "`file` with what the gateway sends as "+httpfront.SecretHeader+" to prove itself")
	variables := variableFlag(fs, "`NAME=HEADER`: the header in which the gateway says a variable of the routes, again for each (default consumer_name=X-Consumer-Username)")
	proxies := fs.String("proxy-protocol", "", "the load balancers, a `list` of addresses and ranges such as 10.0.0.0/8, whose connections begin with a PROXY protocol header: the client's address for $src_ip")
	fs.section("Bounds")
	fs.DurationVar(&o.bounds.HeaderTimeout, "header-timeout", 10*time.Second, "how long a request's header may take")
	fs.DurationVar(&o.bounds.ReadTimeout, "read-timeout", time.Minute, "how long a whole request may take to arrive")
	fs.DurationVar(&o.bounds.IdleTimeout, "idle-timeout", 3*time.Minute, "how long a connection may wait for its next request, or for its client to read a reply")
	sizeVar(fs, &o.bounds.HeaderBytes, "max-header-bytes", 32<<10, "the `size` of the largest header")
	fs.IntVar(&o.bounds.Connections, "max-connections", 10000, "how many clients may be connected, and how many requests under way")
	fs.DurationVar(&o.drain, "drain-timeout", supervisedDrain, "how long requests and queued records may take at the end")
	fs.DurationVar(&o.leave, "leave-timeout", defaultLeave, "how long it serves on after SIGTERM, not ready, until load balancers have noticed")
	check := o.coreFlags(fs)
	if err := fs.parse(env, true); err != nil {
		return o, err
	}
	o.trust.Variables = variables
	o.trust.Certificate = o.certificates.ClientCAFile != ""
	o.trust.Socket = isUnix(o.listen)
	if err = check(); err == nil {
		err = o.checkServeFlags()
	}
	if err == nil && *proxies != "" {
		err = o.readProxies(*proxies)
	}
	if err != nil {
		return o, fs.misused(env, "%v", err)
	}
	if *secretFile != "" {
		text, err := os.ReadFile(*secretFile)
		if err != nil {
			return o, fmt.Errorf("--gateway-secret-file: %w", err)
		}
		if o.trust.Secret = strings.TrimSpace(string(text)); o.trust.Secret == "" {
			return o, fmt.Errorf("--gateway-secret-file: %s is empty", *secretFile)
		}
	}
	return o, o.checkLogFile()
}

var errProxiesAtSocket = errors.New("--proxy-protocol is of TCP: at a unix: socket X-Forwarded-For says who the client is")

func (o *serveOptions) readProxies(list string) (err error) {
	if o.trust.Socket {
		return errProxiesAtSocket
	}
	if o.proxies, err = httpfront.ParseProxies(strings.Split(list, ",")); err != nil {
		return fmt.Errorf("--proxy-protocol: %w", err)
	}
	return nil
}

func (o *serveOptions) checkServeFlags() error {
	c, b := &o.certificates, &o.bounds
	switch {
	case o.file == "":
		return errors.New("-f names the file with the routes")
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("--tls-cert and --tls-key belong together")
	case c.ClientCAFile != "" && c.CertFile == "":
		return errors.New("--tls-client-ca needs --tls-cert and --tls-key")
	case o.group != "" && !o.trust.Socket:
		return errors.New("--socket-group is of a unix: socket, see --listen")
	case o.leave < 0:
		return errors.New("--leave-timeout cannot be negative")
	case b.HeaderTimeout <= 0 || b.ReadTimeout <= 0 || b.IdleTimeout <= 0 || b.HeaderBytes <= 0 || b.Connections <= 0:
		return errors.New("--header-timeout, --read-timeout, --idle-timeout, --max-header-bytes and --max-connections are more than 0")
	}
	return nil
}

// variableFlag is the flag NAME=HEADER, several times; it returns what it adds to.
func variableFlag(fs *flags, usage string) map[string]string {
	variables := map[string]string{"consumer_name": "X-Consumer-Username"}
	fs.Func("variable", usage, func(text string) error {
		name, header, err := httpfront.ParseVariable(text)
		if err == nil {
			variables[name] = header
		}
		return err
	})
	return variables
}

// httpServer is the core with plain HTTP as its way in.
type httpServer struct {
	inner
	variable apisixroute.Environment // of an apisix.yaml
	opts     *serveOptions
	server   *httpfront.Server
}

// serve serves HTTP until a signal comes.
func serve(ctx context.Context, env environment) error {
	o, err := readServeOptions(env)
	if err != nil {
		return err
	}
	log := openLog(env, &o.runOptions)
	defer log.Close(logWait)
	again := make(chan os.Signal, 1)
	signal.Reset(syscall.SIGHUP) // which ends other commands
	signal.Notify(again, syscall.SIGHUP)
	certificate, routes := newWatched(o.certificates.Files()...), newWatched(o.file)
	if o.certificates.CertFile != "" {
		if err := o.certificates.Read(); err != nil {
			return err
		}
	}
	listener, err := listenHTTP(o.listen, o.group, env)
	if err != nil {
		return err
	}
	defer listener.Close()
	if _, unix := listener.Addr().(*net.UnixAddr); unix && o.proxies != nil { // systemd's, of which --listen says nothing
		return errProxiesAtSocket
	}
	o.trust.Socket = o.trusts(listener)
	s, err := startHTTP(o)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- s.server.Serve(listener) }()
	b := build()
	o.log.Info("kafkaupstream serves", "version", b.Version, "commit", b.Commit, "librdkafka", b.Librdkafka, "address", listener.Addr().String(),
		"routes", s.server.Routes().Count, "pid", os.Getpid())
	certificate.reload, routes.reload = s.reloadCertificate, s.reloadRoutes
	go watch(ctx, again, certificate, routes)
	select {
	case err = <-failed:
		o.log.Error("connections can no longer be accepted", "error", err)
	case <-ctx.Done():
		s.leave(ctx)
	}
	unclean := s.end(time.Now(), o.drain, s.shutdown)
	s.admin.Close()
	return errors.Join(err, unclean)
}

// startHTTP reads the routes and starts a core for them.
func startHTTP(o *serveOptions) (*httpServer, error) {
	s := &httpServer{opts: o, variable: secrets.New(o.secretsDir, o.getenv, o.secretNames).Variable}
	list, err := s.readFile()
	if err != nil {
		return nil, err
	}
	s.inner = startInner(o.runnerOptions)
	routes, err := s.build(list, nil)
	if err != nil {
		s.core.Drain(context.Background()) // nothing was served
		return nil, err
	}
	front := httpfront.Options{Handler: s.core.Handler, Trust: &o.trust, Bounds: o.bounds, Proxies: o.proxies, Log: o.log}
	if o.certificates.CertFile != "" {
		front.TLS = &o.certificates
	}
	s.server = httpfront.New(front, routes)
	s.serveAdmin(o.runnerOptions, s.readiness, metrics.Sources{Front: s.server.Stats})
	return s, nil
}

func (s *httpServer) readFile() ([]routefile.Route, error) {
	text, err := os.ReadFile(s.opts.file)
	if err != nil {
		return nil, err
	}
	list, err := routefile.Read(text, s.variable)
	if err != nil { // all that is wrong with the others, too
		return nil, fmt.Errorf("%s: %w", s.opts.file, errors.Join(err, httpfront.Lint(list, &s.opts.trust).Err()))
	}
	return list, nil
}

// build makes the routes ready, and logs doubts.
func (s *httpServer) build(list []routefile.Route, before *httpfront.Routes) (*httpfront.Routes, error) {
	routes, doubts, err := httpfront.Build(list, s.core.Handler, &s.opts.trust, before)
	for _, d := range doubts {
		s.log.Warn("a route is doubtful", "warning", d)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.opts.file, err)
	}
	return routes, nil
}

// leave has load balancers notice that the server goes, and serves meanwhile. Somebody at a terminal does not wait for that.
func (s *httpServer) leave(ctx context.Context) {
	reason, leave := context.Cause(ctx), s.opts.leave
	if strings.HasPrefix(reason.Error(), os.Interrupt.String()) {
		leave = 0
	}
	s.log.Info("kafkaupstream is stopping", "reason", reason, "leave_timeout", leave, "drain_timeout", s.opts.drain)
	s.server.Leave()
	time.Sleep(leave)
}

// shutdown ends the front, and returns how many requests it had to cut off.
func (s *httpServer) shutdown(ctx context.Context) (cut int, err error) {
	if cut, err = s.server.Shutdown(ctx); cut > 0 {
		s.log.Error("requests were cut off: they were not finished in time", "requests", cut)
	}
	return cut, err
}

// readiness is the core's, until the server leaves.
func (s *httpServer) readiness() admin.Readiness {
	out := s.core.Readiness()
	if s.server.Leaving() {
		out.Refuse("the server is stopping")
	}
	if s.server.Invalid() {
		out.Warn("the routes' file has errors, which the log has: the routes from before are served")
	}
	if s.opts.certificates.Stale() {
		out.Warn("the certificate cannot be read again, for which the log has the reason: the one from before is used")
	}
	return out
}

// reloadCertificate reads the certificate again.
func (s *httpServer) reloadCertificate(loud bool) (read bool) {
	if s.opts.certificates.CertFile == "" {
		return true
	}
	err := s.opts.certificates.Read()
	if err != nil && loud {
		s.log.Error("the certificate cannot be read again; the one from before is used", "error", err)
	}
	return err == nil
}

// reloadRoutes reads the routes again. It has read them also where they have errors.
func (s *httpServer) reloadRoutes(loud bool) (read bool) {
	list, err := s.readFile()
	read = !errors.As(err, new(*fs.PathError))
	if !read && !loud {
		return false
	}
	var routes *httpfront.Routes
	if err == nil {
		routes, err = s.build(list, s.server.Routes())
	}
	s.server.SetRoutes(routes)
	if err != nil {
		s.log.ErrorContext(logging.Every, "the routes' file has errors; the routes from before are served", "error", strings.ReplaceAll(err.Error(), "\n", "; "))
		return read
	}
	s.log.InfoContext(logging.Every, "the routes were read again", "routes", routes.Count)
	return true
}

const unixPrefix = "unix:"

// listenHTTP listens on the address, or returns the socket that systemd has opened for this process.
func listenHTTP(address, group string, env environment) (net.Listener, error) {
	if env.getenv("LISTEN_PID") == fmt.Sprint(os.Getpid()) && env.getenv("LISTEN_FDS") == "1" {
		const firstPassed = 3 // sd_listen_fds(3)
		file := os.NewFile(firstPassed, "systemd's socket")
		defer file.Close()
		return net.FileListener(file)
	}
	path, unix := strings.CutPrefix(address, unixPrefix)
	if !unix {
		return listenTCP("listen", address)
	}
	id := -1
	if group != "" {
		var err error
		if id, err = groupID(group); err != nil {
			return nil, fmt.Errorf("--socket-group: %w", err)
		}
	}
	socket, err := extplugin.OpenGroupSocket(path, id)
	if err != nil {
		return nil, err
	}
	return unixListener{socket, path}, nil
}

// trusts reports whether the listener is a Unix socket that not every local user may open. systemd may pass another than --listen
// names, which every local user may open by default, and always if it has no path.
func (o *serveOptions) trusts(l net.Listener) bool {
	address, unix := l.Addr().(*net.UnixAddr)
	if _, own := l.(unixListener); own || !unix {
		return own
	}
	const others = 0o002
	found := "no path"
	if filepath.IsAbs(address.Name) { // and not of the abstract namespace, which has no modes
		info, err := os.Stat(address.Name)
		if err == nil && info.Mode()&others == 0 {
			return true
		}
		if found = fmt.Sprint(err); err == nil {
			found = info.Mode().String()
		}
	}
	o.log.Warn("every local user may be able to open the socket, so its peers are not taken for the gateway; in systemd's unit: SocketMode=0660 and SocketGroup=",
		"socket", address.Name, "found", found)
	return false
}

// groupID reads a group's name or id.
func groupID(group string) (int, error) {
	if id, err := strconv.Atoi(group); err == nil {
		return id, nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// unixListener removes its path at its end, if that is still its own.
type unixListener struct {
	*extplugin.Socket
	path string
}

// Addr returns the socket's path.
func (l unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close closes the socket.
func (l unixListener) Close() error {
	l.Remove()
	return l.Socket.Close()
}
