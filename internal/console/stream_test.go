package console

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func serve(t *testing.T, c *Console) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	t.Cleanup(c.Close) // before the server, which waits for its requests
	return s
}

// listener reads a stream.
type listener struct {
	t    *testing.T
	in   *bufio.Reader
	last string // event's id
}

func listenTo(t *testing.T, s *httptest.Server, lastID string) *listener {
	t.Helper()
	req, err := http.NewRequest("GET", s.URL+Path+"records", nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	l := &listener{t: t, in: bufio.NewReader(resp.Body)}
	if e := l.next(); !strings.HasPrefix(e, "hello ") {
		t.Fatalf("it begins with %s", e)
	}
	return l
}

// next is the next event's name and data, "" at the end.
func (l *listener) next() string {
	l.t.Helper()
	name, data := "", ""
	for {
		line, err := l.in.ReadString('\n')
		if err != nil {
			return ""
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			l.last = value
		case "event":
			name = value
		case "data":
			data = value
		case "":
			return name + " " + data
		}
	}
}

func (l *listener) expect(events ...string) {
	l.t.Helper()
	for _, want := range events {
		if got := l.next(); !strings.HasPrefix(got, want) {
			l.t.Fatalf("got %.200q, want %q", got, want)
		}
	}
}

func add(c *Console, names ...string) {
	for _, name := range names {
		c.recent.add("record", []byte(name))
	}
}

func TestPageSeesWhatWasAndWhatComes(t *testing.T) {
	c := newTestConsole(t)
	s := serve(t, c)
	c.Record(message([]byte("k"), []byte("v")))
	one := listenTo(t, s, "")
	one.expect(`record {"topic":"orders","partition":3,"offset":42,`)
	c.Changed()
	add(c, "2")
	one.expect("routes {}", "record 2")
	two := listenTo(t, s, "")
	two.expect("record {", "routes", "record 2")
	add(c, "3")
	one.expect("record 3")
	two.expect("record 3")
}

func TestPageGoesOnAfterItsLastEvent(t *testing.T) {
	c := newTestConsole(t)
	s := serve(t, c)
	add(c, "1", "2", "3")
	one := listenTo(t, s, "")
	one.expect("record 1", "record 2")
	listenTo(t, s, one.last).expect("record 3")
	for _, strange := range []string{"x", "0.1", c.recent.boot + ".x", c.recent.boot + ".-1", c.recent.boot + ".18446744073709551615"} {
		listenTo(t, s, strange).expect("record 1")
	}
}

func TestPageIsToldWhatItMisses(t *testing.T) {
	c := newTestConsole(t)
	s := serve(t, c)
	add(c, "0")
	one := listenTo(t, s, "")
	one.expect("record 0")
	for i := range maxEvents + 20 {
		add(c, fmt.Sprint(i+1))
	}
	listenTo(t, s, one.last).expect(`lost {"count":20}`, "record 21", "record 22")
}

func TestNewestPagesAreServed(t *testing.T) {
	c := newTestConsole(t)
	s := serve(t, c)
	oldest := listenTo(t, s, "")
	others := make([]*listener, maxStreams)
	for i := range others {
		others[i] = listenTo(t, s, "")
	}
	oldest.expect("replaced {}")
	if e := oldest.next(); e != "" {
		t.Errorf("after that comes %s", e)
	}
	add(c, "1")
	for _, l := range others {
		l.expect("record 1")
	}
}

func TestClosingEndsStreams(t *testing.T) {
	c := newTestConsole(t)
	s := serve(t, c)
	one := listenTo(t, s, "")
	c.Close()
	if e := one.next(); e != "" {
		t.Errorf("it goes on with %s", e)
	}
	resp, err := http.Get(s.URL + Path + "records")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a new one is answered %s", resp.Status)
	}
}

// A browser that reads nothing holds up neither those who report records nor the end: if it did, this would not end.
func TestPageThatDoesNotReadBlocksNobody(t *testing.T) {
	c := newTestConsole(t)
	s := serve(t, c)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET %srecords HTTP/1.1\r\nHost: localhost\r\n\r\n", Path)
	big := make([]byte, 64<<10)
	for range 2000 {
		c.recent.add("record", big)
	}
	listenTo(t, s, "").expect("record ")
	c.Close()
	await.True(t, "the streams have ended", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.streams) == 0
	})
}
