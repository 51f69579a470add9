package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/api7/ext-plugin-proto/go/A6/ExtraInfo"
)

var bg = context.Background()

func newTestClient(t testing.TB, r *fakeRunner, o ClientOptions) *Client {
	t.Helper()
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = time.Minute // the machine may be busy
	}
	c := NewClient(r.path, o)
	t.Cleanup(func() { c.Close() })
	return c
}

func get() *Request { return &Request{Method: "GET", Path: "/"} }

func TestPrepareConfCarriesKeyAndPluginsInOrder(t *testing.T) {
	var gotKey string
	var gotConf []ConfEntry
	r := startRunner(t, &fakeRunner{prepare: func(s *session, key string, conf []ConfEntry) {
		gotKey, gotConf = key, conf
		s.token(4_000_000_000)
	}})
	conf := []ConfEntry{{"b", `{"x":1}`}, {"a", ""}, {"größe", strings.Repeat("v", 300_000)}}
	token, err := newTestClient(t, r, ClientOptions{}).PrepareConf(bg, "route#1#ext-plugin-pre-req#7", conf)
	if err != nil || token != 4_000_000_000 {
		t.Fatalf("got token %d, error %v", token, err)
	}
	if gotKey != "route#1#ext-plugin-pre-req#7" || !reflect.DeepEqual(gotConf, conf) {
		t.Errorf("the runner got key %q and %d plugins", gotKey, len(gotConf))
	}
}

func TestCallCarriesTheRequest(t *testing.T) {
	want := Request{
		ID: 77, Method: "PATCH", Path: "/a b", SrcIP: []byte{1, 2, 3, 4},
		Args:    []Entry{{Name: "a", Value: "1"}, {Name: "flag", NoValue: true}, {Name: "a", Value: ""}},
		Headers: []Entry{{Name: "host", Value: "h"}, {Name: "x", Value: "1"}, {Name: "x", Value: "2"}},
	}
	var got Request
	var token uint32
	r := startRunner(t, &fakeRunner{call: func(s *session) {
		q := s.request()
		got = Request{
			ID: q.Id(), Method: q.Method().String(), Path: string(q.Path()), SrcIP: bytes.Clone(q.SrcIpBytes()),
			Args: readEntries(q.ArgsLength(), q.Args), Headers: readEntries(q.HeadersLength(), q.Headers),
		}
		token = q.ConfToken()
		s.stop(200, "")
	}})
	if _, err := newTestClient(t, r, ClientOptions{}).Call(bg, 9, &want); err != nil {
		t.Fatal(err)
	}
	if token != 9 || !reflect.DeepEqual(got, want) {
		t.Errorf("token %d\n got %+v\nwant %+v", token, got, want)
	}
}

func TestCallDecodesTheAnswer(t *testing.T) {
	headers := []Entry{{Name: "Content-Type", Value: "text/x"}, {Name: "a", Value: ""}, {Name: "gone", NoValue: true}}
	tests := []struct {
		name       string
		send, want Response
	}{
		{"a stop has status, headers and body",
			Response{Action: ActionStop, Status: 418, Headers: headers, Body: []byte("tea")},
			Response{Action: ActionStop, Status: 418, Headers: headers, Body: []byte("tea")}},
		{"a stop with status 0 is 200",
			Response{Action: ActionStop}, Response{Action: ActionStop, Status: 200}},
		{"a rewrite is none", Response{ID: 5, Action: actionRewrite}, Response{ID: 5}},
		{"no action is none", Response{ID: 5}, Response{ID: 5}},
		{"an answer of 10 MB arrives whole",
			Response{Action: ActionStop, Status: 200, Body: bytes.Repeat([]byte("0123456789"), 1<<20)},
			Response{Action: ActionStop, Status: 200, Body: bytes.Repeat([]byte("0123456789"), 1<<20)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := startRunner(t, &fakeRunner{call: func(s *session) { s.respond(tt.send) }})
			got, err := newTestClient(t, r, ClientOptions{}).Call(bg, 1, get())
			if err != nil || !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("error %v\n got %.200v\nwant %.200v", err, got, tt.want)
			}
		})
	}
}

