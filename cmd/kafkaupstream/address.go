package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// addressFlag is an address to listen on, or a text for which there is another meaning.
type addressFlag struct {
	address *string
	other   func(text string) bool
}

// String is also asked of the zero value.
func (a addressFlag) String() string {
	if a.address == nil {
		return ""
	}
	return *a.address
}

func (a addressFlag) Set(text string) (err error) {
	if *a.address = text; !a.other(text) {
		*a.address, err = parseAddress(text)
	}
	return err
}

// addressVar is a flag for an address.
func addressVar(f *flags, address *string, name, value string, other func(text string) bool, usage string) {
	*address = value
	f.Var(addressFlag{address, other}, name, usage)
}

// The other meanings.
func isNone(text string) bool  { return text == "" }
func isUnix(text string) bool  { return strings.HasPrefix(text, unixPrefix) }
func noOther(text string) bool { return false }

// parseAddress reads an address to listen on: host:port, or a port alone, as 9190 or :9190, which is on the loopback interface.
// Another interface is used only where it is named, since what is served may be for nobody else.
func parseAddress(text string) (string, error) {
	address := text
	if !strings.Contains(address, ":") {
		address = ":" + address
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%.80q is no address: expected host:port, or a port for the loopback interface", text)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil && port == text:
		return "", fmt.Errorf("%.80q is no port: expected a number from 0 to 65535, or host:port", port)
	case err != nil:
		return "", fmt.Errorf("%.80q is no port: expected a number from 0 to 65535", port)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
}

// listenTCP listens on a flag's address.
func listenTCP(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("--%s: %s is in use: --%[1]s takes another address", flag, address)
	}
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return l, nil
}
