package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/operator"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

func socketOf(dir string) string { return filepath.Join(dir, "control.sock") }

func TestControlSocketIsThereWhileTheOwnerIs(t *testing.T) {
	dir := t.TempDir()
	first := startQueue(t, dir, durable.Options{}).await()
	dial(t, dir)
	info, err := os.Lstat(socketOf(dir))
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("%v, %v", info, err)
	}
	second := startQueue(t, dir, durable.Options{})
	if now, err := os.Lstat(socketOf(dir)); err != nil || !os.SameFile(info, now) {
		t.Errorf("a process that does not own the spool has replaced the socket: %v", err)
	}
	first.Close()
	second.await()
	dial(t, dir)
	second.Close()
	if left, _ := filepath.Glob(filepath.Join(dir, "*.sock")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := Dial(t.Context(), dir); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("after the end: %v", err)
	}
}

// deadSocket leaves what a process leaves that is killed.
func deadSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

func TestControlSocketOfADeadProcessIsReplaced(t *testing.T) {
	dir := t.TempDir()
	deadSocket(t, socketOf(dir))
	deadSocket(t, filepath.Join(dir, newName))
	startQueue(t, dir, durable.Options{})
	dial(t, dir)
}

func TestControlRemovesItsOwnSocketOnly(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, durable.Options{})
	dial(t, dir)
	if err := os.Remove(socketOf(dir)); err != nil {
		t.Fatal(err)
	}
	deadSocket(t, socketOf(dir))
	g.Close()
	if _, err := os.Lstat(socketOf(dir)); err != nil {
		t.Error(err)
	}
}

