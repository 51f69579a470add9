package gateway

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/api7/ext-plugin-proto/go/A6"
	"github.com/api7/ext-plugin-proto/go/A6/Err"
	"github.com/api7/ext-plugin-proto/go/A6/ExtraInfo"
	"github.com/api7/ext-plugin-proto/go/A6/HTTPReqCall"
	"github.com/api7/ext-plugin-proto/go/A6/PrepareConf"
	flatbuffers "github.com/google/flatbuffers/go"
)

// fakeRunner is a runner that does on each frame what a test says. It is written with the generated code and plain
// reads and writes, so that it shares no mistake with the client.
type fakeRunner struct {
	path string
	l    net.Listener

	// prepare and call answer PrepareConf and the two calls; nil: a new token each, and a stop with 200.
	prepare func(s *session, key string, conf []ConfEntry)
	call    func(s *session)

	connections, prepared, calls atomic.Int64
	lastToken                    atomic.Uint32

	mu    sync.Mutex
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// session is one connection, with the frame that it works on.
type session struct {
	net.Conn
	runner  *fakeRunner
	typ     byte
	payload []byte
}

func socketPath(t testing.TB) string { return filepath.Join(t.TempDir(), "r.sock") }

func startRunner(t testing.TB, r *fakeRunner) *fakeRunner {
	t.Helper()
	if r.path == "" {
		r.path = socketPath(t)
	}
	l, err := net.Listen("unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	r.l, r.conns = l, map[net.Conn]bool{}
	r.wg.Go(r.accept)
	t.Cleanup(r.stop)
	return r
}

func (r *fakeRunner) accept() {
	for {
		c, err := r.l.Accept()
		if err != nil {
			return
		}
		r.connections.Add(1)
		r.mu.Lock()
		r.conns[c] = true
		r.mu.Unlock()
		r.wg.Go(func() { r.serve(&session{Conn: c, runner: r}) })
	}
}

// stop ends the runner as the kernel ends a killed process: all its connections are closed.
func (r *fakeRunner) stop() {
	r.l.Close()
	r.closeConns()
	r.wg.Wait()
}

func (r *fakeRunner) closeConns() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.Close()
	}
}

func (r *fakeRunner) open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.conns)
}

func (r *fakeRunner) serve(s *session) {
	defer func() {
		s.Close()
		r.mu.Lock()
		delete(r.conns, s.Conn)
		r.mu.Unlock()
	}()
	for s.read() == nil {
		switch s.typ {
		case 1:
			r.prepared.Add(1)
			req := PrepareConf.GetRootAsReq(s.payload, 0)
			var conf []ConfEntry
			for i := range req.ConfLength() {
				var e A6.TextEntry
				req.Conf(&e, i)
				conf = append(conf, ConfEntry{string(e.Name()), string(e.Value())})
			}
			if r.prepare != nil {
				r.prepare(s, string(req.Key()), conf)
				continue
			}
			s.token(r.lastToken.Add(1))
		case 2:
			r.calls.Add(1)
			if r.call != nil {
				r.call(s)
				continue
			}
			s.stop(200, "ok")
		default:
			return
		}
	}
}

func (s *session) read() error {
	var h [4]byte
	if _, err := io.ReadFull(s, h[:]); err != nil {
		return err
	}
	s.typ = h[0]
	s.payload = make([]byte, int(h[1])<<16|int(h[2])<<8|int(h[3]))
	_, err := io.ReadFull(s, s.payload)
	return err
}

func frame(typ byte, payload []byte) []byte {
	n := len(payload)
	return append([]byte{typ, byte(n >> 16), byte(n >> 8), byte(n)}, payload...)
}

func (s *session) write(typ byte, payload []byte) { s.Write(frame(typ, payload)) }

func build(size int, f func(b *flatbuffers.Builder) flatbuffers.UOffsetT) []byte {
	b := flatbuffers.NewBuilder(size + 64)
	b.Finish(f(b))
	return b.FinishedBytes()
}

func tokenPayload(token uint32) []byte {
	return build(0, func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
		PrepareConf.RespStart(b)
		PrepareConf.RespAddConfToken(b, token)
		return PrepareConf.RespEnd(b)
	})
}

