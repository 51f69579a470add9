package httpfront

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// inUse is the memory that the process has in use, in bytes, without garbage.
func inUse() int {
	runtime.GC()
	runtime.GC() // what pools have kept at the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// Twice of what docs/serve.md says of an idle connection: a client's end of it is in the number here, and what the race
// detector adds.
func TestIdleConnectionCostsLittleMemory(t *testing.T) {
	b := bounds()
	b.Connections = 1000
	f := start(t, Options{Bounds: b}, anyRoute)
	before := inUse()
	conns := make([]net.Conn, b.Connections)
	for i := range conns {
		c := f.dial()
		if status, _, body := c.ask("POST /a HTTP/1.1\nHost: h\nContent-Length: 1\n\nx"); status != 200 {
			t.Fatal(status, body)
		}
		conns[i] = c.Conn
	}
	each := (inUse() - before) / len(conns)
	t.Logf("%d bytes each", each)
	if each > 40<<10 {
		t.Errorf("an idle connection takes %d bytes", each)
	}
	runtime.KeepAlive(conns)
}

// Bytes that trickle in do not put the end of a header's time off.
func TestSlowHeadersAreCutOff(t *testing.T) {
	b := bounds()
	b.HeaderTimeout = 100 * time.Millisecond
	f := start(t, Options{Bounds: b}, anyRoute)
	var slow sync.WaitGroup
	for range 50 {
		c := f.dial()
		slow.Go(func() {
			text := "POST /a HTTP/1.1\r\nX: "
			for {
				if _, err := io.WriteString(c, text); err != nil {
					return // it is closed
				}
				text = "x"
				if err := c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
					t.Error(err)
					return
				}
				if _, err := c.r.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
					return
				}
			}
		})
	}
	slow.Wait()
	await.Within(t, 20*time.Second, "all are closed", func() bool { return f.Stats().Connections == 0 })
	if status, _, body := f.ask("POST /a HTTP/1.1\nHost: h\nContent-Length: 1\nConnection: close\n\nx"); status != 200 {
		t.Error(status, body)
	}
}

// fewBytes is a listener whose connections keep few bytes that the peer does not take.
type fewBytes struct{ net.Listener }

func (l fewBytes) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return c, err
}

// A client that takes no reply would keep its connection, and hold up the end of the server, for ever.
func TestClientThatTakesNoReplyIsCutOff(t *testing.T) {
	for name, text := range map[string]string{
		"of HTTP/1.1": strings.Repeat("POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", 1000),
		"of HTTP/2":   "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00" + strings.Repeat("\x00\x00\x08\x06\x00\x00\x00\x00\x00ping....", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			b := bounds()
			b.IdleTimeout = 200 * time.Millisecond
			f := startOn(t, Options{Bounds: b}, anyRoute, func(l net.Listener) net.Listener { return fewBytes{l} })
			c := f.dial()
			if err := c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
				t.Fatal(err)
			}
			connected := func(n int64) func() bool { return func() bool { return f.Stats().Connections == n } }
			await.Within(t, 20*time.Second, "the server has the connection", connected(1))
			var sending sync.WaitGroup
			sending.Go(func() {
				for { // until the connection is closed, of which a client that waits learns late
					if _, err := io.WriteString(c, text); err != nil {
						return
					}
				}
			})
			await.Within(t, 20*time.Second, "the server has cut it off", connected(0))
			c.Close()
			sending.Wait()
		})
	}
}

// frame is one of HTTP/2, of a kind with flags.
func frame(kind, flags byte, stream uint32, payload string) string {
	head := binary.BigEndian.AppendUint32([]byte{0, 0, 0, kind, flags}, stream)
	head[0], head[1], head[2] = byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload))
	return string(head) + payload
}

// noWindow begins a connection of HTTP/2 whose client lets no byte of a reply be sent.
var noWindow = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, "\x00\x04\x00\x00\x00\x00") // SETTINGS_INITIAL_WINDOW_SIZE 0

// post2 is a request of HTTP/2: method, scheme, path, authority, content type, and a body of 16 kB at most in each frame.
func post2(stream uint32, body string) string {
	text := frame(1, 4, stream, "\x83\x86\x44\x02/a\x41\x01h\x5f\x10application/json")
	for len(body) > 16<<10 {
		text, body = text+frame(0, 0, stream, body[:16<<10]), body[16<<10:]
	}
	return text + frame(0, 1, stream, body)
}

// batches is a route for bodies of many records, manyRecords one whose reply is long.
const batches = "  - {id: a, match: {path: /a}, topic: t, batch: true}\n"

var manyRecords = "[" + strings.Repeat("1,", 1999) + "1]"

