package extplugin

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	a6err "github.com/api7/ext-plugin-proto/go/A6/Err"
	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/kafkaupstream/kafkaupstream/internal/logging"
)

// session serves one connection of APISIX. It is used by one goroutine.
type session struct {
	srv  *Server
	conn *net.UnixConn
	raw  syscall.RawConn

	in    inbox
	room  frameRoom
	route string // of the call under way, for the log; "" until its token is looked up
	b     *flatbuffers.Builder
	req   request
	rsp   reply

	// phase is of the call under way, and ending makes the present or next call the last one: what
	// Server.Shutdown sees and sets.
	phase  atomic.Int32
	ending atomic.Bool
	// used: there has been a call. A new connection is made for one, which will come.
	used bool
	// dismissed: the peer has been told to use the connection no more.
	dismissed bool
	// awaited: the session is one of Server.undismissed.
	awaited atomic.Bool

	// Arguments and results of poll, which is made once so that a call allocates
	// no closure.
	poll    func(fd uintptr) bool
	pollOut []byte
	pollErr error
}

// The phases of a call.
const (
	idle      = iota
	serving   // until it is known whether its answer is the last one
	answering // until the answer is written
)

func newSession(srv *Server, conn *net.UnixConn) (*session, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &session{srv: srv, conn: conn, raw: raw, b: flatbuffers.NewBuilder(1024), room: frameRoom{memory: srv.memory}}
	s.poll = s.writeThenRead
	s.in.buf = getBuffer(smallBuffer)
	return s, nil
}

// serve answers calls until the peer closes, the connection breaks or the server
// shuts down.
func (s *session) serve() {
	defer s.conn.Close()
	defer s.settle()
	defer s.room.release()
	var out []byte
	for {
		if s.in.release() {
			s.srv.large.Store(true)
		}
		s.room.release()
		s.route = ""
		typ, frame, err := s.exchange(out, &s.room)
		refused, tooLarge := err.(refusedError)
		switch {
		case tooLarge && !s.dismissed:
			out = s.refuse(typ, refused.error)
		case err != nil && !tooLarge:
			if !errors.Is(err, io.EOF) && !s.srv.draining.Load() {
				s.srv.count.broken.Add(1)
				s.srv.log.Debug("connection of APISIX ended", "error", err)
			}
			return
		case s.dismissed:
			s.srv.undismissed.Wait()
			_ = s.conn.CloseRead() // writes of the peer fail from now on
			_, _ = s.conn.Write(s.errorFrame(errTokenNotFound)[len(dismissal):])
			return
		default:
			s.begin()
			if out, err = s.dispatch(typ, frame); err != nil {
				s.srv.count.broken.Add(1)
				s.srv.log.Info("connection of APISIX lost during a call", s.about("error", err)...)
				return
			}
		}
		s.phase.Store(answering)
		if s.ending.Load() {
			// The peer must not send its next call here. In one write with the answer: APISIX then finds the
			// dismissal when it has read the answer, and does not keep the connection.
			out = slices.Concat(out, dismissal)
			s.dismissed = true
		}
	}
}

// end makes the present call the last one, or dismisses the connection. Any goroutine may call it.
func (s *session) end() {
	s.srv.undismissed.Add(1)
	s.awaited.Store(true)
	s.ending.Store(true)
	if s.phase.Load() == serving { // its answer takes the time that it takes, and has the dismissal in it
		s.settle()
	}
	_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // wakes the session
}

// begin notes that there is a call, which gets an answer.
func (s *session) begin() {
	s.used = true
	s.phase.Store(serving)
	s.settle()
}

// settle notes that the peer cannot take the connection for a call that is made again.
func (s *session) settle() {
	if s.awaited.CompareAndSwap(true, false) {
		s.srv.undismissed.Done()
	}
}

// dismissal is the first byte of an error frame. A worker of nginx closes an idle connection on which something
// comes in. If it has taken the connection for a call at this very moment, the rest of the frame says that the
// token is not known, so that APISIX makes the call again on another connection.
var dismissal = []byte{typeError}

