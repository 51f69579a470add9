package extplugin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	pkghttp "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/api7/ext-plugin-proto/go/A6"
	ei "github.com/api7/ext-plugin-proto/go/A6/ExtraInfo"
	hrc "github.com/api7/ext-plugin-proto/go/A6/HTTPReqCall"
	flatbuffers "github.com/google/flatbuffers/go"
)

// callTimeout is how long a plugin may take, as Request.Context says it: a little
// less than the 60 s after which APISIX gives a call up.
const callTimeout = 56 * time.Second

// request decodes an HTTPReqCall frame as the plugin asks for its parts. It is
// reused for the next call of its session.
type request struct {
	s     *session
	fb    hrc.Req
	route string

	path    []byte // as set by the plugin
	hdr     header
	args    url.Values
	rawArgs url.Values
	respHdr http.Header

	ask    asker
	ctx    context.Context
	cancel context.CancelFunc
}

var _ pkghttp.Request = (*request)(nil)

func (r *request) reset(s *session, frame []byte) {
	r.s = s
	r.fb.Init(frame, flatbuffers.GetUOffsetT(frame))
	r.hdr.reset(r)
	r.ask.reset(s)
}

// maxEntries bounds the headers and arguments of a call: APISIX sends 100 at most, a
// frame could name millions.
const maxEntries = 10_000

// try reads everything once: it panics where the frame is malformed.
func (r *request) try() {
	if r.fb.HeadersLength() > maxEntries || r.fb.ArgsLength() > maxEntries {
		panic(errMalformed)
	}
	_, _, _, _ = r.ID(), r.SrcIP(), r.Method(), r.fb.Path()
	r.hdr.index()
	var e A6.TextEntry
	for i, n := 0, r.fb.ArgsLength(); i < n; i++ {
		if r.fb.Args(&e, i) {
			_, _ = e.Name(), e.Value()
		}
	}
}

