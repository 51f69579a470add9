package extplugin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"

	pkghttp "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/api7/ext-plugin-proto/go/A6"
	ei "github.com/api7/ext-plugin-proto/go/A6/ExtraInfo"
	hrc "github.com/api7/ext-plugin-proto/go/A6/HTTPReqCall"
	flatbuffers "github.com/google/flatbuffers/go"
)

// request decodes an HTTPReqCall frame as the plugin asks for its parts. It is
// reused for the next call of its session.
//
// It implements the part of the contract that a plugin needs which answers every request itself. There is nothing here
// for one that changes a request and lets it pass to an upstream: SetPath, RespHeader and the header's Set and Del panic,
// which the session answers with 500.
type request struct {
	s  *session
	fb hrc.Req

	hdr  header
	args url.Values
	ask  asker
}

var _ pkghttp.Request = (*request)(nil)

func (r *request) reset(s *session, frame []byte) {
	r.s = s
	r.fb.Init(frame, flatbuffers.GetUOffsetT(frame))
	r.ask = asker{s: s, vars: r.ask.vars[:0]}
}

// maxEntries bounds the entries of a frame: APISIX sends 100 headers and as many
// arguments at most, a frame could name millions.
const maxEntries = 10_000

// entries bounds what is read of a frame's entries. It panics with errMalformed when they
// have more bytes than the frame: each is copied sooner or later, and all of them may
// refer to the same text, which APISIX's never do.
type entries struct{ left int }

// entriesOf begins to read n entries of a frame.
func entriesOf(frame []byte, n int) entries {
	if n > maxEntries {
		panic(errMalformed)
	}
	return entries{left: len(frame)}
}

func (l *entries) read(e *A6.TextEntry) (name, value []byte) {
	name, value = e.Name(), e.Value()
	if l.left -= len(name) + len(value); l.left < 0 {
		panic(errMalformed)
	}
	return name, value
}

// try reads everything of the frame once: it panics where that is malformed.
func (r *request) try(frame []byte) {
	all := entriesOf(frame, r.fb.HeadersLength()+r.fb.ArgsLength())
	_, _, _, _ = r.ID(), r.SrcIP(), r.Method(), r.Path()
	var e A6.TextEntry
	for i := range r.fb.HeadersLength() {
		if r.fb.Headers(&e, i) {
			name, value := all.read(&e)
			r.hdr.entries = append(r.hdr.entries, headerEntry{name, value})
		}
	}
	for i := range r.fb.ArgsLength() {
		if r.fb.Args(&e, i) {
			all.read(&e)
		}
	}
}

// end releases what the call held. The frame's bytes are not valid after it.
func (r *request) end() {
	*r = request{hdr: header{entries: emptied(r.hdr.entries)}, ask: asker{vars: emptied(r.ask.vars)}}
}

// maxKept is how many entries an emptied slice keeps room for: ordinary requests
// have a few dozen headers, a frame could name millions.
const maxKept = 256

// emptied returns the slice's memory for the next call, without what it refers to.
func emptied[E any](s []E) []E {
	if cap(s) > maxKept {
		return nil
	}
	clear(s)
	return s[:0]
}

// Route returns the id of the route that the request came by, for the log.
func (r *request) Route() string { return r.s.route }

// ID returns APISIX's number of the request, for debugging only.
func (r *request) ID() uint32 { return r.fb.Id() }

// SrcIP returns the client's address, 4 or 16 bytes.
func (r *request) SrcIP() net.IP { return r.fb.SrcIpBytes() }

// Method returns the HTTP method, one of the protocol's fifteen.
func (r *request) Method() string { return r.fb.Method().String() }

// Path returns the path without the query.
func (r *request) Path() []byte { return r.fb.Path() }

// Header returns the request's headers, for reading only.
func (r *request) Header() pkghttp.Header { return &r.hdr }

// Args returns the query's arguments, for reading only.
func (r *request) Args() url.Values {
	if r.args == nil {
		r.args = url.Values{}
		var e A6.TextEntry
		for i := range r.fb.ArgsLength() {
			if r.fb.Args(&e, i) {
				r.args.Add(string(e.Name()), string(e.Value()))
			}
		}
	}
	return r.args
}

// Context never ends: the plugin keeps its own time.
func (r *request) Context() context.Context { return context.Background() }

const noRewrite = "this host does not rewrite requests"

// SetPath panics: see request.
func (r *request) SetPath([]byte) { panic(noRewrite) }

// RespHeader panics: see request.
func (r *request) RespHeader() http.Header { panic(noRewrite) }

// Var returns the nginx variable's value, nil when there is none. It is asked of
// APISIX once a call.
func (r *request) Var(name string) ([]byte, error) { return r.ask.variable(name) }