func TestAnswerInSmallPiecesIsReadWhole(t *testing.T) {
	for _, size := range []int{0, 1, readBuffer - 100, readBuffer, 3 * readBuffer} {
		t.Run(fmt.Sprint(size, " bytes of body"), func(t *testing.T) {
			body := bytes.Repeat([]byte("x"), size)
			r := startRunner(t, &fakeRunner{call: func(s *session) {
				for _, b := range frame(2, responsePayload(Response{Action: ActionStop, Status: 200, Body: body})) {
					s.Write([]byte{b})
				}
			}})
			c := newTestClient(t, r, ClientOptions{})
			for range 3 {
				got, err := c.Call(bg, 1, get())
				if err != nil || len(got.Body) != size {
					t.Fatalf("got %v, %v", got, err)
				}
			}
			if n := r.connections.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

func TestQuestionsDuringACall(t *testing.T) {
	unread := errors.New("disk on fire")
	body := func(b string) func() ([]byte, error) { return func() ([]byte, error) { return []byte(b), nil } }
	vars := func(name string) (string, bool) { return "value of " + name, name != "none" }
	empty := func(string) (string, bool) { return "", true }
	tests := []struct {
		name string
		req  Request
		info ExtraInfo.Info
		ask  string
		want []byte
	}{
		{"a variable is given by name", Request{Var: vars}, ExtraInfo.InfoVar, "x", []byte("value of x")},
		{"an unknown variable has no result", Request{Var: vars}, ExtraInfo.InfoVar, "none", nil},
		{"an empty variable has an empty result", Request{Var: empty}, ExtraInfo.InfoVar, "x", []byte{}},
		{"without variables there is no result", Request{}, ExtraInfo.InfoVar, "x", nil},
		{"the body is given", Request{Body: body("abcde")}, ExtraInfo.InfoReqBody, "", []byte("abcde")},
		{"an empty body has no result", Request{Body: body("")}, ExtraInfo.InfoReqBody, "", nil},
		{"without a body there is no result", Request{}, ExtraInfo.InfoReqBody, "", nil},
		{"a body that cannot be read has no result",
			Request{Body: func() ([]byte, error) { return []byte("half"), unread }}, ExtraInfo.InfoReqBody, "", nil},
		{"a response body does not exist in a request", Request{Body: body("b")}, ExtraInfo.InfoRespBody, "", nil},
		{"a body sent with writev arrives", Request{Body: body(strings.Repeat("a", keepBytes+1))},
			ExtraInfo.InfoReqBody, "", []byte(strings.Repeat("a", keepBytes+1))},
		{"the largest body arrives", Request{Body: body(strings.Repeat("a", MaxBody))},
			ExtraInfo.InfoReqBody, "", []byte(strings.Repeat("a", MaxBody))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []byte
			r := startRunner(t, &fakeRunner{call: func(s *session) {
				got, _ = s.ask(tt.info, tt.ask)
				s.stop(200, "done")
			}})
			tt.req.Method = "POST"
			if _, err := newTestClient(t, r, ClientOptions{}).Call(bg, 1, &tt.req); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, tt.want) || (got == nil) != (tt.want == nil) {
				t.Errorf("got %.50q (nil: %v)", got, got == nil)
			}
		})
	}
}

func TestQuestionsAskedAtOnceAreAnsweredInOrder(t *testing.T) {
	var got []string
	r := startRunner(t, &fakeRunner{call: func(s *session) {
		got = nil
		both := append(frame(3, questionPayload(ExtraInfo.InfoVar, "a")), frame(3, questionPayload(ExtraInfo.InfoReqBody, ""))...)
		s.Write(append(both, frame(3, questionPayload(ExtraInfo.InfoVar, "b"))...))
		for range 3 {
			b, err := s.answer()
			if err != nil {
				return
			}
			got = append(got, string(b))
		}
		s.stop(200, "done")
	}})
	c := newTestClient(t, r, ClientOptions{Timeout: 5 * time.Second})
	for _, size := range []int{4, 100_000} {
		req := get()
		req.Var = func(n string) (string, bool) { return n, true }
		req.Body = func() ([]byte, error) { return bytes.Repeat([]byte("x"), size), nil }
		if _, err := c.Call(bg, 1, req); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, []string{"a", strings.Repeat("x", size), "b"}) {
			t.Errorf("got %.100q", got)
		}
	}
}

// badAnswers are answers that end a call with an error and its connection with it.
var badAnswers = []struct {
	name   string
	answer func(s *session)
	want   error
}{
	{"bad request", func(s *session) { s.fail(0) }, ErrBadRequest},
	{"service unavailable", func(s *session) { s.fail(1) }, ErrServiceUnavailable},
	{"conf token not found", func(s *session) { s.fail(2) }, ErrConfTokenNotFound},
	{"an unknown code", func(s *session) { s.fail(99) }, RunnerError(99)},
	{"an error frame without payload", func(s *session) { s.write(0, nil) }, ErrProtocol},
	{"an answer of another type", func(s *session) { s.token(1) }, ErrProtocol},
	{"an answer of an unknown type", func(s *session) { s.write(200, tokenPayload(1)) }, ErrProtocol},
	{"an answer without payload", func(s *session) { s.write(2, nil) }, ErrProtocol},
	{"an answer that is no FlatBuffer", func(s *session) { s.write(2, bytes.Repeat([]byte{0xff}, 64)) }, ErrProtocol},
	{"an action without its table", func(s *session) { s.write(2, actionWithoutTable()) }, ErrProtocol},
	{"a question that is no FlatBuffer", func(s *session) { s.write(3, []byte{9, 9, 9}) }, ErrProtocol},
	{"a question of an unknown kind", func(s *session) { s.ask(7, "") }, ErrProtocol},
	{"a truncated header", func(s *session) { s.Write([]byte{2, 0}); s.Close() }, io.ErrUnexpectedEOF},
	{"a truncated answer", func(s *session) { s.Write(frame(2, responsePayload(Response{}))[:9]); s.Close() }, io.ErrUnexpectedEOF},
	{"a large truncated answer", func(s *session) { s.Write([]byte{2, 1, 0, 0, 1, 2, 3}); s.Close() }, io.ErrUnexpectedEOF},
	{"a closed connection", func(s *session) { s.Close() }, io.EOF},
}

func TestBadAnswerIsAnErrorAndEndsTheConnection(t *testing.T) {
	for _, tt := range badAnswers {
		t.Run(tt.name, func(t *testing.T) {
			bad := true
			r := startRunner(t, &fakeRunner{call: func(s *session) {
				if bad {
					bad = false
					tt.answer(s)
					return
				}
				s.stop(200, "fine")
			}})
			c := newTestClient(t, r, ClientOptions{Timeout: 10 * time.Second})
			if _, err := c.PrepareConf(bg, "k", nil); err != nil {
				t.Fatal(err)
			}
			resp, err := c.Call(bg, 1, get())
			if !errors.Is(err, tt.want) || resp != nil {
				t.Fatalf("got %v, %v", resp, err)
			}
			if n := r.calls.Load(); n != 1 {
				t.Errorf("the call was sent %d times", n)
			}
			until(t, "the bad connection is closed", func() bool { return r.open() == 0 })
			if _, err := c.Call(bg, 1, get()); err != nil || r.connections.Load() != 2 {
				t.Errorf("the next call: %v, on connection %d", err, r.connections.Load())
			}
		})
	}
}

func TestPrepareConfTakesNoQuestion(t *testing.T) {
	r := startRunner(t, &fakeRunner{prepare: func(s *session, _ string, _ []ConfEntry) { s.ask(ExtraInfo.InfoReqBody, "") }})
	if _, err := newTestClient(t, r, ClientOptions{}).PrepareConf(bg, "k", nil); !errors.Is(err, ErrProtocol) {
		t.Errorf("got %v", err)
	}
}

func TestFrameThatIsTooLargeIsNotSent(t *testing.T) {
	huge := strings.Repeat("x", MaxFramePayload)
	tests := []struct {
		name string
		do   func(c *Client) error
		want error
	}{
		{"a configuration", func(c *Client) error {
			_, err := c.PrepareConf(bg, "k", []ConfEntry{{"p", huge}})
			return err
		}, ErrFrameTooLarge},
		{"a request", func(c *Client) error {
			_, err := c.Call(bg, 1, &Request{Method: "GET", Path: huge[:MaxFramePayload-10]})
			return err
		}, ErrFrameTooLarge},
		{"a request's header", func(c *Client) error {
			_, err := c.Call(bg, 1, &Request{Method: "GET", Headers: []Entry{{Name: "a", Value: huge}}})
			return err
		}, ErrFrameTooLarge},
		{"a method that the protocol does not know", func(c *Client) error {
			_, err := c.Call(bg, 1, &Request{Method: "BREW"})
			return err
		}, ErrMethod},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := startRunner(t, &fakeRunner{})
			if err := tt.do(newTestClient(t, r, ClientOptions{})); !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
			if n := r.connections.Load(); n != 0 {
				t.Errorf("%d connections were made", n)
			}
		})
	}
}

