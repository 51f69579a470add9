package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/console"
	"github.com/kafkaupstream/kafkaupstream/internal/core"
	"github.com/kafkaupstream/kafkaupstream/internal/devbroker"
	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/internal/httpfront"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/metrics"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/routefile"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
	"github.com/kafkaupstream/kafkaupstream/internal/transporturl"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

const (
	defaultListen = "127.0.0.1:9080"
	// defaultRoute is dev's route without -f.
	defaultRoute = `{"config":{},"topic":"kafkaupstream","delivery":"sync"}`
	// devStop is how long requests under way may take after Ctrl-C, and how long
	// their records may take after that.
	devStop = time.Second
	// The ways in: APISIX's protocol, behind a gateway that speaks it, and plain HTTP, as in serve.
	frontAPISIX, frontHTTP = "ext-plugin", "http"
)

// devOptions are dev's flags and what is made of them.
type devOptions struct {
	listen, brokers, allowOrigin string
	front                        string            // frontAPISIX or frontHTTP
	variables                    map[string]string // of frontHTTP: httpfront.Trust.Variables
	admin                        string            // "": metrics and health are not served
	broker                       *devbroker.Broker // dev's own; nil: brokers are others'
	file                         string            // "": there is none
	text                         []byte            // of the file
	routes                       []gateway.Route
	plain                        []routefile.Route // the same for frontHTTP
	connection                   *routeconf.Route  // whose connection reads the records back
	level                        slog.Level
	secrets                      *secrets.Resolver
	secretNames                  secrets.Names
}

// readDevOptions reads the flags, and the file that they name.
func readDevOptions(env environment) (o devOptions, err error) {
	fs := newFlags(env.command)
	addressVar(fs, &o.listen, "listen", defaultListen, noOther, "`address` of the HTTP gateway; a port alone is on the loopback interface, port 0 picks a free one")
	fs.StringVar(&o.brokers, "brokers", "", "a Kafka cluster, a `list` host:port,…; without it a broker is embedded")
	fs.StringVar(&o.file, "f", "", "`file` with routes, as check takes it: the plugin's configuration, a route of APISIX, apisix.yaml, a file of serve's; - is standard input; bootstrap.servers is filled in when absent")
	front := fs.choice("front", frontAPISIX, "the `way` in: ext-plugin, as APISIX has it, or http, as serve does", frontAPISIX, frontHTTP)
	variables := variableFlag(fs, "`NAME=HEADER` with --front http, as in serve; whoever reaches dev is the gateway (default consumer_name=X-Consumer-Username)")
	fs.StringVar(&o.allowOrigin, "allow-origin", "", "`origins` of web pages that may send requests to the gateway, http://localhost:3000,…; without it only its own may")
	addressVar(fs, &o.admin, "admin", "", isNone, "`address` for metrics, /healthz and /readyz; a port alone is on the loopback interface")
	levelName := fs.choice("log-level", "warn", "the least `level` that is logged: debug, info, warn or error", logLevels...)
	if err := fs.parse(env, false); err != nil {
		return o, err
	}
	o.front = *front
	if o.level, err = logging.ParseLevel(*levelName); err != nil {
		return o, fs.misused(env, "%v", err)
	}
	switch {
	case o.front != frontAPISIX && o.front != frontHTTP:
		return o, fs.misused(env, "--front is ext-plugin or http, not %q", o.front)
	case o.front == frontAPISIX && fs.given("variable"):
		return o, fs.misused(env, "--variable is of --front http")
	}
	o.variables = variables
	o.secretNames, _ = secrets.ParseNames(secrets.DefaultNames) // which is a list of names
	o.secrets = secrets.New(defaultSecretsDir, env.getenv, o.secretNames)
	if o.text = []byte(defaultRoute); o.file != "" {
		o.text, err = readConf(o.file, env)
	}
	return o, err
}

