package check

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
)

// address is where a broker is said to be.
type address struct{ host, port string }

func (a address) String() string { return net.JoinHostPort(a.host, a.port) }

// maxAddresses bounds what is looked at of a list of brokers.
const maxAddresses = 50

// bootstrap returns the addresses that librdkafka tries of bootstrap.servers.
func (w *way) bootstrap() (all []address) {
	for _, b := range kafkaconf.Brokers(w.props["bootstrap.servers"], w.props.Protocol()) {
		if !b.Unusable {
			all = append(all, address{b.Host, b.Port})
		}
	}
	return all[:min(len(all), maxAddresses)]
}

// network looks at the way to the brokers that the configuration names. One that can
// be reached is enough to go on.
func (w *way) network(ctx context.Context) {
	addresses := []address{{}} // one line for what is skipped
	if w.blocked == "" {
		if addresses = w.bootstrap(); len(addresses) == 0 {
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
func dial(ctx context.Context, a address, props kafkaconf.Properties) (net.Conn, error) {
	network := "tcp"
	switch props["broker.address.family"] {
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