func TestControlSocketInADirectoryWithALongName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40), strings.Repeat("longer", 30))
	startQueue(t, dir, durable.Options{})
	if _, err := dial(t, dir).Streams(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestControlWithoutASocketLeavesEverythingElseWorking(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	if err := os.WriteFile(socketOf(dir), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := startQueue(t, dir, durable.Options{}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	b.Block()
	g.Want("kept", conn, "t", "1", durabletest.Soon)
	b.Release()
	await.True(t, "nothing is on disk", func() bool {
		stats, err := g.Queue.Stats()
		return err == nil && stats.Records == 0
	})
	durabletest.Ascending(t, b.Values(t, "t", 2))
	g.Close()
	if n := strings.Count(g.Log.String(), "no socket can be made"); n != 1 {
		t.Errorf("it was logged %d times", n)
	}
	if text, err := os.ReadFile(socketOf(dir)); string(text) != "a file" {
		t.Errorf("what was in the way is %q now, %v", text, err)
	}
}

// raw sends bytes to the socket and returns what comes back.
func raw(t *testing.T, dir, text string) string {
	t.Helper()
	conn, err := net.Dial("unix", socketOf(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		return "" // it was hung up on
	}
	_ = conn.(*net.UnixConn).CloseWrite() // where the other end is gone, reading tells
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

func post(path, body string) string {
	return fmt.Sprintf("POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", path, len(body), body)
}

func TestControlGarbageOnTheSocketChangesNothing(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := durabletest.Connect(t, durabletest.Nobody)
	g.Want("kept", conn, "t", "0", durabletest.Soon)
	c := dial(t, dir)
	id := g.Queue.StreamOf(conn, durable.DeadLetter).ID
	if _, err := c.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		says, text string
		want       string // in the answer
	}{
		{"no HTTP", "\x00\xff\x16\x03\x01garbage\r\n\r\n", "400"},
		{"a path that is none", post("lock", "{}"), "404"},
		{"no JSON", post("drop", "stream="+id), "400 Bad Request"},
		{"half of it", post("drop", `{"stream":"`), "400 Bad Request"},
		{"two objects", post("drop", `{"stream":"`+id+`","pending":true}{}`), "more than one JSON object"},
		{"something behind it", post("drop", `{"stream":"`+id+`","pending":true} x`), "more than one JSON object"},
		{"an unknown key, which may have been meant to say less", post("drop", `{"stream":"`+id+`","pending":true,"only":1}`), "unknown field"},
		{"a wrong type", post("drop", `{"stream":["`+id+`"],"pending":true}`), "400 Bad Request"},
		{"null", post("drop", `null`), "there is no stream"},
		{"a wrong method", "GET /drop HTTP/1.0\r\n\r\n", "405"},
		{"a stream that is a path", post("drop", `{"stream":"../../etc","pending":true}`), "there is no stream"},
		{"a body without end", "POST /drop HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n", "400 Bad Request"},
		{"a body that is too long", post("drop", `{"stream":"`+strings.Repeat("x", 2*maxBody)+`"}`), ""},
		{"a limit below nothing", post("show", `{"stream":"`+id+`","pending":true,"limit":-1}`), "not negative"},
	}
	for _, tc := range cases {
		t.Run(tc.says, func(t *testing.T) {
			if got := raw(t, dir, tc.text); !strings.Contains(got, tc.want) || strings.Contains(got, " 200 ") {
				t.Errorf("answered %.200q, want %q", got, tc.want)
			}
		})
	}
	if info := infoOf(t, c, id); info.Pending != 1 || info.Suspension == nil {
		t.Errorf("now it is %+v", info)
	}
}

func TestControlGivesAwayNoPropertyButTheBrokers(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn, err := kafkaconf.New(kafkaconf.Properties{
		"bootstrap.servers": durabletest.Nobody, "sasl.password": "hush", "client.id": "whoever",
	}, record.Mode{Delivery: record.Durable})
	if err != nil {
		t.Fatal(err)
	}
	g.Want("kept", conn, "t", "0", durabletest.Soon)
	c := dial(t, dir)
	infos, err := c.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(infos)
	if s := string(text); strings.Contains(s, "hush") || strings.Contains(s, "whoever") || !strings.Contains(s, durabletest.Nobody) {
		t.Errorf("listed: %s", s)
	}
}

// What was done before the process ended is known to nobody else.
func TestControlEndsWithAReplyToTheOperationThatItEnds(t *testing.T) {
	dir := t.TempDir()
	made, err := listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	begun, ended := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /alive", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("POST /drop", operation(func(ctx context.Context, _ operator.Selection) (operator.Done, error) {
		close(begun)
		select {
		case <-ended:
		case <-ctx.Done(): // the connection is gone
		}
		return operator.Done{Records: 500}, durable.ErrStopping
	}))
	s := serve(made, mux, slog.New(slog.DiscardHandler))
	s.http.RegisterOnShutdown(func() { close(ended) })
	c := dial(t, dir)
	go func() {
		<-begun
		s.close()
	}()
	done, err := c.Drop(t.Context(), operator.Selection{Stream: "a"})
	if done.Records != 500 || err == nil || err.Error() != durable.ErrStopping.Error() {
		t.Errorf("%+v, %v", done, err)
	}
}

// A person reads a long list screen by screen.
func TestControlGivesTheReaderOfAListAllTime(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := durabletest.Connect(t, durabletest.Nobody)
	g.Want("kept", conn, "t", "first", durabletest.Soon)
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	show(operator.New(g.Queue), w, httptest.NewRequestWithContext(t.Context(), "POST", "/show", nil),
		operator.ShowRequest{Selection: operator.Selection{Stream: g.Queue.StreamOf(conn, durable.DeadLetter).ID, Pending: true}})
	if w.set > 0 || !strings.Contains(w.Body.String(), "first") {
		t.Errorf("%d deadlines, and %s", w.set, w.Body)
	}
}

// deadlines counts the deadlines for writing.
type deadlines struct {
	*httptest.ResponseRecorder
	set int
}

func (d *deadlines) SetWriteDeadline(time.Time) error {
	d.set++
	return nil
}

func TestControlEndsAlthoughAReplyIsNotRead(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := durabletest.Connect(t, durabletest.Nobody)
	id := g.Queue.StreamOf(conn, durable.DeadLetter).ID
	for range 10 {
		g.Want("kept", conn, "t", strings.Repeat("x", 1<<20-100), durabletest.Soon)
	}
	dial(t, dir)
	idle, err := net.Dial("unix", socketOf(dir)) // says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	deaf, err := net.Dial("unix", socketOf(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	if _, err := io.WriteString(deaf, post("show", `{"stream":"`+id+`","pending":true}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(deaf, make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	start := time.Now()
	g.Close()
	if took := time.Since(start); took > writeWait/2 {
		t.Errorf("the end took %v", took)
	}
}