// A client of HTTP/2 that reads, and lets no reply be sent, would keep each of its requests for ever.
func TestStreamThatTakesNoReplyIsCutOff(t *testing.T) {
	b := bounds()
	b.IdleTimeout = 200 * time.Millisecond
	f := start(t, Options{Bounds: b}, batches)
	// A reply that is sent at the handler's end, and one that is too large for that.
	bodies := append(slices.Repeat([]string{"[1]"}, 10), slices.Repeat([]string{manyRecords}, 10)...)
	text := noWindow
	for i, body := range bodies {
		text += post2(uint32(2*i+1), body)
	}
	c := f.dial()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut < len(bodies); {
		var head [9]byte
		if _, err := io.ReadFull(c.r, head[:]); err != nil {
			t.Fatalf("%d of %d are cut off: %v", cut, len(bodies), err)
		}
		if head[3] == 3 { // RST_STREAM
			cut++
		}
		if _, err := c.r.Discard(int(head[0])<<16 | int(head[1])<<8 | int(head[2])); err != nil {
			t.Fatal(err)
		}
	}
	await.Within(t, 20*time.Second, "all handlers have ended", func() bool { return f.kafka.holds() == 0 })
	f.kafka.mu.Lock()
	defer f.kafka.mu.Unlock()
	if want := 10*1 + 10*2000; len(f.kafka.records) != want {
		t.Errorf("%d records instead of %d", len(f.kafka.records), want)
	}
}

// taker is a client that takes a reply as it does.
type taker struct {
	http.ResponseWriter
	take func()
}

func (w taker) Write(b []byte) (int, error) {
	w.take()
	return w.ResponseWriter.Write(b)
}

// Their memory is given back by then, and a client takes its time.
func TestBodyAndHeaderAreGoneBeforeTheReplyIsTaken(t *testing.T) {
	r := &request{body: make([]byte, 0, keptBytes+1), http: &http.Request{Header: http.Header{"X": {"y"}}}}
	body, header := true, true
	r.reply = taker{httptest.NewRecorder(), func() { body, header = r.body != nil, r.http.Header != nil }}
	r.write(kafkaupstream.Reply{Status: 200})
	if body || header {
		t.Error("they are there:", body, header)
	}
}

