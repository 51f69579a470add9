package port

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
)

// Doubt is an error that keeps nothing from working, and that an operator should know of.
type Doubt string

func (d Doubt) Error() string { return string(d) }

// Stranger is an error about a port where something else than what was looked for answers.
type Stranger string

func (s Stranger) Error() string { return string(s) }

// Prober looks at ports with one route's properties. What its methods return is one line for
// an operator: what was found, or as an error what is wrong, a [Doubt] among them.
type Prober struct {
	interrupt context.Context // of the whole check; that of a method ends earlier
	props     kafkaconf.Properties
	secure    tlsSettings
}

// New makes a prober for properties without references. Its looks at what else a port speaks
// end with interrupt. The error says which of the ssl.* properties cannot be used.
func New(interrupt context.Context, props kafkaconf.Properties) (*Prober, error) {
	p := &Prober{interrupt: interrupt, props: props}
	if !props.UsesTLS() {
		return p, nil
	}
	var err error
	p.secure, err = newTLSSettings(props)
	return p, err
}

func (p *Prober) dial(ctx context.Context, a Address) (net.Conn, error) {
	return dial(ctx, p.props["broker.address.family"], a)
}

// Connect makes a connection and closes it.
func (p *Prober) Connect(ctx context.Context, a Address) (string, error) {
	conn, err := p.dial(ctx, a)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if remote := conn.RemoteAddr().String(); remote != a.String() {
		return "connected to " + remote, nil
	}
	return "connected", nil
}

// Handshake looks at the broker's certificate.
func (p *Prober) Handshake(ctx context.Context, a Address) (string, error) {
	conn, err := p.dial(ctx, a)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	secured := tls.Client(conn, p.secure.config(a.Host))
	if err := secured.HandshakeContext(ctx); err != nil {
		return "", p.noTLS(a, err)
	}
	state := secured.ConnectionState()
	return p.secure.judge(state.PeerCertificates, a.Host, tls.VersionName(state.Version), time.Now())
}

// noTLS says why there was no handshake.
func (p *Prober) noTLS(a Address, err error) error {
	protocol := p.props.Protocol()
	switch {
	case isAlert(err):
		return p.secure.alertCause(err)
	case p.speaksPlainKafka(a):
		return fmt.Errorf("this port speaks Kafka without TLS and security.protocol is %s; set %s, or use the port of a TLS listener",
			protocol, strings.Replace(protocol, "ssl", "plaintext", 1))
	case p.speaksHTTP(a):
		return errors.New("this is not Kafka: an HTTP server answers, without TLS")
	case isTimeout(err):
		return errors.New("it takes connections and does not answer the TLS handshake: not Kafka, or a broker that hangs")
	}
	return errors.New("this port does not speak TLS")
}

const speaksKafka = "it speaks Kafka's protocol"

// Greet speaks Kafka with the broker, and asks about the log-in without doing it.
func (p *Prober) Greet(ctx context.Context, a Address) (string, error) {
	conn, err := p.speak(ctx, a)
	switch {
	case err != nil:
		return "", err
	case conn == nil:
		return "left to librdkafka, which can read the client's key", nil
	}
	defer conn.Close()
	mechanism := ""
	if p.props.UsesSASL() {
		mechanism = p.props["sasl.mechanisms"]
	}
	listener, err := askMechanism(conn, mechanism)
	if err != nil { // not every broker answers it; librdkafka will see
		return speaksKafka, nil
	}
	return p.compare(listener)
}

// Speaks says why a port does not speak Kafka's protocol; nil where it does, or only librdkafka can see that.
func (p *Prober) Speaks(ctx context.Context, a Address) error {
	conn, err := p.speak(ctx, a)
	if conn != nil {
		conn.Close()
	}
	return err
}

