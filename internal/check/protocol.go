package check

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
)

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
			offers, w.props.Protocol(), "sasl_"+w.props.Protocol())
	case !l.sasl && usesSASL(w.props):
		return fail("this port takes no log-in and security.protocol is %s; set %s, or use the port of another listener",
			w.props.Protocol(), strings.TrimPrefix(w.props.Protocol(), "sasl_"))
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
		return fail("this port speaks TLS and security.protocol is %s; set %s", w.props.Protocol(), withTLS(w.props.Protocol()))
	case strange == nil && w.speaksHTTP(a):
		return fail("this is not Kafka: an HTTP server answers")
	case strange != nil:
		return fail("this is not Kafka: its answer is not of Kafka's protocol")
	case isTimeout(err):
		return fail("it takes connections and answers nothing: not Kafka, or a broker that hangs")
	}
	return fail("it closes the connection instead of answering: not Kafka, or not for this protocol (%s)", w.props.Protocol())
}

// protocols are what security.protocol can be, as librdkafka writes it.
const (
	plaintext     = "plaintext"
	ssl           = "ssl"
	saslPlaintext = "sasl_plaintext"
	saslSSL       = "sasl_ssl"
)

func usesTLS(props kafkaconf.Properties) bool {
	p := props.Protocol()
	return p == ssl || p == saslSSL
}

func usesSASL(props kafkaconf.Properties) bool {
	p := props.Protocol()
	return p == saslPlaintext || p == saslSSL
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

// speaksTLS reports whether a TLS server is on the port.
func (w *way) speaksTLS(a address) bool {
	err := w.probe(a, func(ctx context.Context, conn net.Conn) error {
		// Nothing is sent over it, and nothing believed: it is only seen what is there.
		return tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx)
	})
	return err == nil || isAlert(err)
}

// speaksPlainKafka reports whether Kafka without TLS is on the port.
func (w *way) speaksPlainKafka(a address) bool {
	err := w.probe(a, func(_ context.Context, conn net.Conn) error { return askVersions(conn) })
	return err == nil
}

// speaksHTTP reports whether an HTTP server is on the port. It says nothing before it
// understands what it is asked.
func (w *way) speaksHTTP(a address) bool {
	err := w.probe(a, func(_ context.Context, conn net.Conn) error {
		_, err := exchange(conn, []byte("GET / HTTP/1.0\r\n\r\n"))
		return err
	})
	var strange *strangeError
	return errors.As(err, &strange) && strange.what == httpServer
}
