package durable

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/notify"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func socketOf(dir string) string { return filepath.Join(dir, "control.sock") }

func TestTheSocketIsThereWhileTheOwnerIs(t *testing.T) {
	dir := t.TempDir()
	first := startQueue(t, dir, Options{}).await()
	dial(t, dir)
	info, err := os.Lstat(socketOf(dir))
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("%v, %v", info, err)
	}
	second := startQueue(t, dir, Options{})
	if now, err := os.Lstat(socketOf(dir)); err != nil || !os.SameFile(info, now) {
		t.Errorf("a process that does not own the spool has replaced the socket: %v", err)
	}
	first.close()
	second.await()
	dial(t, dir)
	second.close()
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

func TestTheSocketOfADeadProcessIsReplaced(t *testing.T) {
	dir := t.TempDir()
	deadSocket(t, socketOf(dir))
	deadSocket(t, filepath.Join(dir, controlNew))
	startQueue(t, dir, Options{})
	dial(t, dir)
}

func TestOnlyTheOwnSocketIsRemoved(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, Options{})
	dial(t, dir)
	if err := os.Remove(socketOf(dir)); err != nil {
		t.Fatal(err)
	}
	deadSocket(t, socketOf(dir))
	g.close()
	if _, err := os.Lstat(socketOf(dir)); err != nil {
		t.Error(err)
	}
}

func TestADirectoryWithALongNameHasASocketToo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40), strings.Repeat("longer", 30))
	startQueue(t, dir, Options{})
	if _, err := dial(t, dir).Streams(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWithoutASocketEverythingElseWorks(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	if err := os.WriteFile(socketOf(dir), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	g.want("acknowledged", conn, "t", "0", patient)
	b.block()
	g.want("kept", conn, "t", "1", soon)
	b.release()
	g.awaitEmpty()
	ascending(t, b.values(t, "t", 2))
	g.close()
	if n := strings.Count(g.log.String(), "no socket can be made"); n != 1 {
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

func TestGarbageOnTheSocketChangesNothing(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := connect(t, nobody)
	g.want("kept", conn, "t", "0", soon)
	c := dial(t, dir)
	id := streamID(conn, DeadLetter)
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
		{"a body that is too long", post("drop", `{"stream":"`+strings.Repeat("x", 2*maxControlBody)+`"}`), ""},
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

func TestNoPropertyButTheBrokersLeavesTheSocket(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn, err := kafkaconf.New(kafkaconf.Properties{
		"bootstrap.servers": nobody, "sasl.password": "hush", "client.id": "whoever",
	}, record.Mode{Delivery: record.Durable})
	if err != nil {
		t.Fatal(err)
	}
	g.want("kept", conn, "t", "0", soon)
	c := dial(t, dir)
	infos, err := c.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(infos)
	if s := string(text); strings.Contains(s, "hush") || strings.Contains(s, "whoever") || !strings.Contains(s, nobody) {
		t.Errorf("listed: %s", s)
	}
}

func TestAnAnswerThatNobodyReadsDoesNotHoldTheEndUp(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := connect(t, nobody)
	id := streamID(conn, DeadLetter)
	for range 10 {
		g.want("kept", conn, "t", strings.Repeat("x", 1<<20-100), soon)
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
	g.close()
	if took := time.Since(start); took > controlWrite/2 {
		t.Errorf("the end took %v", took)
	}
}

// inbox is a webhook that keeps what it is told.
type inbox struct {
	mu     sync.Mutex
	events []notify.Event
}

func (i *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var e notify.Event
	if json.NewDecoder(r.Body).Decode(&e) == nil {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.events = append(i.events, e)
	}
}

func (i *inbox) get() []notify.Event {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]notify.Event(nil), i.events...)
}

func TestAnOperatorIsToldOnceAMinuteAtMost(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	told := &inbox{}
	web := httptest.NewServer(told)
	t.Cleanup(web.Close)
	n := notify.New(notify.Options{Webhook: web.URL})
	g := startQueue(t, dir, Options{Notifier: n}).await()
	conn := b.connect(t)
	g.want("acknowledged", conn, "t", "0", patient)
	b.refuse()
	c := dial(t, dir)
	letters := func(n int64) {
		t.Helper()
		await.True(t, fmt.Sprintf("%d dead letters", n), func() bool { return infoOf(t, c, streamID(conn, DeadLetter)).DeadLetters == n })
	}
	g.hold(b, DeadLetter, recordOf("u", "1"))
	letters(1)
	await.True(t, "the operator is told of the first", func() bool { return len(told.get()) == 1 })
	for i := range 3 {
		g.hold(b, DeadLetter, recordOf("u", "more"))
		letters(int64(i + 2))
	}
	receipt := g.hold(b, Suspend, recordOf("u", "stop"))[0]
	await.True(t, "the operator is told of the stop", func() bool { return len(told.get()) >= 2 })
	first, second := told.get()[0], told.get()[1]
	if len(told.get()) != 2 || first.Event != "dead_letter" || first.Count != 1 || first.Topic != "u" || first.Stream != streamID(conn, DeadLetter) {
		t.Errorf("told: %+v", told.get())
	}
	if second.Event != "stream_suspended" || second.Receipt != receipt || second.Stream != streamID(conn, Suspend) || second.Reason == "" {
		t.Errorf("told: %+v", second)
	}
	g.close() // what waits for its minute is told at the end
	n.Close(t.Context())
	if all := told.get(); len(all) != 3 || all[2].Event != "dead_letter" || all[2].Count != 3 {
		t.Errorf("told at the end: %+v", all)
	}
}