func TestBodyThatEndsTheCall(t *testing.T) {
	mine := errors.New("mine")
	tests := []struct {
		name string
		body func() ([]byte, error)
		want error
	}{
		{"one byte more than fits into a frame", func() ([]byte, error) { return make([]byte, MaxBody+1), nil }, ErrFrameTooLarge},
		{"an ErrAbort", func() ([]byte, error) { return nil, fmt.Errorf("%w: %w", ErrAbort, mine) }, mine},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := make(chan error, 1)
			r := startRunner(t, &fakeRunner{call: func(s *session) {
				_, err := s.ask(ExtraInfo.InfoReqBody, "")
				asked <- err
			}})
			_, err := newTestClient(t, r, ClientOptions{}).Call(bg, 1, &Request{Method: "POST", Body: tt.body})
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
			if err := <-asked; err != io.EOF {
				t.Errorf("the runner got %v, want the connection's end", err)
			}
		})
	}
}

func TestCallbackThatPanicsLosesNoConnection(t *testing.T) {
	r := startRunner(t, &fakeRunner{call: func(s *session) { s.ask(ExtraInfo.InfoReqBody, "") }})
	c := newTestClient(t, r, ClientOptions{})
	func() {
		defer func() {
			if recover() != "caller's bug" {
				t.Error("the panic was swallowed")
			}
		}()
		c.Call(bg, 1, &Request{Method: "POST", Body: func() ([]byte, error) { panic("caller's bug") }})
	}()
	until(t, "the connection is closed", func() bool { return r.open() == 0 })
}

