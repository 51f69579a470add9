package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Address is where a broker is said to be.
type Address struct{ Host, Port string }

func (a Address) String() string { return net.JoinHostPort(a.Host, a.Port) }

// LookUp returns the first five addresses of a host, separated by commas.
func LookUp(ctx context.Context, host string) (string, error) {
	found, err := net.DefaultResolver.LookupHost(ctx, host)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case err == nil:
		return strings.Join(found[:min(len(found), 5)], ", "), nil
	case isDNS && dns.IsNotFound:
		return "", errors.New("the name does not resolve: there is no such host")
	case isTimeout(err):
		return "", errors.New("the name does not resolve: no name server has answered in time")
	case isDNS:
		return "", fmt.Errorf("the name does not resolve: %s", dns.Err)
	}
	return "", fmt.Errorf("the name does not resolve: %w", err)
}

// dial connects as librdkafka would with this broker.address.family. The error says in an
// operator's words why there is no connection.
func dial(ctx context.Context, family string, a Address) (net.Conn, error) {
	network := map[string]string{"v4": "tcp4", "v6": "tcp6"}[family]
	if network == "" {
		network = "tcp"
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, a.String())
	if err != nil {
		return nil, dialCause(err, a)
	}
	// Reading must end with ctx, too.
	context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return conn, nil
}

// dialCause says why a connection was not made.
func dialCause(err error, a Address) error {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return errors.New("the name does not resolve here")
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("connection refused: nothing listens on port %s there; wrong port, or the broker is not running", a.Port)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return errors.New("there is no way from here to that address")
	case isTimeout(err):
		return errors.New("no answer in time: wrong address, or a firewall drops the packets")
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return fmt.Errorf("no connection: %w", err)
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || ok && n.Timeout()
}