// speak returns a connection to a port that speaks Kafka; nil where only librdkafka can make one.
func (p *Prober) speak(ctx context.Context, a Address) (_ net.Conn, err error) {
	if p.secure.foreignKey {
		return nil, nil
	}
	conn, err := p.dial(ctx, a)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	if p.props.UsesTLS() {
		secured := tls.Client(conn, p.secure.config(a.Host))
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, p.secure.alertCause(err)
		}
		conn = secured
	}
	if err := askVersions(conn); err != nil {
		return nil, p.noKafka(a, err)
	}
	return conn, nil
}

// compare says whether the listener wants the log-in that the configuration has.
func (p *Prober) compare(l listener) (string, error) {
	offers, protocol := strings.Join(l.mechanisms, ", "), p.props.Protocol()
	switch {
	case l.sasl && !p.props.UsesSASL():
		return "", fmt.Errorf("this port wants a log-in (%s) and security.protocol is %s; set sasl_%s, sasl.mechanisms, sasl.username and sasl.password",
			offers, protocol, protocol)
	case !l.sasl && p.props.UsesSASL():
		return "", fmt.Errorf("this port takes no log-in and security.protocol is %s; set %s, or use the port of another listener",
			protocol, strings.TrimPrefix(protocol, "sasl_"))
	case l.sasl && !l.supported:
		return "", fmt.Errorf("the broker does not offer the mechanism %s here, only %s", p.props["sasl.mechanisms"], offers)
	case l.sasl:
		return speaksKafka + " and offers " + offers, nil
	}
	return speaksKafka, nil
}

// noKafka says what is on a port where Kafka's protocol got no proper answer.
func (p *Prober) noKafka(a Address, err error) error {
	protocol := p.props.Protocol()
	strange, isStrange := errors.AsType[*strangeError](err)
	switch {
	case isStrange && strange.what != "":
		return Stranger("this is not Kafka: " + strange.what + " answers")
	case isAlert(err):
		return p.secure.alertCause(err)
	case !p.props.UsesTLS() && p.speaksTLS(a):
		return Stranger(fmt.Sprintf("this port speaks TLS and security.protocol is %s; set %s", protocol, strings.Replace(protocol, "plaintext", "ssl", 1)))
	case !isStrange && p.speaksHTTP(a):
		return Stranger("this is not Kafka: " + httpServer + " answers")
	case isStrange:
		return Stranger("this is not Kafka: its answer is not of Kafka's protocol")
	case isTimeout(err):
		return errors.New("it takes connections and answers nothing: not Kafka, or a broker that hangs")
	}
	return fmt.Errorf("it closes the connection instead of answering: not Kafka, or not for this protocol (%s)", protocol)
}

// probeWait bounds the look at what else a port speaks.
const probeWait = 2 * time.Second

// probe looks at a port over a connection of its own. The step that failed may have used up
// its time.
func (p *Prober) probe(a Address, look func(context.Context, net.Conn) error) error {
	ctx, cancel := context.WithTimeout(p.interrupt, probeWait)
	defer cancel()
	conn, err := p.dial(ctx, a)
	if err != nil {
		return err
	}
	defer conn.Close()
	return look(ctx, conn)
}

// speaksTLS reports whether a TLS server is on the port.
func (p *Prober) speaksTLS(a Address) bool {
	err := p.probe(a, func(ctx context.Context, conn net.Conn) error {
		// Nothing is sent over it, and nothing believed: it is only seen what is there.
		return tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx)
	})
	return err == nil || isAlert(err)
}

// speaksPlainKafka reports whether Kafka without TLS is on the port.
func (p *Prober) speaksPlainKafka(a Address) bool {
	return p.probe(a, func(_ context.Context, conn net.Conn) error { return askVersions(conn) }) == nil
}

// speaksHTTP reports whether an HTTP server is on the port. It says nothing before it
// understands what it is asked.
func (p *Prober) speaksHTTP(a Address) bool {
	err := p.probe(a, func(_ context.Context, conn net.Conn) error {
		_, err := exchange(conn, []byte("GET / HTTP/1.0\r\n\r\n"))
		return err
	})
	strange, ok := errors.AsType[*strangeError](err)
	return ok && strange.what == httpServer
}