func TestCallsInARowShareOneConnection(t *testing.T) {
	r := startRunner(t, &fakeRunner{})
	c := newTestClient(t, r, ClientOptions{})
	for range 10 {
		if _, err := c.Call(bg, 1, get()); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestIdleConnectionsAreKeptUpToTheMaximum(t *testing.T) {
	for _, tt := range []struct{ max, want int }{{0, 32}, {3, 3}, {-1, 0}} {
		t.Run(fmt.Sprintf("MaxIdle %d keeps %d", tt.max, tt.want), func(t *testing.T) {
			const calls = 40
			arrived, release := make(chan bool, calls), make(chan bool)
			r := startRunner(t, &fakeRunner{call: func(s *session) {
				arrived <- true
				<-release
				s.stop(200, "")
			}})
			c := newTestClient(t, r, ClientOptions{MaxIdle: tt.max})
			errs := make(chan error, calls)
			for range calls {
				go func() {
					_, err := c.Call(bg, 1, get())
					errs <- err
				}()
			}
			for range calls {
				<-arrived
			}
			close(release)
			for range calls {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			until(t, "the others are closed", func() bool { return r.open() == tt.want })
		})
	}
}

func TestIdleConnectionThatCannotBeUsed(t *testing.T) {
	tests := []struct {
		name    string
		options ClientOptions
		spoil   func(t *testing.T, r *fakeRunner)
	}{
		{"the runner closed it", ClientOptions{}, func(t *testing.T, r *fakeRunner) {
			r.closeConns()
			until(t, "it is closed", func() bool { return r.open() == 0 })
		}},
		{"the runner wrote what nobody asked for", ClientOptions{}, func(t *testing.T, r *fakeRunner) {
			r.mu.Lock()
			defer r.mu.Unlock()
			for c := range r.conns {
				c.Write(frame(2, responsePayload(Response{Action: ActionStop, Status: 500})))
			}
		}},
		{"it was idle for too long", ClientOptions{IdleTimeout: time.Nanosecond}, func(*testing.T, *fakeRunner) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := startRunner(t, &fakeRunner{})
			c := newTestClient(t, r, tt.options)
			if _, err := c.Call(bg, 1, get()); err != nil {
				t.Fatal(err)
			}
			tt.spoil(t, r)
			resp, err := c.Call(bg, 1, get())
			if err != nil || resp.Status != 200 {
				t.Fatalf("got %v, %v", resp, err)
			}
			if n := r.connections.Load(); n != 2 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

func TestAnswerWithMoreBehindItSpoilsTheConnection(t *testing.T) {
	r := startRunner(t, &fakeRunner{call: func(s *session) {
		one := frame(2, responsePayload(Response{Action: ActionStop, Status: 200}))
		s.Write(append(one, one...))
	}})
	c := newTestClient(t, r, ClientOptions{})
	for range 2 {
		if _, err := c.Call(bg, 1, get()); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.connections.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestNewRunnerOnThePathIsFound(t *testing.T) {
	old := startRunner(t, &fakeRunner{})
	c := newTestClient(t, old, ClientOptions{})
	if _, err := c.Call(bg, 1, get()); err != nil {
		t.Fatal(err)
	}
	next := startRunner(t, &fakeRunner{path: old.path + ".new"})
	if err := os.Rename(next.path, old.path); err != nil {
		t.Fatal(err)
	}
	old.stop()
	if _, err := c.Call(bg, 1, get()); err != nil || next.calls.Load() != 1 {
		t.Errorf("error %v, the new runner got %d calls", err, next.calls.Load())
	}
}

func TestTimeAndCancellation(t *testing.T) {
	tests := []struct {
		name    string
		options ClientOptions
		ctx     func() (context.Context, context.CancelFunc)
		want    error
	}{
		{"a runner that never answers ends in the timeout", ClientOptions{Timeout: 20 * time.Millisecond},
			func() (context.Context, context.CancelFunc) { return context.WithCancel(bg) }, os.ErrDeadlineExceeded},
		{"the context's deadline ends the call", ClientOptions{},
			func() (context.Context, context.CancelFunc) { return context.WithTimeout(bg, 20*time.Millisecond) },
			context.DeadlineExceeded},
		{"a context that has ended starts no call", ClientOptions{},
			func() (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(bg)
				cancel()
				return ctx, cancel
			}, context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := startRunner(t, &fakeRunner{call: func(s *session) { io.Copy(io.Discard, s) }})
			ctx, cancel := tt.ctx()
			defer cancel()
			_, err := newTestClient(t, r, tt.options).Call(ctx, 1, get())
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
			until(t, "the connection is closed", func() bool { return r.open() == 0 })
		})
	}
}

func TestCancellingDuringACallEndsIt(t *testing.T) {
	arrived := make(chan bool)
	r := startRunner(t, &fakeRunner{call: func(s *session) {
		arrived <- true
		io.Copy(io.Discard, s)
	}})
	ctx, cancel := context.WithCancel(bg)
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := newTestClient(t, r, ClientOptions{}).Call(ctx, 1, get()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCancellingWhileAQuestionIsAnsweredEndsTheCall(t *testing.T) {
	r := startRunner(t, &fakeRunner{call: func(s *session) {
		s.ask(ExtraInfo.InfoReqBody, "")
		io.Copy(io.Discard, s)
	}})
	ctx, cancel := context.WithCancel(bg)
	begin := time.Now()
	_, err := newTestClient(t, r, ClientOptions{Timeout: 10 * time.Second}).Call(ctx, 1, &Request{Method: "POST",
		Body: func() ([]byte, error) {
			told := make(chan bool)
			context.AfterFunc(ctx, func() { close(told) })
			cancel()
			<-told // the client has most probably been told too: its own clock must not undo that
			for range 100 {
				runtime.Gosched()
			}
			return []byte("x"), nil
		}})
	if !errors.Is(err, context.Canceled) || time.Since(begin) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
}

func TestConnectionInUseIsClosedAfterACloseOfTheClient(t *testing.T) {
	arrived, release := make(chan bool), make(chan bool)
	r := startRunner(t, &fakeRunner{call: func(s *session) {
		arrived <- true
		<-release
		s.stop(200, "")
	}})
	c := NewClient(r.path, ClientOptions{})
	done := make(chan error)
	go func() {
		_, err := c.Call(bg, 1, get())
		done <- err
	}()
	<-arrived
	c.Close()
	close(release)
	if err := <-done; err != nil {
		t.Errorf("the call under way: %v", err)
	}
	until(t, "the connection is closed", func() bool { return r.open() == 0 })
}

func TestCallsAreNumbered(t *testing.T) {
	var ids []uint32
	r := startRunner(t, &fakeRunner{call: func(s *session) {
		ids = append(ids, s.request().Id())
		s.stop(200, "")
	}})
	c := newTestClient(t, r, ClientOptions{})
	c.lastID.Store(1<<22 - 3)
	for range 4 {
		if _, err := c.Call(bg, 1, get()); err != nil {
			t.Fatal(err)
		}
	}
	if want := []uint32{1<<22 - 2, 1<<22 - 1, 0, 1}; !slices.Equal(ids, want) {
		t.Errorf("got %d, want %d", ids, want)
	}
}

func TestConnectionsThatCannotBeMade(t *testing.T) {
	t.Run("no socket at the path is an error at once", func(t *testing.T) {
		if _, err := NewClient(socketPath(t), ClientOptions{}).Call(bg, 1, get()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a full queue of connections is waited for until the connect timeout", func(t *testing.T) {
		path := socketPath(t)
		listenUnix(t, path)
		for { // fill the queue
			c, err := net.Dial("unix", path)
			if err != nil {
				break
			}
			t.Cleanup(func() { c.Close() })
		}
		begin := time.Now()
		_, err := NewClient(path, ClientOptions{ConnectTimeout: 100 * time.Millisecond}).Call(bg, 1, get())
		if err == nil || time.Since(begin) < 90*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
	t.Run("a closed client makes none", func(t *testing.T) {
		r := startRunner(t, &fakeRunner{})
		c := NewClient(r.path, ClientOptions{})
		if _, err := c.Call(bg, 1, get()); err != nil {
			t.Fatal(err)
		}
		c.Close()
		until(t, "its idle connection is closed", func() bool { return r.open() == 0 })
		if _, err := c.Call(bg, 1, get()); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// listenUnix listens with the shortest queue there is, and accepts nothing.
func listenUnix(t *testing.T, path string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		t.Cleanup(func() { syscall.Close(fd) })
		if err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err == nil {
			err = syscall.Listen(fd, 0)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestCallsAtOnce(t *testing.T) {
	r := startRunner(t, &fakeRunner{call: func(s *session) {
		id := s.request().Id()
		b, err := s.ask(ExtraInfo.InfoReqBody, "")
		if err == nil {
			s.respond(Response{ID: id, Action: ActionStop, Status: 200, Body: b})
		}
	}})
	c := newTestClient(t, r, ClientOptions{})
	errs := make(chan error)
	const workers = 64
	for w := range workers {
		go func() {
			for i := range 50 {
				body := bytes.Repeat([]byte{byte(w), byte(i)}, 1+w*i*7)
				resp, err := c.Call(bg, 1, &Request{ID: uint32(1 + w<<8 + i), Method: "POST", Path: "/",
					Body: func() ([]byte, error) { return body, nil }})
				if err == nil && (!bytes.Equal(resp.Body, body) || resp.ID != uint32(1+w<<8+i)) {
					err = errors.New("another call's answer")
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range workers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	for _, size := range []int{200, 10_000, 60_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			r := startRunner(b, &fakeRunner{call: func(s *session) {
				s.ask(ExtraInfo.InfoReqBody, "")
				s.stop(200, `{"code":200,"message":"queued","delivered":"unknown"}`, Entry{Name: "content-type", Value: "application/json"})
			}})
			c := newTestClient(b, r, ClientOptions{})
			body := bytes.Repeat([]byte("x"), size)
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				req := get()
				req.Method = "POST"
				req.Headers = []Entry{{Name: "host", Value: "localhost"}, {Name: "content-type", Value: "text/plain"}}
				req.Body = func() ([]byte, error) { return body, nil }
				for pb.Next() {
					if _, err := c.Call(bg, 1, req); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