// dismiss sends the dismissal if the connection is idle, and has been used. It is called when there is nothing to read.
func (s *session) dismiss(fd uintptr) error {
	if !s.ending.Load() || s.dismissed {
		return nil
	}
	defer s.settle()
	if !s.used || s.phase.Load() != idle || s.in.w > s.in.r {
		return nil
	}
	_, err := retryEINTR(sysWrite, fd, dismissal)
	s.dismissed = err == nil
	if err == syscall.EAGAIN { // the peer reads nothing
		return nil
	}
	return err
}

// exchange writes out, which may be empty, and reads the next frame. The payload
// is valid until the call it belongs to has ended. A frame for which room refuses a
// buffer is read and thrown away: the error is then a refusedError.
//
// It arms the poller first, then writes and then reads only when the peer has
// answered: an ordinary read would be tried first and fail every time, since the
// peer sends nothing before it has its answer.
func (s *session) exchange(out []byte, room Room) (typ byte, payload []byte, err error) {
	in := &s.in
	need := frameHeaderLen
	for {
		if in.w-in.r >= frameHeaderLen {
			var n int
			typ, n = parseFrameHeader(in.buf[in.r:])
			need = frameHeaderLen + n
			if in.w-in.r >= need {
				if len(out) > 0 { // the peer sent ahead; it still gets its answer first
					if _, err := s.conn.Write(out); err != nil {
						return 0, nil, err
					}
					s.replied()
				}
				payload = in.buf[in.r+frameHeaderLen : in.r+need : in.r+need]
				in.r += need
				return typ, payload, nil
			}
		}
		want := max(need, smallBuffer/2)
		if size := in.growth(want); size > keptBuffer {
			if refused := room.Hold(size); refused != nil {
				if err := s.discard(out, need); err != nil {
					return 0, nil, err
				}
				return typ, nil, refusedError{refused}
			}
		}
		in.room(want)
		if err := s.read(out); err != nil {
			if errors.Is(err, io.EOF) && in.w > in.r {
				err = io.ErrUnexpectedEOF
			}
			return 0, nil, err
		}
		out = nil
	}
}

// discard reads the next n bytes and forgets them, in memory that the session may keep.
// The peer cannot tell that from an ordinary read.
func (s *session) discard(out []byte, n int) error {
	s.begin()
	in := &s.in
	n -= in.w - in.r
	in.w = in.r
	in.room(keptBuffer)
	for n > 0 {
		in.end = min(len(in.buf), in.r+n)
		if err := s.read(out); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		out = nil
		n -= in.w - in.r
		in.w = in.r
	}
	return nil
}

// read writes out and then reads at least one byte into the inbox.
func (s *session) read(out []byte) error {
	s.pollOut, s.pollErr = out, nil
	err := s.raw.Read(s.poll)
	rest := s.pollOut
	s.pollOut = nil
	switch {
	case s.pollErr != nil:
		return s.pollErr
	case errors.Is(err, os.ErrDeadlineExceeded): // end
		_ = s.conn.SetReadDeadline(time.Time{})
		if len(rest) == 0 {
			return s.read(nil)
		}
	case err != nil:
		return err
	}
	if len(rest) > 0 { // did not fit the socket's buffer, or could not be tried
		if _, err := s.conn.Write(rest); err != nil {
			return err
		}
		s.replied()
		return s.read(nil)
	}
	return nil
}

// writeThenRead is called by the poller: the first time before it waits, then
// whenever the socket may have become readable. It returns false to wait.
func (s *session) writeThenRead(fd uintptr) bool {
	if len(s.pollOut) > 0 {
		n, err := retryEINTR(sysWrite, fd, s.pollOut)
		if err != nil && err != syscall.EAGAIN {
			s.pollErr = err
			return true
		}
		if s.pollOut = s.pollOut[max(n, 0):]; len(s.pollOut) > 0 {
			return true
		}
		s.replied()
		return false
	}
	n, err := retryEINTR(sysRead, fd, s.in.buf[s.in.w:s.in.end])
	switch {
	case err == syscall.EAGAIN:
		s.pollErr = s.dismiss(fd)
		return s.pollErr != nil
	case err != nil:
		s.pollErr = err
	case n == 0:
		s.pollErr = io.EOF
	default:
		s.in.w += n
	}
	return true
}