// readRoutes reads the routes, gives them brokers where they name none, and says what is wrong with them.
func (o *devOptions) readRoutes(stderr io.Writer) error {
	file, err := readDevFile(o.text, o.front, o.secrets.Variable)
	if err != nil {
		return fmt.Errorf("%s: %w", o.file, err)
	}
	for _, doubt := range file.doubts {
		fmt.Fprintln(stderr, "kafkaupstream dev:", doubt)
	}
	var problems []error
	limits := apisix.Limits
	if o.front == frontHTTP {
		limits = routeconf.Limits{}
	}
	for i, r := range file.routes {
		r.Conf[0].Value = withBrokers(r.Conf[0].Value, o.brokers)
		if o.front == frontHTTP {
			file.plain[i].Conf = r.Conf[0].Value
		}
		conf, err := routeconf.ParseRoute([]byte(r.Conf[0].Value), limits)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: the route's configuration is invalid:\n%w", strings.TrimSpace(o.file+" "+file.places[i]), err))
			continue
		}
		if own := conf.Conn.Properties()["bootstrap.servers"]; own != o.brokers {
			fmt.Fprintf(stderr, "kafkaupstream dev: route %s has brokers of its own: %s\n", r.ID, own)
		}
		if o.connection == nil {
			o.connection = conf
		}
	}
	o.routes, o.plain = file.routes, file.plain
	return errors.Join(problems...)
}

// dev serves HTTP with the plugin behind it, and a broker unless there is one.
func dev(ctx context.Context, env environment) error {
	o, err := readDevOptions(env)
	if err != nil {
		return err
	}
	if o.brokers == "" {
		if o.broker, err = devbroker.Start(); err != nil {
			return err
		}
		defer o.broker.Close()
		o.brokers = o.broker.Address()
	}
	log := logging.New(env.stderr, o.level)
	defer log.Close(logWait) // before the broker, so that nothing is logged about its end
	if err := o.readRoutes(env.stderr); err != nil {
		return err
	}
	if o.admin != "" { // in a runner that is nothing to end for
		metrics, err := listenTCP("admin", o.admin)
		if err != nil {
			return err
		}
		metrics.Close()
	}
	listener, err := listenTCP("listen", o.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		fmt.Fprintf(env.stderr, "kafkaupstream: %s is open to other machines: whoever reaches it can produce records and change routes\n", listener.Addr())
	}
	return serveDev(ctx, env, o, listener, log)
}

// devFront is the way in, and what is behind it.
type devFront struct {
	http.Handler
	routes func() []gateway.Route   // as they are now
	put    func(console.Edit) error // nil: they stay as they are
	stop   func() error
}

// serveDev runs the core and a front until ctx ends.
func serveDev(ctx context.Context, env environment, o devOptions, listener net.Listener, log *logging.Logger) error {
	dir, err := os.MkdirTemp("", "kafkaupstream-dev-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	access, err := o.connection.Conn.Access(o.secrets.Resolve)
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	var front devFront
	var tail *devbroker.Tail
	page := o.console(url, &front, func() (map[string]int, error) { return tail.Partitions() })
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signal.Ignore(syscall.SIGPIPE) // of dev | head: it would leave the folder behind
	tail, err = devbroker.NewTail(o.brokers, access, o.broker != nil, func(m *kafka.Message) {
		if _, err := fmt.Fprintln(env.stdout, devbroker.Line(m)); errors.Is(err, syscall.EPIPE) {
			cancel() // nobody reads it any more
		}
		page.Record(m)
	})
	if err != nil {
		return err
	}
	defer tail.Close() // after the core, which delivers what it has at its end
	start := o.startAPISIX
	if o.front == frontHTTP {
		start = o.startHTTP
	}
	front, err = start(runnerOptions{
		core:   core.Options{SpoolDir: filepath.Join(dir, "spool")},
		socket: filepath.Join(dir, "runner.sock"), secretsDir: defaultSecretsDir, secretNames: o.secretNames,
		admin: o.admin, getenv: env.getenv, log: log.Logger, linesDropped: log.Dropped,
	}, tail, page)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "gateway %s\nbroker %s\nconsole %s%s\n", url, o.brokers, url, console.Path)
	if o.admin != "" {
		fmt.Fprintf(env.stdout, "metrics http://%s/metrics\n", o.admin)
	}
	err = serveHTTP(ctx, listener, page.Before(front), page.Close)
	if unclean := front.stop(); err == nil {
		err = unclean
	}
	return err
}

// startAPISIX starts a runner and a gateway that speaks APISIX's protocol to it.
func (o *devOptions) startAPISIX(opts runnerOptions, tail *devbroker.Tail, page *console.Console) (devFront, error) {
	r, err := startRunner(opts)
	if err != nil {
		return devFront{}, err
	}
	client := gateway.NewClient(opts.socket, gateway.ClientOptions{})
	front := o.gateway(client, tail, page, opts.log)
	stop := func() error {
		client.Close()
		r.admin.Close()
		return r.end(time.Now(), devStop)
	}
	for _, route := range o.routes {
		if err := front.PutRoute(route); err != nil {
			return devFront{}, errors.Join(err, stop())
		}
	}
	return devFront{front, front.Routes, func(e console.Edit) error { return o.putRoute(front, e) }, stop}, nil
}

