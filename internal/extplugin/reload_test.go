package extplugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pkghttp "github.com/apache/apisix-go-plugin-runner/pkg/http"
	a6err "github.com/api7/ext-plugin-proto/go/A6/Err"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func echo(conf any, w http.ResponseWriter, r pkghttp.Request) {
	body, err := r.Body()
	if err == nil {
		fmt.Fprintf(w, "%s %s", conf, body)
	}
}

func TestTakeOverUnderLoadLosesNoCall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runner.sock")
	plugin := &fakePlugin{name: "p", request: echo}
	current := startHost(t, path, plugin)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var calls atomic.Int64
	for i := range 16 {
		client := gateway.NewClient(path, gateway.ClientOptions{})
		t.Cleanup(func() { client.Close() })
		wg.Add(1)
		go func() {
			defer wg.Done()
			key, text := fmt.Sprint("route#", i), fmt.Sprint("conf ", i)
			want := text + " the body"
			var token uint32
		calls:
			for ctx.Err() == nil {
				resp, err := client.Call(context.Background(), token, &gateway.Request{Method: "POST", Body: bodyOf([]byte("the body"))})
				for errors.Is(err, gateway.ErrConfTokenNotFound) {
					if token, err = client.PrepareConf(context.Background(), key, []gateway.ConfEntry{conf("p", text)}); err == nil {
						continue calls
					}
				}
				if err != nil {
					t.Errorf("call: %v", err)
					return
				}
				if string(resp.Body) != want {
					t.Errorf("answered wrongly: %s, want %s", resp.Body, want)
					return
				}
				calls.Add(1)
			}
		}()
	}
	for range 20 {
		before := calls.Load()
		await.True(t, "calls are answered", func() bool { return calls.Load() > before+200 || t.Failed() })
		next := startHost(t, path, plugin)
		drain, cancel := context.WithTimeout(context.Background(), patience)
		if err := current.Shutdown(drain); err != nil {
			t.Errorf("the old runner: %v", err)
		}
		cancel()
		current = next
	}
	stop()
	wg.Wait()
}

func TestConnectionsThatWaitWhenTheTimeToAcceptIsOverAreServed(t *testing.T) {
	l, err := openSocket(filepath.Join(t.TempDir(), "runner.sock"), ownMode, ownGroup)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", l.path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_ = l.SetDeadline(time.Unix(1, 0)) // as retire does, on a machine that is too busy to look in time
	s := &Server{log: slog.New(slog.DiscardHandler), live: map[*session]struct{}{}}
	s.draining.Store(true)
	s.loops.Add(1)
	s.accept(l)
	var answer [frameHeaderLen]byte
	_, err = conn.Write([]byte{9, 0, 0, 0}) // of a type that there is not
	if err == nil {
		_, err = io.ReadFull(conn, answer[:])
	}
	if err != nil || answer[0] != typeError {
		t.Errorf("answered with type %d, %v", answer[0], err)
	}
}

func TestOldRunnerServesUntilItsSuccessorListens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runner.sock")
	answer := func(name string) *fakePlugin {
		return &fakePlugin{name: "p", request: func(_ any, w http.ResponseWriter, _ pkghttp.Request) { fmt.Fprint(w, name) }}
	}
	old := startHost(t, path, answer("old"))
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		old.AwaitSuccessor(ctx, 0)
		ended <- old.Shutdown(ctx)
	}()
	<-old.stop // it has begun
	ask := func() string {
		t.Helper()
		c := gateway.NewClient(path, gateway.ClientOptions{MaxIdle: -1}) // a new connection each time
		defer c.Close()
		for {
			token, err := c.PrepareConf(context.Background(), "k", []gateway.ConfEntry{conf("p", "{}")})
			if errors.Is(err, gateway.ErrConfTokenNotFound) {
				continue // the connection was dismissed before it was used
			} else if err != nil {
				t.Fatalf("in the gap between two runners: %v", err)
			}
			resp, err := c.Call(context.Background(), token, &gateway.Request{Method: "POST"})
			if errors.Is(err, gateway.ErrConfTokenNotFound) {
				continue
			} else if err != nil {
				t.Fatalf("in the gap between two runners: %v", err)
			}
			return string(resp.Body)
		}
	}
	for range 50 {
		if got := ask(); got != "old" {
			t.Fatalf("answered by %q", got)
		}
	}
	startHost(t, path, answer("new"))
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := ask(); got != "new" {
		t.Errorf("answered by %q", got)
	}
}