// Body returns the request's body, asked of APISIX once a call. It is valid until
// RequestFilter returns. When APISIX cannot read the body it sends an empty one. An
// error is a connection that broke, or that there is no memory for the body.
func (r *request) Body() ([]byte, error) { return r.ask.body(&r.s.room) }

// BodyWithin is Body for a plugin that counts what its requests take: room is asked
// before the body is read, and its error returned; the body is then thrown away.
// Bodies for which the connection has the memory anyway are not asked for.
func (r *request) BodyWithin(room Room) ([]byte, error) { return r.ask.body(room) }

type headerEntry struct{ name, value []byte }

// header looks headers up in the frame. A map is made only for View.
type header struct {
	entries []headerEntry
	view    http.Header
}

var _ pkghttp.Header = (*header)(nil)

// Get returns the first value of the header, "" when there is none.
func (h *header) Get(name string) string {
	for _, e := range h.entries {
		if equalFold(e.name, name) {
			return string(e.value)
		}
	}
	return ""
}

// Values returns all values of the header, in the frame's order. Unlike View, it makes no map.
func (h *header) Values(name string) (values []string) {
	for _, e := range h.entries {
		if equalFold(e.name, name) {
			values = append(values, string(e.value))
		}
	}
	return values
}

// Lines returns how many headers the frame has, a value each.
func (h *header) Lines() int { return len(h.entries) }

// View returns all headers under their canonical names, for reading only.
func (h *header) View() http.Header {
	if h.view == nil {
		h.view = make(http.Header, len(h.entries))
		for _, e := range h.entries {
			h.view.Add(string(e.name), string(e.value))
		}
	}
	return h.view
}

// Set panics: see request.
func (h *header) Set(_, _ string) { panic(noRewrite) }

// Del panics: see request.
func (h *header) Del(string) { panic(noRewrite) }

// equalFold compares ASCII names without regard to case.
func equalFold(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z' {
			return false
		}
	}
	return true
}

// asker asks APISIX for what does not come with a call, each thing once a call.
type asker struct {
	s       *session
	vars    []variable
	asked   bool // for the body
	content []byte
	lost    error // the connection broke: nothing more can be asked
}

type variable struct {
	name  string
	value []byte
}

func (a *asker) variable(name string) ([]byte, error) {
	for _, v := range a.vars {
		if v.name == name {
			return v.value, nil
		}
	}
	b := a.s.b
	b.Reset()
	n := b.CreateString(name)
	ei.VarStart(b)
	ei.VarAddName(b, n)
	frame, ok := question(b, ei.InfoVar, ei.VarEnd(b))
	if !ok {
		return nil, errors.New("the variable's name does not fit a frame")
	}
	value, err := a.ask(frame, &a.s.room)
	if errors.Is(err, errNoMemory) { // a plugin would take it for a variable without a value
		a.lost = errConnLost
		err = a.lost
	}
	if err != nil {
		return nil, err
	}
	a.vars = append(a.vars, variable{name, value})
	return value, nil
}

func (a *asker) body(room Room) ([]byte, error) {
	if a.asked {
		return a.content, a.lost
	}
	content, err := a.ask(bodyQuestion, room)
	if err != nil {
		return nil, err
	}
	a.asked, a.content = true, content
	return content, nil
}

// bodyQuestion is the frame that asks for the request's body, the same for every call.
var bodyQuestion = func() []byte {
	b := flatbuffers.NewBuilder(64)
	ei.ReqBodyStart(b)
	frame, _ := question(b, ei.InfoReqBody, ei.ReqBodyEnd(b))
	return frame
}()

// question builds the frame that asks for info, which has been begun in b. ok is
// false when it does not fit a frame.
func question(b *flatbuffers.Builder, kind ei.Info, info flatbuffers.UOffsetT) (frame []byte, ok bool) {
	ei.ReqStart(b)
	ei.ReqAddInfoType(b, kind)
	ei.ReqAddInfo(b, info)
	b.Finish(ei.ReqEnd(b))
	return finishFrame(b, typeExtraInfo)
}

// ask sends a question. The result is valid until the call ends. An error is that of
// room, after which the call goes on, or that the connection broke.
func (a *asker) ask(question []byte, room Room) (result []byte, err error) {
	if a.lost != nil {
		return nil, a.lost
	}
	typ, frame, err := a.s.exchange(question, room)
	if refused, ok := err.(refusedError); ok && typ == typeExtraInfo {
		return nil, refused.error
	}
	if err != nil || typ != typeExtraInfo {
		a.lost = errConnLost
		return nil, a.lost
	}
	if len(frame) == 0 { // no result at all: as empty
		return nil, nil
	}
	if result, err = extraInfoResult(frame); err != nil {
		a.lost = errConnLost // the peer does not speak the protocol
		return nil, a.lost
	}
	return result, nil
}

func extraInfoResult(frame []byte) (result []byte, err error) {
	defer malformed(&err)
	return ei.GetRootAsResp(frame, 0).ResultBytes(), nil
}
