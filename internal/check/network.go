package check

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/producer"
)

// address is where a broker is said to be.
type address struct{ host, port string }

func (a address) String() string { return net.JoinHostPort(a.host, a.port) }

// defaultPort is librdkafka's.
const defaultPort = "9092"

// maxAddresses bounds what is looked at of a list of brokers.
const maxAddresses = 50

// bootstrap reads bootstrap.servers as librdkafka does: host, host:port, or either
// after "protocol://", separated by commas or spaces.
func bootstrap(list string) (all []address) {
	for _, item := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		if _, rest, ok := strings.Cut(item, "://"); ok {
			item = rest
		}
		host, port, err := net.SplitHostPort(item)
		if err != nil {
			host, port = strings.Trim(item, "[]"), defaultPort
		}
		all = append(all, address{host, port})
	}
	return all[:min(len(all), maxAddresses)]
}

// network looks at the way to the brokers that the configuration names. One that can
// be reached is enough to go on.
func (w *way) network(ctx context.Context) {
	addresses := []address{{}} // one line for what is skipped
	if w.blocked == "" {
		if addresses = bootstrap(w.props["bootstrap.servers"]); len(addresses) == 0 {
			w.needs(ctx, "names", "", func(context.Context) outcome { return fail("bootstrap.servers names no broker") })
			addresses = []address{{}}
		}
	}
	if w.blocked == "" && usesTLS(w.props) {
		var err error
		if w.secure, err = newTLSSettings(w.props); err != nil {
			w.needs(ctx, "tls", "", func(context.Context) outcome { return fail("%v", err) })
		}
	}
	reached := 0
	for _, a := range addresses {
		if w.reach(ctx, a) {
			reached++
		}
	}
	if reached == 0 {
		w.block("no broker can be reached")
	}
}

// reach tries one broker, from its name to an answer in Kafka's protocol.
func (w *way) reach(ctx context.Context, a address) bool {
	before := w.blocked
	defer func() { w.blocked = before }() // what fails here fails for this broker alone
	target := ""
	if a.host != "" {
		target = a.String()
	}
	if _, err := netip.ParseAddr(a.host); err != nil {
		w.needs(ctx, "names", a.host, func(ctx context.Context) outcome { return lookUp(ctx, a.host) })
	}
	w.needs(ctx, "connect", target, func(ctx context.Context) outcome { return w.connect(ctx, a) })
	if usesTLS(w.props) {
		w.needs(ctx, "tls", target, func(ctx context.Context) outcome { return w.handshake(ctx, a) })
	}
	w.needs(ctx, "kafka", target, func(ctx context.Context) outcome { return w.greet(ctx, a) })
	return w.blocked == "" && ctx.Err() == nil
}

func lookUp(ctx context.Context, host string) outcome {
	found, err := net.DefaultResolver.LookupHost(ctx, host)
	var dns *net.DNSError
	switch {
	case err == nil:
		return ok("%s", strings.Join(found[:min(len(found), 5)], ", "))
	case errors.As(err, &dns) && dns.IsNotFound:
		return fail("the name does not resolve: there is no such host")
	case isTimeout(err):
		return fail("the name does not resolve: no name server has answered in time")
	case dns != nil:
		return fail("the name does not resolve: %s", dns.Err)
	}
	return fail("the name does not resolve: %v", err)
}

// dial connects as librdkafka would.
func dial(ctx context.Context, a address, props producer.Properties) (net.Conn, error) {
	network := "tcp"
	switch strings.ToLower(props["broker.address.family"]) {
	case "v4":
		network = "tcp4"
	case "v6":
		network = "tcp6"
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, a.String())
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	// Reading must end with ctx, too.
	context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return conn, nil
}

func (w *way) connect(ctx context.Context, a address) outcome {
	conn, err := dial(ctx, a, w.props)
	if err != nil {
		return fail("%s", dialCause(err, a))
	}
	defer conn.Close()
	if conn.RemoteAddr().String() == a.String() {
		return ok("connected")
	}
	return ok("connected to %s", conn.RemoteAddr())
}

