package extplugin

import (
	pkghttp "github.com/apache/apisix-go-plugin-runner/pkg/http"
	"github.com/api7/ext-plugin-proto/go/A6"
	hrespc "github.com/api7/ext-plugin-proto/go/A6/HTTPRespCall"
	flatbuffers "github.com/google/flatbuffers/go"
)

// response decodes an HTTPRespCall frame (ext-plugin-post-resp) and collects what
// the plugin changes in the upstream's response.
type response struct {
	fb     hrespc.Req
	hdr    header
	ask    asker
	status int
	body   []byte
	wrote  bool
}

var _ pkghttp.Response = (*response)(nil)

func newResponse(s *session, frame []byte) *response {
	w := &response{}
	w.fb.Init(frame, flatbuffers.GetUOffsetT(frame))
	w.hdr.reset(w)
	w.ask.reset(s)
	return w
}

// try reads everything once: it panics where the frame is malformed.
func (w *response) try() {
	if w.fb.HeadersLength() > maxEntries {
		panic(errMalformed)
	}
	_, _ = w.ID(), w.fb.Status()
	w.hdr.index()
}

func (w *response) headerEntries(dst []headerEntry) []headerEntry {
	var e A6.TextEntry
	for i, n := 0, w.fb.HeadersLength(); i < n; i++ {
		if w.fb.Headers(&e, i) {
			dst = append(dst, headerEntry{e.Name(), e.Value()})
		}
	}
	return dst
}

// ID returns APISIX's number of the request, for debugging only.
func (w *response) ID() uint32 { return w.fb.Id() }

// StatusCode returns the status as the plugin set it or the upstream sent it.
func (w *response) StatusCode() int {
	if w.status != 0 {
		return w.status
	}
	return int(w.fb.Status())
}

// Header returns the response's headers.
func (w *response) Header() pkghttp.Header { return &w.hdr }

// Var returns the nginx variable's value, asked of APISIX once a call.
func (w *response) Var(name string) ([]byte, error) { return w.ask.variable(name) }

// ReadBody returns the upstream's body, asked of APISIX once a call.
func (w *response) ReadBody() ([]byte, error) { return w.ask.body(askRespBody, &w.ask.s.room) }

// Write replaces the upstream's body, piece by piece.
func (w *response) Write(p []byte) (int, error) {
	w.wrote = true
	w.body = append(w.body, p...)
	return len(p), nil
}

// WriteHeader replaces the status; the first one counts.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *response) changed() bool { return w.wrote || w.status != 0 || w.hdr.changes != nil }

func (w *response) appendTo(b *flatbuffers.Builder, id uint32) {
	headers := textEntries(b, appendChanges(b, w.hdr.changes), hrespc.RespStartHeadersVector)
	var body flatbuffers.UOffsetT
	if len(w.body) > 0 {
		body = b.CreateByteVector(w.body)
	}
	hrespc.RespStart(b)
	hrespc.RespAddId(b, id)
	if w.status != 0 {
		hrespc.RespAddStatus(b, uint16(w.status))
	}
	if headers != 0 {
		hrespc.RespAddHeaders(b, headers)
	}
	if body != 0 {
		hrespc.RespAddBody(b, body)
	}
	b.Finish(hrespc.RespEnd(b))
}