func TestRunnerWithoutSuccessorRemovesItsSocket(t *testing.T) {
	h := startHost(t, "", &fakePlugin{name: "p"})
	if err := h.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(h.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestShutdownFinishesACallUnderWay(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	h := startHost(t, "", &fakePlugin{name: "p", request: func(_ any, w http.ResponseWriter, r pkghttp.Request) {
		close(begun)
		<-release
		body, _ := r.Body()
		fmt.Fprintf(w, "%s", body)
	}})
	token := h.token(t, "k", conf("p", "{}"))
	got := make(chan string, 1)
	go func() {
		got <- string(h.call(t, token, &gateway.Request{Body: bodyOf([]byte("asked for during shutdown"))}).Body)
	}()
	<-begun
	done := make(chan error, 1)
	go func() { done <- h.Shutdown(context.Background()) }()
	await.True(t, "the socket is gone", func() bool {
		c, err := net.Dial("unix", h.path)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(release)
	if body := <-got; body != "asked for during shutdown" {
		t.Errorf("got %q", body)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestShutdownCutsOffACallThatOutlastsIt(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	h := startHost(t, "", &fakePlugin{name: "p", request: func(any, http.ResponseWriter, pkghttp.Request) {
		close(begun)
		<-release
	}})
	token := h.token(t, "k", conf("p", "{}"))
	failed := make(chan error, 1)
	go func() {
		_, err := h.Call(context.Background(), token, &gateway.Request{Method: "POST"})
		failed <- err
	}()
	<-begun
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := <-failed; err == nil {
		t.Error("the call was answered")
	}
	close(release)
}

func TestConnectionsWaitingInTheBacklogAreServedAtShutdown(t *testing.T) {
	l, err := openSocket(filepath.Join(t.TempDir(), "s"), ownMode, ownGroup)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 { // nobody accepts yet
		c, err := net.Dial("unix", l.path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	l.retire(false)
	got := 0
	for c, err := l.Accept(); err == nil; c, err = l.Accept() { // until the deadline that retire has set, as Serve does
		c.Close()
		got++
	}
	for _, c := range l.backlog() { // and what the deadline has left there
		c.Close()
		got++
	}
	if got != 5 {
		t.Errorf("%d of 5 connections are served", got)
	}
}

func TestSocketSurvivesAReloadInEitherOrder(t *testing.T) {
	dial := func(t *testing.T, path string) {
		t.Helper()
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatalf("the socket is gone: %v", err)
		}
		c.Close()
	}
	t.Run("the old one ends after the new one began", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		old, err := openSocket(path, ownMode, ownGroup)
		if err != nil {
			t.Fatal(err)
		}
		next, err := openSocket(path, ownMode, ownGroup)
		if err != nil {
			t.Fatal(err)
		}
		old.retire(false)
		old.Close()
		dial(t, path)
		next.retire(false)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the last one left its socket: %v", err)
		}
	})
	t.Run("the old one ends before", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		old, err := openSocket(path, ownMode, ownGroup)
		if err != nil {
			t.Fatal(err)
		}
		old.retire(false)
		old.Close()
		if _, err := openSocket(path, ownMode, ownGroup); err != nil {
			t.Fatal(err)
		}
		dial(t, path)
	})
	t.Run("a killed one left its socket", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		old, err := openSocket(path, ownMode, ownGroup)
		if err != nil {
			t.Fatal(err)
		}
		old.Close() // the path stays
		if _, err := openSocket(path, ownMode, ownGroup); err != nil {
			t.Fatal(err)
		}
		dial(t, path)
	})
	t.Run("a stranger removes it", func(t *testing.T) {
		h := startHost(t, "", &fakePlugin{name: "p", request: echo})
		token := h.token(t, "k", conf("p", "c"))
		for range 3 {
			if err := os.Remove(h.path); err != nil {
				t.Fatal(err)
			}
			await.True(t, "the socket is back", func() bool {
				c, err := net.Dial("unix", h.path)
				if err == nil {
					c.Close()
				}
				return err == nil
			})
			h.call(t, token, &gateway.Request{})
		}
	})
	t.Run("nothing is left beside it", func(t *testing.T) {
		h := startHost(t, "", &fakePlugin{name: "p"})
		entries, err := os.ReadDir(filepath.Dir(h.path))
		if err != nil || len(entries) != 1 {
			t.Errorf("the folder has %v", entries)
		}
	})
}

func TestListeningFailsWithTheReason(t *testing.T) {
	_, err := Listen(Options{SocketPath: filepath.Join(t.TempDir(), "no such folder", "s"), Log: discard}, &fakePlugin{name: "p"})
	if err == nil {
		t.Error("it listens in a folder that does not exist")
	}
	for _, address := range []string{"", "unix:", "/path", "tcp:1"} {
		if _, err := SocketPath(address); err == nil {
			t.Errorf("%q was accepted", address)
		}
	}
	for _, seconds := range []string{"0", "-1", "x", "99999999999999999999"} {
		if _, err := ConfTTL(seconds); err == nil {
			t.Errorf("%q was accepted", seconds)
		}
	}
}

// patience is longer than the busiest machine takes for what is quick.
const patience = time.Minute

// APISIX's worker may have taken an idle connection for a call, and not have sent it yet, when the server ends: whatever it
// does with it then, the call is not lost.
func TestShutdownDismissesIdleConnections(t *testing.T) {
	h := startHostWith(t, Options{Memory: &limitedMemory{limit: 1 << 20}}, &fakePlugin{name: "p", request: nosy})
	call := prepareConfFrame("key", "p", "{}")
	unused, begun, fresh := dialRaw(t, h), dialRaw(t, h), dialRaw(t, h)
	taken := map[string]rawConn{"PrepareConf": dialRaw(t, h), "a call": dialRaw(t, h), "a call without room": dialRaw(t, h)}
	frames := map[string][]byte{
		"PrepareConf": call, "a call": reqCallFrame(begun.prepare()), "a call without room": rawFrame(typeHTTPReqCall, make([]byte, 2<<20)),
	}
	unused.prepare()
	for _, c := range taken {
		c.prepare()
	}
	begun.send(call[:7])
	done := make(chan error, 1)
	go func() { done <- h.Shutdown(context.Background()) }()

	dismissed := func(name string, c rawConn) {
		t.Helper()
		var b [1]byte
		if _, err := c.Read(b[:]); err != nil || b[0] != typeError {
			t.Errorf("%s: an idle connection gets %d, %v", name, b[0], err)
		}
	}
	dismissed("unused", unused)
	unused.Close() // as nginx does
	for name, c := range taken {
		dismissed(name, c)
		c.send(frames[name])
		rest, err := io.ReadAll(c)
		if err != nil || len(rest) < frameHeaderLen-1 {
			t.Fatalf("%s on a connection that was dismissed: %x, %v", name, rest, err)
		}
		if code := a6err.GetRootAsResp(rest[frameHeaderLen-1:], 0).Code(); code != a6err.CodeCONF_TOKEN_NOT_FOUND {
			t.Errorf("%s on a connection that was dismissed is answered %s", name, code)
		}
	}
	begun.send(call[7:])
	if typ, payload := begun.receive(); typ != typeError || a6err.GetRootAsResp(payload, 0).Code() != a6err.CodeCONF_TOKEN_NOT_FOUND {
		t.Errorf("a configuration that comes at the end gets a token that the next runner does not know: type %d", typ)
	}
	fresh.send(frames["a call"]) // for which the connection was made
	if typ, _ := fresh.receive(); typ != typeExtraInfo {
		t.Errorf("the first call of a connection is answered with type %d", typ)
	}
	fresh.send(extraInfoFrame([]byte("v")))
	if typ, _ := fresh.receive(); typ != typeExtraInfo {
		t.Errorf("the first call of a connection is answered with type %d", typ)
	}
	fresh.send(extraInfoFrame([]byte("v")))
	if typ, _ := fresh.receive(); typ != typeHTTPReqCall {
		t.Errorf("the first call of a connection is answered with type %d", typ)
	}
	dismissed("used once", fresh)
	fresh.Close()
	// APISIX sends the call itself on the connection on which it has prepared the configuration.
	dismissed("answered at the end", begun)
	begun.send(frames["a call"])
	if rest, err := io.ReadAll(begun); err != nil || len(rest) < frameHeaderLen {
		t.Errorf("a call after the last answer gets %x, %v", rest, err)
	} else if code := a6err.GetRootAsResp(rest[frameHeaderLen-1:], 0).Code(); code != a6err.CodeCONF_TOKEN_NOT_FOUND {
		t.Errorf("a call after the last answer is answered %s", code)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// APISIX makes a call three times at most. The connection that it takes for the second time must not be one that will be
// dismissed, too: all have been before a call is sent elsewhere.
func TestShutdownDismissesAllBeforeACallIsMadeAgain(t *testing.T) {
	h := startHost(t, "", &fakePlugin{name: "p", request: echo})
	first := dialRaw(t, h)
	call := reqCallFrame(first.prepare())
	others := make([]rawConn, 300)
	for i := range others {
		others[i] = dialRaw(t, h)
		others[i].prepare()
	}
	// A session that is slower than all others, as one is on a busy machine.
	h.undismissed.Add(1)
	ended := make(chan error, 1)
	go func() { ended <- h.Shutdown(context.Background()) }()
	var b [1]byte
	if _, err := first.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	first.send(call)
	for _, c := range others {
		if _, err := c.Read(b[:]); err != nil || b[0] != typeError {
			t.Fatalf("an idle connection gets %d, %v", b[0], err)
		}
		c.Close()
	}
	if first.readable() {
		t.Error("a call is to be made again before all connections were dismissed")
	}
	h.undismissed.Done()
	if rest, err := io.ReadAll(first); err != nil || len(rest) < frameHeaderLen {
		t.Errorf("the call gets %x, %v", rest, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// An answer that is on its way has no dismissal in it if it was made before the end.
func TestShutdownAwaitsTheDismissalBehindAnAnswerThatWasMadeBefore(t *testing.T) {
	s := &session{srv: &Server{}, conn: &net.UnixConn{}}
	s.begin()
	s.phase.Store(answering) // as serve does when it has looked whether the server ends
	s.end()
	if !s.awaited.Load() {
		t.Error("nobody waits for the dismissal")
	}
	s.settle()
	s.begin()
	s.end()
	if s.awaited.Load() {
		t.Error("a call that is being served is waited for")
	}
}

// On a busy machine the time of a shutdown can be over before each idle connection has been closed.
func TestShutdownCutsOffNoIdleConnection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runner.sock")
	host := startHost(t, path, &fakePlugin{name: "p", request: echo})
	token := host.token(t, "route#1", conf("p", "text"))
	if _, err := host.Call(context.Background(), token, &gateway.Request{Method: "POST", Body: bodyOf([]byte("b"))}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := host.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}