// startHTTP starts a core with serve's front. Whoever reaches dev is the gateway.
func (o *devOptions) startHTTP(opts runnerOptions, tail *devbroker.Tail, _ *console.Console) (devFront, error) {
	r, trust := startInner(opts), &httpfront.Trust{Socket: true, Variables: o.variables}
	stop := func() error {
		r.admin.Close()
		return r.end(time.Now(), devStop, func(context.Context) (int, error) { return 0, nil })
	}
	routes, _, err := httpfront.Build(o.plain, r.core.Handler, trust, nil)
	if err != nil {
		return devFront{}, errors.Join(fmt.Errorf("%s: %w", o.file, err), stop())
	}
	front := httpfront.New(httpfront.Options{Handler: r.core.Handler, Trust: trust, Log: opts.log}, routes)
	r.serveAdmin(opts, r.core.Readiness, metrics.Sources{Front: front.Stats})
	for _, route := range o.routes {
		watchTopics(tail, route)
	}
	return devFront{front, func() []gateway.Route { return o.routes }, nil, stop}, nil
}

// gateway is the gateway in front of the plugin. Its routes get the brokers where they name none, and show in the console
// and in what tail reads.
func (o *devOptions) gateway(client *gateway.Client, tail *devbroker.Tail, page *console.Console, log *slog.Logger) *gateway.Gateway {
	return gateway.New(client, gateway.Options{
		Logger: log,
		Rewrite: func(name, value string) string {
			if name != apisix.Name {
				return value
			}
			return withBrokers(value, o.brokers)
		},
		OnRoute: func(route gateway.Route) {
			watchTopics(tail, route)
			page.Changed()
		},
		OnDelete: func(string) { page.Changed() },
	})
}

// serveHTTP serves until ctx ends, and then finishes the requests under way; those
// that take longer than devStop are cut off. endStreams ends those that would last.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, endStreams func()) error {
	var open httpfront.Connections
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ConnState: open.Note}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	open.CloseNew()
	endStreams()
	stop, cancel := context.WithTimeout(context.Background(), devStop)
	defer cancel()
	if server.Shutdown(stop) != nil {
		server.Close()
	}
	return nil
}

// watchTopics shows the records of the topics that the route names.
func watchTopics(tail *devbroker.Tail, route gateway.Route) {
	for _, c := range route.Conf {
		if parsed, err := routeconf.ParseRoute([]byte(c.Value), apisix.Limits); err == nil {
			for _, topic := range parsed.Topics() {
				tail.Watch(topic)
			}
		}
	}
}

// withBrokers puts bootstrap.servers into a plugin's configuration that names no broker,
// neither under config nor in its transport_url. Everything else stays as it is written:
// what is wrong with it, such as a key given twice, is the plugin's to say. What is no JSON
// is left alone, so that the place of the error is one in the text as it is written.
func withBrokers(text, brokers string) string {
	members, first, ok := confMembers(text)
	if !ok {
		return text
	}
	var props map[string]json.RawMessage
	start := 0 // place in the object under config
	var transport *string
	for _, m := range members {
		switch m.name {
		case "config":
			start = m.at + 1
			if json.Unmarshal(m.value, &props) != nil {
				return text
			}
		case "transport_url":
			if json.Unmarshal(m.value, &transport) != nil {
				return text
			}
		}
	}
	if transport != nil {
		if u, err := transporturl.Parse(*transport); err != nil || u.HasBrokers() {
			return text
		}
	}
	for _, name := range []string{"bootstrap.servers", "metadata.broker.list"} {
		if _, ok := props[name]; ok {
			return text
		}
	}
	quoted, _ := json.Marshal(brokers) // of a string: cannot fail
	property := `"bootstrap.servers":` + string(quoted)
	switch {
	case props == nil && (start > 0 || transport == nil):
		return text
	case props == nil:
		return text[:first] + `"config":{` + property + `},` + text[first:]
	case len(props) > 0:
		property += ","
	}
	return text[:start] + property + text[start:]
}