func (s *session) token(token uint32) { s.write(1, tokenPayload(token)) }

func errorPayload(code byte) []byte {
	return build(0, func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
		Err.RespStart(b)
		Err.RespAddCode(b, Err.Code(code))
		return Err.RespEnd(b)
	})
}

func (s *session) fail(code byte) { s.write(0, errorPayload(code)) }

func textEntries(b *flatbuffers.Builder, entries []Entry) flatbuffers.UOffsetT {
	var offsets []flatbuffers.UOffsetT
	for _, e := range entries {
		name, value := b.CreateString(e.Name), b.CreateString(e.Value)
		A6.TextEntryStart(b)
		A6.TextEntryAddName(b, name)
		if !e.NoValue {
			A6.TextEntryAddValue(b, value)
		}
		offsets = append(offsets, A6.TextEntryEnd(b))
	}
	return b.CreateVectorOfTables(offsets)
}

// actionRewrite stands for what a runner may answer and the client does not know.
const actionRewrite = Action(HTTPReqCall.ActionRewrite)

// responsePayload is the answer to a call.
func responsePayload(r Response) []byte {
	return build(len(r.Body), func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
		headers, body := textEntries(b, r.Headers), b.CreateByteVector(r.Body)
		var action flatbuffers.UOffsetT
		switch r.Action {
		case ActionStop:
			HTTPReqCall.StopStart(b)
			HTTPReqCall.StopAddStatus(b, uint16(r.Status))
			HTTPReqCall.StopAddHeaders(b, headers)
			HTTPReqCall.StopAddBody(b, body)
			action = HTTPReqCall.StopEnd(b)
		case actionRewrite:
			path := b.CreateString("/new")
			HTTPReqCall.RewriteStart(b)
			HTTPReqCall.RewriteAddPath(b, path)
			action = HTTPReqCall.RewriteEnd(b)
		}
		HTTPReqCall.RespStart(b)
		HTTPReqCall.RespAddId(b, r.ID)
		if r.Action != ActionNone {
			HTTPReqCall.RespAddActionType(b, HTTPReqCall.Action(r.Action))
			HTTPReqCall.RespAddAction(b, action)
		}
		return HTTPReqCall.RespEnd(b)
	})
}

func (s *session) respond(r Response) { s.write(2, responsePayload(r)) }

func (s *session) stop(status int, body string, headers ...Entry) {
	s.respond(Response{Action: ActionStop, Status: status, Body: []byte(body), Headers: headers})
}

func questionPayload(info ExtraInfo.Info, name string) []byte {
	return build(0, func(b *flatbuffers.Builder) flatbuffers.UOffsetT {
		n := b.CreateString(name)
		var table flatbuffers.UOffsetT
		switch info {
		case ExtraInfo.InfoVar:
			ExtraInfo.VarStart(b)
			ExtraInfo.VarAddName(b, n)
			table = ExtraInfo.VarEnd(b)
		default:
			ExtraInfo.ReqBodyStart(b)
			table = ExtraInfo.ReqBodyEnd(b)
		}
		ExtraInfo.ReqStart(b)
		ExtraInfo.ReqAddInfoType(b, info)
		ExtraInfo.ReqAddInfo(b, table)
		return ExtraInfo.ReqEnd(b)
	})
}

var errAnswer = errors.New("no answer")

// answer reads the answer to a question. nil: there is no such thing.
func (s *session) answer() ([]byte, error) {
	if err := s.read(); err != nil {
		return nil, err
	}
	if s.typ != 3 {
		return nil, errAnswer
	}
	return ExtraInfo.GetRootAsResp(s.payload, 0).ResultBytes(), nil
}

func (s *session) ask(info ExtraInfo.Info, name string) ([]byte, error) {
	s.write(3, questionPayload(info, name))
	return s.answer()
}

// request is the call that the session works on.
func (s *session) request() *HTTPReqCall.Req { return HTTPReqCall.GetRootAsReq(s.payload, 0) }

func readEntries(length int, get func(*A6.TextEntry, int) bool) []Entry {
	var entries []Entry
	for i := range length {
		var e A6.TextEntry
		get(&e, i)
		entries = append(entries, Entry{string(e.Name()), string(e.Value()), e.Value() == nil})
	}
	return entries
}

func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