// dialCause says why a connection was not made.
func dialCause(err error, a address) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens on port " + a.port + " there; wrong port, or the broker is not running"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way from here to that address"
	case isTimeout(err):
		return "no answer in time: wrong address, or a firewall drops the packets"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return "no connection: " + err.Error()
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// greet speaks Kafka with the broker, and asks about the log-in without doing it.
func (w *way) greet(ctx context.Context, a address) outcome {
	if usesTLS(w.props) && w.secure.foreignKey {
		return ok("left to librdkafka, which can read the client's key")
	}
	conn, err := dial(ctx, a, w.props)
	if err != nil {
		return fail("%s", dialCause(err, a))
	}
	defer conn.Close()
	if usesTLS(w.props) {
		secured := tls.Client(conn, w.secure.config(a.host))
		if err := secured.HandshakeContext(ctx); err != nil {
			return fail("%s", w.alertCause(err))
		}
		conn = secured
	}
	if err := askVersions(conn); err != nil {
		return w.noKafka(a, err)
	}
	mechanism := ""
	if usesSASL(w.props) {
		mechanism = w.props["sasl.mechanisms"]
	}
	listener, err := askMechanism(conn, mechanism)
	if err != nil { // not every broker answers it; librdkafka will see
		return ok("it speaks Kafka's protocol")
	}
	return w.compare(listener)
}

// compare says whether the listener wants the log-in that the configuration has.
func (w *way) compare(l listener) outcome {
	offers := strings.Join(l.mechanisms, ", ")
	switch {
	case l.sasl && !usesSASL(w.props):
		return fail("this port wants a log-in (%s) and security.protocol is %s; set %s, sasl.mechanisms, sasl.username and sasl.password",
			offers, protocolOf(w.props), "sasl_"+protocolOf(w.props))
	case !l.sasl && usesSASL(w.props):
		return fail("this port takes no log-in and security.protocol is %s; set %s, or use the port of another listener",
			protocolOf(w.props), strings.TrimPrefix(protocolOf(w.props), "sasl_"))
	case l.sasl && !l.supported:
		return fail("the broker does not offer the mechanism %s here, only %s", w.props["sasl.mechanisms"], offers)
	case l.sasl:
		return ok("it speaks Kafka's protocol and offers %s", offers)
	}
	return ok("it speaks Kafka's protocol")
}

// noKafka says what is on a port where Kafka's protocol got no proper answer.
func (w *way) noKafka(a address, err error) outcome {
	var strange *strangeError
	switch {
	case errors.As(err, &strange) && strange.what != "":
		return fail("this is not Kafka: %s answers", strange.what)
	case isAlert(err):
		return fail("%s", w.alertCause(err))
	case !usesTLS(w.props) && w.speaksTLS(a):
		return fail("this port speaks TLS and security.protocol is %s; set %s", protocolOf(w.props), withTLS(protocolOf(w.props)))
	case strange == nil && w.speaksHTTP(a):
		return fail("this is not Kafka: an HTTP server answers")
	case strange != nil:
		return fail("this is not Kafka: its answer is not of Kafka's protocol")
	case isTimeout(err):
		return fail("it takes connections and answers nothing: not Kafka, or a broker that hangs")
	}
	return fail("it closes the connection instead of answering: not Kafka, or not for this protocol (%s)", protocolOf(w.props))
}

func withTLS(protocol string) string {
	if protocol == saslPlaintext {
		return saslSSL
	}
	return ssl
}

func withoutTLS(protocol string) string {
	if protocol == saslSSL {
		return saslPlaintext
	}
	return plaintext
}

// probeWait bounds the look at what else a port speaks.
const probeWait = 2 * time.Second

// probe looks at a port over a connection of its own.
func (w *way) probe(a address, look func(context.Context, net.Conn) error) error {
	ctx, cancel := context.WithTimeout(w.interrupt, probeWait)
	defer cancel()
	conn, err := dial(ctx, a, w.props)
	if err != nil {
		return err
	}
	defer conn.Close()
	return look(ctx, conn)
}

// speaksTLS tells whether a TLS server is on the port.
func (w *way) speaksTLS(a address) bool {
	err := w.probe(a, func(ctx context.Context, conn net.Conn) error {
		// Nothing is sent over it, and nothing believed: it is only seen what is there.
		return tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx)
	})
	return err == nil || isAlert(err)
}

// speaksPlainKafka tells whether Kafka without TLS is on the port.
func (w *way) speaksPlainKafka(a address) bool {
	err := w.probe(a, func(_ context.Context, conn net.Conn) error { return askVersions(conn) })
	return err == nil
}

// speaksHTTP tells whether an HTTP server is on the port. It says nothing before it
// understands what it is asked.
func (w *way) speaksHTTP(a address) bool {
	err := w.probe(a, func(_ context.Context, conn net.Conn) error {
		_, err := exchange(conn, []byte("GET / HTTP/1.0\r\n\r\n"))
		return err
	})
	var strange *strangeError
	return errors.As(err, &strange) && strange.what == httpServer
}
