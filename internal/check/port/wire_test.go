package port

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// answering is a connection whose other side answers each request with the bytes.
func answering(t *testing.T, answer string) net.Conn {
	t.Helper()
	here, there := net.Pipe()
	go func() {
		defer there.Close()
		request := make([]byte, 4096)
		if _, err := there.Read(request); err == nil {
			_, _ = io.Copy(there, strings.NewReader(answer))
		}
	}()
	t.Cleanup(func() { here.Close() })
	return here
}

// framed is a response with its length and the requests' number.
func framed(body string) string {
	return fmt.Sprintf("%s%s", []byte{0, 0, 0, byte(4 + len(body)), 0x6b, 0x75, 0x70, 0x73}, body)
}

func TestWhatAnswersWhereKafkaIsThoughtToBe(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   string // "" for Kafka, else of whom the strange answer is, "?" for unknown
	}{
		"a broker":                   {framed("\x00\x00\x00\x00\x00\x01\x00\x03\x00\x00\x00\x0c"), ""},
		"a broker of a later time":   {framed("\x00\x23\x00\x00\x00\x00"), ""},
		"a web server":               {"HTTP/1.1 400 Bad Request\r\n\r\n", httpServer},
		"a short answer of one":      {"HTTP/", httpServer},
		"an SSH server":              {"SSH-2.0-OpenSSH_9\r\n", "an SSH server"},
		"noise":                      {"0123456789", "?"},
		"another request's answer":   {"\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00", "?"},
		"a length beyond any":        {"\x7f\xff\xff\xff\x6b\x75\x70\x73", "?"},
		"a length that is too short": {"\x00\x00\x00\x01\x6b\x75\x70\x73", "?"},
		"a list that is cut off":     {framed("\x00\x00\x00\x00\x00\x02\x00\x03\x00\x00\x00\x0c"), "?"},
	} {
		err := askVersions(answering(t, c.answer))
		var strange *strangeError
		switch {
		case c.want == "" && err != nil, c.want != "" && !errors.As(err, &strange):
			t.Errorf("%s: %v", name, err)
		case strange != nil && c.want != "?" && strange.what != c.want:
			t.Errorf("%s: %q", name, strange.what)
		}
	}
	if err := askVersions(answering(t, "")); !errors.Is(err, io.EOF) {
		t.Errorf("a closed connection: %v", err)
	}
}

// parseHandshake is what becomes of the answer to a SaslHandshake.
func parseHandshake(body []byte) (listener, error) {
	response := &kmsg.SASLHandshakeResponse{Version: 1}
	if err := decode(body, response); err != nil {
		return listener{}, err
	}
	return listenerOf(response)
}

func TestWhatAListenerWants(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"the mechanism":          {"\x00\x00\x00\x00\x00\x01\x00\x05PLAIN", "{true true [PLAIN]}"},
		"another mechanism":      {"\x00\x21\x00\x00\x00\x02\x00\x01b\x00\x01a", "{true false [a b]}"},
		"no log-in":              {"\x00\x22\x00\x00\x00\x00", "{false false []}"},
		"control characters":     {"\x00\x21\x00\x00\x00\x01\x00\x04a\x1b\nb", "{true false [a??b]}"},
		"another error":          {"\x00\x07\x00\x00\x00\x00", "error code 7"},
		"a list that is cut off": {"\x00\x00\x00\x00\x00\x02\x00\x01a\x00", "not an answer of Kafka"},
		"more than its list":     {"\x00\x00\x00\x00\x00\x01\x00\x01a\x00", "not an answer of Kafka"},
		"a negative length":      {"\x00\x00\xff\xff\xff\xff", "not an answer of Kafka"},
		"a text that is cut off": {"\x00\x00\x00\x00\x00\x01\x00\x09a", "not an answer of Kafka"},
		"nothing":                {"", "not an answer of Kafka"},
	} {
		l, err := parseHandshake([]byte(c.body))
		got := fmt.Sprint(l)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("\x00\x21\x00\x00\x00\x02\x00\x01b\x00\x01a"))
	f.Add([]byte("\x00\x00\xff\xff\xff\xff\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		l, err := parseHandshake(body)
		if err != nil && len(l.mechanisms) > 0 {
			t.Error("an error and mechanisms")
		}
		for _, m := range l.mechanisms {
			if len(m) > 64 || strings.ContainsFunc(m, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q", m)
			}
		}
		_ = decode(body, &kmsg.ApiVersionsResponse{})
	})
}