// replied notes that the call's reply, if it was one, is with the peer.
func (s *session) replied() { s.phase.CompareAndSwap(answering, idle) }

// hasCall reports whether the peer waits for a reply: to a call that is served, or to one that it has sent and that
// nobody has read, on a busy machine.
func (s *session) hasCall() bool {
	if s.phase.Load() != idle {
		return true
	}
	unread := false
	_ = s.raw.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		unread = err == nil && n > 0
	})
	return unread
}

func retryEINTR(call func(uintptr, []byte) (int, error), fd uintptr, p []byte) (int, error) {
	for {
		n, err := call(fd, p)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// dispatch handles one call and returns the frame that answers it. An error means
// that the connection is of no more use.
func (s *session) dispatch(typ byte, frame []byte) ([]byte, error) {
	var err error
	s.b.Reset()
	switch typ {
	case typePrepareConf:
		err = s.prepareConf(frame)
	case typeHTTPReqCall:
		err = s.httpReqCall(frame)
	case typeHTTPRespCall:
		err = s.httpRespCall(frame)
	default:
		err = unknownTypeError(typ)
	}
	if errors.Is(err, errConnLost) {
		return nil, err
	}
	if err == nil {
		if out, ok := finishFrame(s.b, typ); ok {
			s.trimBuilder()
			return out, nil
		}
		err = errors.New("the answer is larger than a frame can be")
	}
	return s.refuse(typ, err), nil
}

// about puts the call's route, where it is known, before the attributes of a line.
func (s *session) about(attributes ...any) []any {
	if s.route == "" {
		return attributes
	}
	return append([]any{"route", s.route}, attributes...)
}

// refuse logs why a call is not served and returns the error frame for APISIX.
func (s *session) refuse(typ byte, err error) []byte {
	if errors.Is(err, errTokenNotFound) {
		s.srv.count.unknownTokens.Add(1)
		s.srv.log.Debug("APISIX used a token of another process or an expired one; it will prepare the configuration again")
	} else {
		s.srv.count.refused.Add(1)
		s.srv.log.Warn("call refused", s.about("type", typ, "error", err)...)
	}
	return s.errorFrame(err)
}

// errorFrame is the frame that answers a call with an error.
func (s *session) errorFrame(err error) []byte {
	s.b.Reset()
	a6err.RespStart(s.b)
	a6err.RespAddCode(s.b, errorCode(err))
	s.b.Finish(a6err.RespEnd(s.b))
	out, _ := finishFrame(s.b, typeError)
	return out
}

// trimBuilder keeps a large answer's buffer from staying with an idle connection.
// The frame just built keeps its own reference.
func (s *session) trimBuilder() {
	if len(s.b.Bytes) > keptBuffer {
		s.b = flatbuffers.NewBuilder(1024)
	}
}

// malformed is deferred around the generated accessors: they panic on malformed
// frames, which becomes errMalformed. What reads a frame for a plugin has been tried
// by then, so that a panic under a plugin is the plugin's.
func malformed(err *error) {
	if recover() != nil {
		*err = errMalformed
	}
}

// callPlugin runs f. A panic of the plugin is logged with its stack and answered
// by the caller.
func (s *session) callPlugin(name string, f func()) (panicked bool) {
	defer func() {
		if r := recover(); r != nil {
			panicked = true
			s.srv.log.Error("plugin panicked", "plugin", name, "route", s.route, "panic", logging.Panic(r), "stack", string(debug.Stack()))
		}
	}()
	f()
	return false
}
