package port

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxReply is the longest answer that is read, in bytes. A list that kmsg reads has no more
// elements than the answer has bytes.
const maxReply = 64 << 10

// correlation is the number of every request here: there is one at a time.
const correlation = 0x6b757073

// strangeError is an answer that is not Kafka's; what says whose, if that is known.
type strangeError struct{ what string }

func (e *strangeError) Error() string { return "not an answer of Kafka" }

// ask sends a request of Kafka's protocol and reads its response.
func ask(conn net.Conn, request kmsg.Request, response kmsg.Response) error {
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID("kafkaupstream-check"))
	body, err := exchange(conn, formatter.AppendRequest(nil, request, correlation))
	if err != nil {
		return err
	}
	return decode(body, response)
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

// decode reads a response of the version that it has. It is Kafka's only if it encodes to the
// same bytes: kmsg reads a negative length as 0 and ignores what comes after the last field.
func decode(body []byte, response kmsg.Response) error {
	if response.ReadFrom(body) != nil || !bytes.Equal(response.AppendTo(nil), body) {
		return &strangeError{}
	}
	return nil
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

// askVersions asks for the versions that the broker knows (ApiVersions, version 0), which every
// one answers before anything else. What it answers does not matter.
func askVersions(conn net.Conn) error {
	return ask(conn, &kmsg.ApiVersionsRequest{}, &kmsg.ApiVersionsResponse{})
}

// listener is what a port of a broker wants.
type listener struct {
	sasl       bool
	supported  bool // the mechanism that was asked about
	mechanisms []string
}

// askMechanism asks whether the port takes a log-in by the mechanism (SaslHandshake, version
// 1). The broker closes the connection if it does not.
func askMechanism(conn net.Conn, mechanism string) (listener, error) {
	response := &kmsg.SASLHandshakeResponse{Version: 1}
	if err := ask(conn, &kmsg.SASLHandshakeRequest{Version: 1, Mechanism: mechanism}, response); err != nil {
		return listener{}, err
	}
	return listenerOf(response)
}

// listenerOf says what the answer to a SaslHandshake means. Its error codes are Kafka's.
func listenerOf(response *kmsg.SASLHandshakeResponse) (listener, error) {
	const unsupportedMechanism, illegalState = 33, 34
	switch code := response.ErrorCode; code {
	case 0, unsupportedMechanism:
		var names []string
		for _, name := range response.SupportedMechanisms {
			names = append(names, Printable(name))
		}
		slices.Sort(names)
		return listener{sasl: true, supported: code == 0, mechanisms: names}, nil
	case illegalState:
		return listener{}, nil
	default:
		return listener{}, fmt.Errorf("error code %d", code)
	}
}

// Printable is a broker's text as it can be shown: at most 64 characters of ASCII.
func Printable(text string) string {
	const most = 64
	shown := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return shown[:min(len(shown), most)]
}
