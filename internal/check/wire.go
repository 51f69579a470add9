package check

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
)

// This file speaks as much of Kafka's protocol (https://kafka.apache.org/protocol) as
// it takes to see that the other side speaks it too, and whether it wants a log-in.
// librdkafka knows both, and says "timed out".

// Requests.
const (
	keySaslHandshake = 17
	keyAPIVersions   = 18
)

// Error codes of a SaslHandshake.
const (
	codeUnsupportedMechanism = 33
	codeIllegalSASLState     = 34
)

// maxReply is the longest answer that is read, in bytes.
const maxReply = 64 << 10

// correlation is the number of every request here: there is one at a time.
const correlation = 0x6b757073

// strangeError is an answer that is not Kafka's; what says whose, if that is known.
type strangeError struct{ what string }

func (e *strangeError) Error() string { return "not an answer of Kafka" }

// request is a request with its length and header (version 1).
func request(key, version int16, body []byte) []byte {
	const client = "kafkaupstream-check"
	var b []byte
	b = binary.BigEndian.AppendUint32(b, uint32(8+2+len(client)+len(body)))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, correlation)
	b = binary.BigEndian.AppendUint16(b, uint16(len(client)))
	return append(append(b, client...), body...)
}

// exchange sends a request and returns the answer's body.
func exchange(conn net.Conn, request []byte) ([]byte, error) {
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	var head [8]byte
	if n, err := io.ReadFull(conn, head[:]); err != nil {
		if what := protocolName(head[:n]); what != "" {
			return nil, &strangeError{what}
		}
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:4])
	if size < 4 || size > maxReply || binary.BigEndian.Uint32(head[4:]) != correlation {
		return nil, &strangeError{protocolName(head[:])}
	}
	body := make([]byte, size-4)
	_, err := io.ReadFull(conn, body)
	return body, err
}

const httpServer = "an HTTP server"

// protocolName recognizes what often listens where Kafka is thought to be.
func protocolName(begin []byte) string {
	for text, name := range map[string]string{
		"HTTP/": httpServer, "SSH-": "an SSH server", "-ERR": "a Redis server", "220 ": "a mail or FTP server",
	} {
		if bytes.HasPrefix(begin, []byte(text)) {
			return name
		}
	}
	return ""
}

// askVersions asks for the versions that the broker knows, which every one answers
// before anything else. What it answers does not matter.
func askVersions(conn net.Conn) error {
	body, err := exchange(conn, request(keyAPIVersions, 0, nil))
	if err != nil {
		return err
	}
	return parseVersions(body)
}

// parseVersions reads an ApiVersions response of version 0: an error code, and a list of
// three 16-bit numbers each.
func parseVersions(body []byte) error {
	if len(body) < 6 {
		return &strangeError{}
	}
	if n := binary.BigEndian.Uint32(body[2:]); uint64(len(body)) != 6+6*uint64(n) {
		return &strangeError{}
	}
	return nil
}

// listener is what a port of a broker wants.
type listener struct {
	sasl       bool
	supported  bool // the mechanism that was asked about
	mechanisms []string
}

// askMechanism asks whether the port takes a log-in by the mechanism. The broker closes
// the connection if it does not.
func askMechanism(conn net.Conn, mechanism string) (listener, error) {
	text := binary.BigEndian.AppendUint16(nil, uint16(len(mechanism)))
	body, err := exchange(conn, request(keySaslHandshake, 1, append(text, mechanism...)))
	if err != nil {
		return listener{}, err
	}
	return parseHandshake(body)
}

// parseHandshake reads a SaslHandshake response: an error code and a list of texts.
func parseHandshake(body []byte) (listener, error) {
	if len(body) < 6 {
		return listener{}, &strangeError{}
	}
	code, rest := binary.BigEndian.Uint16(body), body[6:]
	var names []string
	for range min(binary.BigEndian.Uint32(body[2:]), uint32(len(rest)/2)) {
		if len(rest) < 2 {
			return listener{}, &strangeError{}
		}
		n := int(binary.BigEndian.Uint16(rest))
		if len(rest) < 2+n {
			return listener{}, &strangeError{}
		}
		names = append(names, printable(rest[2:2+n]))
		rest = rest[2+n:]
	}
	slices.Sort(names)
	switch code {
	case 0:
		return listener{sasl: true, supported: true, mechanisms: names}, nil
	case codeUnsupportedMechanism:
		return listener{sasl: true, mechanisms: names}, nil
	case codeIllegalSASLState:
		return listener{}, nil
	}
	return listener{}, errors.New(fmt.Sprint("error code ", code))
}

// printable is a text of a broker as it can be shown.
func printable(text []byte) string {
	const most = 64
	shown := bytes.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return string(shown[:min(len(shown), most)])
}