// A line of four bytes takes a hundred. The reply does not wait for the body.
func TestHeaderOfManyLinesIsRefused(t *testing.T) {
	f := start(t, Options{}, anyRoute)
	lines := func(n int) (text string) {
		for i := range n {
			text += fmt.Sprintf("a%d:\n", i)
		}
		return text + strings.Repeat("a:\n", maxHeaderLines-n) // lines of one name count, too
	}
	for name, ask := range map[string]struct {
		path, lines string
		status      int
	}{
		"as many as may be":         {"/a", lines(100), 200},
		"one more":                  {"/a", lines(100) + "Content-Length: 1\n", 431},
		"one more, without a route": {"//..", lines(100) + "Content-Length: 1\n", 431},
	} {
		if status, _, body := f.ask("POST " + ask.path + " HTTP/1.1\nHost: h\n" + ask.lines + "\n"); status != ask.status || status != 200 && !strings.Contains(body, "more than 200 lines") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// A client can be slow to send its body, and the header is kept until then.
func TestLargeHeaderCountsAsMemory(t *testing.T) {
	f := start(t, Options{}, anyRoute)
	ask := func(size int) *conn {
		c := f.dial()
		c.send("POST /a HTTP/1.1\nHost: h\nA: " + strings.Repeat("x", size) + "\nContent-Length: 2\n\nx")
		return c
	}
	ask(freeHeader / 2)
	await.Within(t, 20*time.Second, "the first is being read", func() bool { return f.awaited.Load() == 1 })
	c := ask(freeHeader)
	await.Within(t, 20*time.Second, "the header of the second is counted", func() bool { return f.kafka.holds() > freeHeader })
	if held := f.kafka.holds(); held > 2*freeHeader {
		t.Errorf("%d bytes are held", held)
	}
	f.kafka.mu.Lock()
	f.kafka.room = f.kafka.held
	f.kafka.mu.Unlock()
	if status, _, body := ask(freeHeader).ask("x"); status != 503 {
		t.Error(status, body)
	}
	if status, _, body := c.ask("x"); status != 200 {
		t.Error(status, body)
	}
	await.Within(t, 20*time.Second, "its memory is given back", func() bool { return f.kafka.holds() == 0 })
}

// net/http lets each connection of HTTP/2 have a hundred requests and more: all together are bounded as connections are.
func TestRequestsUnderWayAreBounded(t *testing.T) {
	b := bounds()
	b.Connections = 10
	f := start(t, Options{Bounds: b}, batches)
	text := noWindow
	const streams = 50
	for i := range streams {
		text += frame(1, 5, uint32(2*i+1), "\x83\x86\x44\x02/z\x41\x01h") // POST /z, which no route takes
	}
	c := f.dial()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// A reply that waits for the client has a body, which would come in a frame of its own; those that are refused end with their header.
	ended, headers := 0, 0
	for headers < streams {
		var head [9]byte
		if _, err := io.ReadFull(c.r, head[:]); err != nil {
			t.Fatalf("%d replies, %d of them ended: %v", headers, ended, err)
		}
		if head[3] == 1 {
			headers++
			if head[4]&1 != 0 {
				ended++
			}
		}
		if _, err := c.r.Discard(int(head[0])<<16 | int(head[1])<<8 | int(head[2])); err != nil {
			t.Fatal(err)
		}
	}
	if ended != streams-b.Connections {
		t.Errorf("%d of %d requests are refused", ended, streams)
	}
}

// Of a request that is refused before its body is read, HTTP/2 would keep the body for as long as the client takes no reply.
func TestBodyThatNobodyReadsIsNotKept(t *testing.T) {
	f := start(t, Options{}, batches)
	const connections, size = 20, 900 << 10
	before := inUse()
	text := noWindow + frame(1, 4, 1, "\x83\x86\x44\x02/z\x41\x01h") // POST /z, which no route takes
	for range size / (16 << 10) {
		text += frame(0, 0, 1, strings.Repeat("x", 16<<10))
	}
	text += frame(6, 0, 0, "12345678") // PING: its answer comes when all of that has come
	for range connections {
		c := f.dial()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		for answered := false; !answered; {
			var head [9]byte
			if _, err := io.ReadFull(c.r, head[:]); err != nil {
				t.Fatal(err)
			}
			answered = head[3] == 6
			if _, err := c.r.Discard(int(head[0])<<16 | int(head[1])<<8 | int(head[2])); err != nil {
				t.Fatal(err)
			}
		}
	}
	await.Within(t, 20*time.Second, "all are answered", func() bool { return f.answered.Load() == connections })
	if each := (inUse() - before) / connections; each > size/4 {
		t.Errorf("each takes %d bytes", each)
	}
}

// A long reply takes memory that requests have a bound for, for as long as its client takes its time.
func TestReplyThatIsNotTakenCountsAsMemory(t *testing.T) {
	f := startOn(t, Options{}, batches, func(l net.Listener) net.Listener { return fewBytes{l} })
	ask := func(c *conn) {
		if _, err := fmt.Fprintf(c, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(manyRecords), manyRecords); err != nil {
			t.Fatal(err)
		}
	}
	c := f.dial()
	ask(c)
	_, _, body := c.reply()
	await.Within(t, 20*time.Second, "a reply that is taken takes nothing", func() bool { return f.kafka.holds() == 0 })

	slow := f.dial()
	if err := slow.Conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	ask(slow)
	await.Within(t, 20*time.Second, "the request is answered", func() bool { return f.answered.Load() == 2 })
	if held := f.kafka.holds(); held < len(body) || held > 3*len(body) {
		t.Errorf("%d bytes are held for a reply of %d", held, len(body))
	}
	slow.Close()
	await.Within(t, 20*time.Second, "the client has gone", func() bool { return f.kafka.holds() == 0 })
}

// A client that promises large bodies and does not send them is not to take the memory that others need.
func TestBodyTakesTheMemoryOfWhatHasCome(t *testing.T) {
	b := bounds()
	b.Connections = 2000
	f := start(t, Options{Bounds: b}, anyRoute)
	const size = 900 << 10
	f.kafka.room = 2 * size
	const many, few = 500, 10
	for range many {
		f.dial().send(fmt.Sprintf("POST /a HTTP/1.1\nHost: h\nContent-Length: %d\n\nx", size))
	}
	for range few {
		f.dial().send("POST /a HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n1\nx\n")
	}
	await.Within(t, 20*time.Second, "all are being read", func() bool { return f.awaited.Load() == many+few })
	if held := f.kafka.holds(); held > 0 {
		t.Errorf("%d bytes are held for bodies of which one byte has come", held)
	}
	c := f.dial()
	c.send(fmt.Sprintf("POST /a HTTP/1.1\nHost: h\nContent-Length: %d\n\n%s", size, strings.Repeat("x", size)))
	if status, _, body := c.reply(); status != 200 {
		t.Error(status, body)
	}
}

// However many large bodies of unknown length come at once, what is taken for them stays within the bound.
func TestChunkedBodiesStayWithinTheBoundOfMemory(t *testing.T) {
	f := start(t, Options{}, anyRoute)
	const size = 900 << 10
	f.kafka.room = 8 * size
	text := fmt.Sprintf("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, strings.Repeat("x", size))
	var clients sync.WaitGroup
	for range 64 {
		c := f.dial()
		clients.Go(func() {
			go func() { _, _ = io.WriteString(c, text) }() // a refused body is not read
			reply, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				return // the connection was closed before the reply was read
			}
			defer reply.Body.Close()
			if reply.StatusCode != 200 && reply.StatusCode != 503 {
				t.Error(reply.Status)
			}
		})
	}
	clients.Wait()
	await.Within(t, 20*time.Second, "all memory is given back", func() bool { return f.kafka.holds() == 0 })
	f.kafka.mu.Lock()
	defer f.kafka.mu.Unlock()
	if f.kafka.most > f.kafka.room || f.kafka.most < size {
		t.Errorf("%d bytes were taken at most, of %d", f.kafka.most, f.kafka.room)
	}
}