// end releases what the call held. The frame's bytes are not valid after it.
func (r *request) end() {
	if r.cancel != nil {
		r.cancel()
	}
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
func (r *request) Route() string { return r.route }

// ID returns APISIX's number of the request, for debugging only.
func (r *request) ID() uint32 { return r.fb.Id() }

// SrcIP returns the client's address, 4 or 16 bytes.
func (r *request) SrcIP() net.IP { return r.fb.SrcIpBytes() }

// Method returns the HTTP method, one of the protocol's fifteen.
func (r *request) Method() string { return r.fb.Method().String() }

// Path returns the path without the query, as the plugin set it or APISIX sent it.
func (r *request) Path() []byte {
	if r.path != nil {
		return r.path
	}
	return r.fb.Path()
}

// SetPath rewrites the path for the upstream.
func (r *request) SetPath(p []byte) { r.path = p }

// Header returns the request's headers.
func (r *request) Header() pkghttp.Header { return &r.hdr }

// Args returns the query's arguments; changes to them are sent to the upstream.
func (r *request) Args() url.Values {
	if r.args == nil {
		r.args, r.rawArgs = url.Values{}, url.Values{}
		var e A6.TextEntry
		for i, n := 0, r.fb.ArgsLength(); i < n; i++ {
			if r.fb.Args(&e, i) {
				name, value := string(e.Name()), string(e.Value())
				r.args.Add(name, value)
				r.rawArgs.Add(name, value)
			}
		}
	}
	return r.args
}

// Var returns the nginx variable's value, nil when there is none. It is asked of
// APISIX once a call.
func (r *request) Var(name string) ([]byte, error) { return r.ask.variable(name) }

// Body returns the request's body, asked of APISIX once a call. It is valid until
// RequestFilter returns. When APISIX cannot read the body it sends an empty one. An
// error is a connection that broke, or that there is no memory for the body.
func (r *request) Body() ([]byte, error) { return r.ask.body(askReqBody, &r.s.room) }

// BodyWithin is Body for a plugin that counts what its requests take: room is asked
// before the body is read, and its error returned; the body is then thrown away.
// Bodies for which the connection has the memory anyway are not asked for.
func (r *request) BodyWithin(room Room) ([]byte, error) { return r.ask.body(askReqBody, room) }

// Context ends a little before APISIX gives the call up.
func (r *request) Context() context.Context {
	if r.ctx == nil {
		r.ctx, r.cancel = context.WithTimeout(context.Background(), callTimeout)
	}
	return r.ctx
}

// RespHeader returns headers to be added to the upstream's response.
func (r *request) RespHeader() http.Header {
	if r.respHdr == nil {
		r.respHdr = http.Header{}
	}
	return r.respHdr
}

// changed tells whether the plugin rewrote anything.
func (r *request) changed() bool {
	return r.path != nil || r.hdr.changes != nil || r.args != nil || r.respHdr != nil
}

// headerSource is where header reads its entries from: both kinds of call have
// the same two accessors.
type headerSource interface {
	headerEntries(dst []headerEntry) []headerEntry
}

type headerEntry struct{ name, value []byte }

func (r *request) headerEntries(dst []headerEntry) []headerEntry {
	var e A6.TextEntry
	for i, n := 0, r.fb.HeadersLength(); i < n; i++ {
		if r.fb.Headers(&e, i) {
			dst = append(dst, headerEntry{e.Name(), e.Value()})
		}
	}
	return dst
}

// header looks headers up in the frame. A map is made only for View.
type header struct {
	src     headerSource
	indexed bool
	entries []headerEntry
	// changes records what the plugin set (one value) or deleted (nil), by
	// lower-case name: APISIX is told no more than that.
	changes map[string]*string
	view    http.Header
}

var _ pkghttp.Header = (*header)(nil)

func (h *header) reset(src headerSource) {
	*h = header{src: src, entries: h.entries[:0]}
}

func (h *header) index() []headerEntry {
	if !h.indexed {
		h.entries = h.src.headerEntries(h.entries[:0])
		h.indexed = true
	}
	return h.entries
}

// Get returns the first value of the header, "" when there is none.
func (h *header) Get(name string) string {
	if h.changes != nil {
		if v, ok := h.changes[strings.ToLower(name)]; ok {
			if v == nil {
				return ""
			}
			return *v
		}
	}
	for _, e := range h.index() {
		if equalFold(e.name, name) {
			return string(e.value)
		}
	}
	return ""
}

// Values returns all values of the header, in the frame's order. Unlike View, it makes no map.
func (h *header) Values(name string) (values []string) {
	if v, ok := h.changes[strings.ToLower(name)]; ok {
		if v != nil {
			values = append(values, *v)
		}
		return values
	}
	for _, e := range h.index() {
		if equalFold(e.name, name) {
			values = append(values, string(e.value))
		}
	}
	return values
}

// Lines returns how many headers the frame has, a value each.
func (h *header) Lines() int { return len(h.index()) }

// Set replaces the header's values for the upstream.
func (h *header) Set(name, value string) { h.change(name, &value) }

// Del removes the header for the upstream.
func (h *header) Del(name string) { h.change(name, nil) }

func (h *header) change(name string, value *string) {
	if h.changes == nil {
		h.changes = map[string]*string{}
	}
	h.changes[strings.ToLower(name)] = value
	if h.view != nil {
		h.view.Del(name)
		if value != nil {
			h.view.Set(name, *value)
		}
	}
}

// View returns all headers under their canonical names, for reading only.
func (h *header) View() http.Header {
	if h.view == nil {
		h.view = make(http.Header, len(h.index()))
		for _, e := range h.index() {
			name := textproto.CanonicalMIMEHeaderKey(string(e.name))
			h.view[name] = append(h.view[name], string(e.value))
		}
		for name, value := range h.changes {
			h.view.Del(name)
			if value != nil {
				h.view.Set(name, *value)
			}
		}
	}
	return h.view
}

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

func (a *asker) reset(s *session) { *a = asker{s: s, vars: a.vars[:0]} }

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

func (a *asker) body(question []byte, room Room) ([]byte, error) {
	if a.asked {
		return a.content, a.lost
	}
	content, err := a.ask(question, room)
	if err != nil {
		return nil, err
	}
	a.asked, a.content = true, content
	return content, nil
}

// The questions for the two bodies are always the same frames.
var (
	askReqBody  = bodyQuestion(ei.InfoReqBody)
	askRespBody = bodyQuestion(ei.InfoRespBody)
)

func bodyQuestion(kind ei.Info) []byte {
	b := flatbuffers.NewBuilder(64)
	ei.ReqBodyStart(b) // RespBody is the same empty table
	frame, _ := question(b, kind, ei.ReqBodyEnd(b))
	return frame
}

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
