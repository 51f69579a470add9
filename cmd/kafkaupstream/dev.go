package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/console"
	"github.com/kafkaupstream/kafkaupstream/internal/devbroker"
	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
	"github.com/kafkaupstream/kafkaupstream/internal/transporturl"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

const (
	defaultListen = "127.0.0.1:9080"
	// defaultRoute is dev's route without -f.
	defaultRoute = `{"config":{},"topic":"kafkaupstream"}`
	// devStop is how long requests under way may take after Ctrl-C, and how long
	// their records may take after that.
	devStop = time.Second
)

// dev serves HTTP with the plugin behind it, and a broker unless there is one.
func dev(ctx context.Context, env environment) error {
	fs := flag.NewFlagSet("dev", flag.ContinueOnError)
	listen := fs.String("listen", defaultListen, "address of the HTTP gateway; port 0 picks a free one")
	brokers := fs.String("brokers", "", "a Kafka cluster, host:port,…; without it a broker is embedded")
	file := fs.String("f", "", "the route's configuration, JSON; bootstrap.servers is filled in when absent")
	allowOrigin := fs.String("allow-origin", "", "origins of web pages that may send requests to the gateway, http://localhost:3000,…; without it only its own may")
	levelName := fs.String("log-level", "warn", "debug, info, warn or error")
	if err := parseFlags(fs, env, false); err != nil {
		return err
	}
	level, err := logging.ParseLevel(*levelName)
	if err != nil {
		fmt.Fprintln(env.stderr, "kafkaupstream:", err)
		return errUsage
	}
	conf := []byte(defaultRoute)
	if *file != "" {
		if conf, err = os.ReadFile(*file); err != nil {
			return err
		}
	}
	embedded := *brokers == ""
	if embedded {
		broker, err := devbroker.Start()
		if err != nil {
			return err
		}
		defer broker.Close()
		*brokers = broker.Address()
	}
	log := logging.New(env.stderr, level)
	defer log.Close(logWait) // before the broker: that it goes is nothing to tell of
	text := withBrokers(string(conf), *brokers)
	route, err := kafkaupstream.ParseRoute([]byte(text))
	if err != nil {
		return fmt.Errorf("the route's configuration is invalid:\n%w", err)
	}

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		fmt.Fprintf(env.stderr, "kafkaupstream: %s is open to other machines: whoever reaches it can produce records and change routes\n", listener.Addr())
	}
	dir, err := os.MkdirTemp("", "kafkaupstream-dev-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "runner.sock")
	names, _ := secrets.ParseNames(secrets.DefaultNames) // which is a list of names
	resolver := secrets.New(defaultSecretsDir, env.getenv, names)
	access, err := route.Connection().Access(resolver.Resolve)
	if err != nil {
		return err
	}
	r, err := startRunner(runnerOptions{
		socket: socket, spoolDir: filepath.Join(dir, "spool"), secretsDir: defaultSecretsDir, secretNames: names,
		getenv: env.getenv, log: log.Logger,
	})
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	fmt.Fprintf(env.stdout, "gateway %s\nbroker %s\nconsole %s%s\n", url, *brokers, url, console.Path)

	var front *gateway.Gateway
	page := console.New(console.Options{
		Gateway: url, Brokers: *brokers, Embedded: embedded, ListenHost: hostOf(*listen),
		AllowOrigins: strings.Split(*allowOrigin, ","),
		Routes:       func() []console.Route { return consoleRoutes(front.Routes(), *brokers) },
	})
	tail, err := devbroker.NewTail(*brokers, access, embedded, func(m *kafka.Message) {
		fmt.Fprintln(env.stdout, devbroker.Line(m))
		page.Record(m)
	})
	if err != nil {
		return err
	}
	client := gateway.NewClient(socket, gateway.ClientOptions{})
	front = gateway.New(client, gateway.Options{
		Logger: log.Logger,
		Rewrite: func(name, value string) (string, error) {
			if name != apisix.Name {
				return value, nil
			}
			return withBrokers(value, *brokers), nil
		},
		OnRoute: func(route gateway.Route) {
			watchTopics(tail, route)
			page.RoutesChanged()
		},
		OnDelete: func(string) { page.RoutesChanged() },
	})
	err = front.PutRoute(gateway.Route{
		ID: "dev", URIs: []string{"/*"}, Phase: gateway.PostReq,
		Conf: []gateway.ConfEntry{{Name: apisix.Name, Value: text}},
	})
	if err == nil {
		err = serveHTTP(ctx, listener, page.Before(front), page.Close)
	}
	client.Close()
	if unclean := r.stop(devStop, 0); err == nil {
		err = unclean
	}
	tail.Close()
	return err
}

// serveHTTP serves until ctx ends, and then finishes the requests under way; those
// that take longer than devStop are cut off. endStreams ends those that would last.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, endStreams func()) error {
	unused := unusedConns{ctx: ctx, conns: map[net.Conn]struct{}{}}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ConnState: unused.note}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	unused.close()
	endStreams()
	stop, cancel := context.WithTimeout(context.Background(), devStop)
	defer cancel()
	if server.Shutdown(stop) != nil {
		server.Close()
	}
	return nil
}

// unusedConns are the connections on which no request has come yet. Browsers open
// them ahead, and http.Server.Shutdown waits five seconds for a request.
type unusedConns struct {
	ctx   context.Context
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func (u *unusedConns) note(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.conns, c)
	switch {
	case state != http.StateNew:
	case u.ctx.Err() != nil:
		c.Close()
	default:
		u.conns[c] = struct{}{}
	}
}

func (u *unusedConns) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.conns {
		c.Close()
	}
}

// watchTopics shows the records of the topics that the route names.
func watchTopics(tail *devbroker.Tail, route gateway.Route) {
	for _, c := range route.Conf {
		if parsed, err := kafkaupstream.ParseRoute([]byte(c.Value)); err == nil {
			for _, topic := range parsed.Topics() {
				tail.Watch(topic)
			}
		}
	}
}

// withBrokers puts bootstrap.servers into a plugin's configuration that names no broker,
// neither under config nor in its transport_url. Everything else stays as it is written:
// what is wrong with it, such as a key given twice, is the plugin's to say.
func withBrokers(text, brokers string) string {
	dec := json.NewDecoder(strings.NewReader(text))
	if begin, err := dec.Token(); err != nil || begin != json.Delim('{') {
		return text
	}
	first := int(dec.InputOffset()) // place in the object of the configuration
	var props map[string]json.RawMessage
	start := 0 // place in the object under config
	var transport *string
	for dec.More() {
		var value json.RawMessage
		name, err := dec.Token()
		if err != nil || dec.Decode(&value) != nil {
			return text
		}
		switch name {
		case "config":
			start = int(dec.InputOffset()) - len(value) + 1
			if json.Unmarshal(value, &props) != nil {
				return text
			}
		case "transport_url":
			if json.Unmarshal(value, &transport) != nil {
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
