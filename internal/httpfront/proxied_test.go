package httpfront

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

const (
	v2Signature = "\r\n\r\n\x00\r\nQUIT\n"
	// v2Client is a header that says 192.0.2.9 is behind it.
	v2Client  = v2Signature + "\x21\x11\x00\x0c" + "\xc0\x00\x02\x09" + "\x7f\x00\x00\x01" + "\x10\x00\x00\x50"
	v2Local   = v2Signature + "\x20\x00\x00\x00" // a health check of the proxy's own
	v1Client  = "PROXY TCP6 2001:db8::9 ::1 4096 80\r\n"
	askSource = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nX-Forwarded-For: 9.9.9.9\r\n\r\nx"
)

func startProxied(t *testing.T, ranges ...string) *front {
	t.Helper()
	from, err := ParseProxies(ranges)
	if err != nil {
		t.Fatal(err)
	}
	b := bounds()
	b.HeaderTimeout = 200 * time.Millisecond
	return start(t, Options{Proxies: from, Bounds: b}, "  - {id: a, match: {path: /a}, topic: t, key: $src_ip}\n")
}

func TestProxyProtocolSaysWhoTheClientIs(t *testing.T) {
	f := startProxied(t, "10.0.0.0/8", "127.0.0.1")
	for name, c := range map[string]struct{ header, key string }{
		"version 2":                        {v2Client, "192.0.2.9"},
		"version 1":                        {v1Client, "2001:db8::9"},
		"version 2 with extensions":        {strings.Replace(v2Client, "\x00\x0c", "\x00\x14", 1) + "\x04\x00\x05hello", "192.0.2.9"},
		"version 2 with a wrong extension": {strings.Replace(v2Client, "\x00\x0c", "\x00\x0f", 1) + "\x04\xff\xff", "192.0.2.9"},
		"a connection of the proxy's":      {v2Local, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			f.kafka.records = nil
			conn := f.dial()
			if _, err := io.WriteString(conn, c.header+askSource); err != nil {
				t.Fatal(err)
			}
			if status, _, body := conn.reply(); status != 200 || f.kafka.last() != "t "+c.key+" x" {
				t.Error(status, body, f.kafka.last())
			}
			if _, err := io.WriteString(conn, askSource); err != nil { // there is one for a connection
				t.Fatal(err)
			}
			if status, _, body := conn.reply(); status != 200 || f.kafka.last() != "t "+c.key+" x" {
				t.Error(status, body, f.kafka.last())
			}
		})
	}
}

func TestProxyProtocolOfStrangersIsNoHTTP(t *testing.T) {
	f := startProxied(t, "10.0.0.0/8")
	for _, header := range []string{v1Client, v2Client} {
		c := f.dial()
		if _, err := io.WriteString(c, header+askSource); err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(c.r); strings.Contains(string(text), "200 OK") || f.kafka.last() != "" { // a reset, or 400
			t.Errorf("%q, record %q", text, f.kafka.last())
		}
	}
	if status, _, body := f.ask(strings.ReplaceAll(askSource, "\r\n", "\n")); status != 200 || f.kafka.last() != "t 127.0.0.1 x" {
		t.Error(status, body, f.kafka.last())
	}
}

// Whatever comes in place of a header, no record is made of it, the connection ends, and the server goes on.
func TestProxyProtocolWithHostileHeaders(t *testing.T) {
	f := startProxied(t, "127.0.0.1/32")
	for name, header := range map[string]string{
		"none":                        "",
		"a part of one, and silence":  v2Signature[:7],
		"an address that is cut off":  strings.Replace(v2Client, "\x00\x0c", "\x00\x04", 1),
		"a length that does not come": strings.Replace(v2Client, "\x00\x0c", "\xff\xff", 1),
		"an unknown version":          strings.Replace(v2Client, "\x21\x11", "\x31\x11", 1),
		"an unknown command":          strings.Replace(v2Client, "\x21\x11", "\x2f\x11", 1),
		"an unknown family":           strings.Replace(v2Client, "\x21\x11", "\x21\xf1", 1),
		"version 1 without an end":    "PROXY TCP4 " + strings.Repeat("1", 1<<16),
		"version 1 with no address":   "PROXY TCP4 a b c d\r\n",
		"version 1 with another's":    "PROXY TCP4 2001:db8::9 ::1 4096 80\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := f.dial()
			if _, err := io.WriteString(c, header+askSource); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
				t.Fatal(err)
			}
			if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(c.r); errors.Is(err, os.ErrDeadlineExceeded) || strings.Contains(string(text), "200 OK") {
				t.Errorf("%v: %q", err, text)
			}
		})
	}
	if f.kafka.last() != "" {
		t.Errorf("a record: %q", f.kafka.last())
	}
	await.Within(t, 20*time.Second, "all are closed", func() bool { return f.Stats().Connections == 0 })
	c := f.dial()
	if _, err := io.WriteString(c, v2Client+askSource); err != nil {
		t.Fatal(err)
	}
	if status, _, body := c.reply(); status != 200 {
		t.Error(status, body)
	}
	if err := c.Conn.(*net.TCPConn).Close(); err != nil {
		t.Fatal(err)
	}
}
