package extplugin

import (
	"net/http"
	"slices"

	"github.com/api7/ext-plugin-proto/go/A6"
	hrc "github.com/api7/ext-plugin-proto/go/A6/HTTPReqCall"
	flatbuffers "github.com/google/flatbuffers/go"
)

// reply is the http.ResponseWriter of a call. It is reused for the next call of
// its session.
type reply struct {
	header http.Header
	status int
	body   []byte
	wrote  bool

	entries []flatbuffers.UOffsetT // scratch of appendTo
}

var _ http.ResponseWriter = (*reply)(nil)

func (w *reply) reset() {
	clear(w.header)
	w.status, w.wrote = 0, false
	if cap(w.body) > keptBuffer {
		w.body = nil
	}
	w.body = w.body[:0]
}

// Header returns the headers to be sent to the client.
func (w *reply) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header, 4)
	}
	return w.header
}

// Write appends to the body. Writing, even nothing, stops the request here.
func (w *reply) Write(p []byte) (int, error) {
	w.wrote = true
	w.body = append(w.body, p...)
	return len(p), nil
}

// WriteHeader sets the status; the first one counts.
func (w *reply) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// written tells whether the request ends here.
func (w *reply) written() bool { return w.wrote || w.status != 0 }

// appendTo builds the HTTPReqCall.Resp that stops the request.
func (w *reply) appendTo(b *flatbuffers.Builder, id uint32) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	headers := w.appendHeaders(b, hrc.StopStartHeadersVector)
	body := b.CreateByteVector(w.body)
	hrc.StopStart(b)
	hrc.StopAddStatus(b, uint16(status))
	if headers != 0 {
		hrc.StopAddHeaders(b, headers)
	}
	hrc.StopAddBody(b, body)
	finishResp(b, id, hrc.ActionStop, hrc.StopEnd(b))
}

func (w *reply) appendHeaders(b *flatbuffers.Builder, start startVector) flatbuffers.UOffsetT {
	w.entries = appendValues(b, w.entries[:0], w.header)
	return textEntries(b, w.entries, start)
}

type startVector func(b *flatbuffers.Builder, n int) flatbuffers.UOffsetT

// appendValues creates a TextEntry for each value of each name.
func appendValues(b *flatbuffers.Builder, dst []flatbuffers.UOffsetT, values map[string][]string) []flatbuffers.UOffsetT {
	for name, vs := range values {
		for _, v := range vs {
			dst = append(dst, textEntry(b, name, &v))
		}
	}
	return dst
}

// textEntry creates a TextEntry; without a value it says that the name is deleted.
func textEntry(b *flatbuffers.Builder, name string, value *string) flatbuffers.UOffsetT {
	n := b.CreateString(name)
	var v flatbuffers.UOffsetT
	if value != nil {
		v = b.CreateString(*value)
	}
	A6.TextEntryStart(b)
	A6.TextEntryAddName(b, n)
	if value != nil {
		A6.TextEntryAddValue(b, v)
	}
	return A6.TextEntryEnd(b)
}

// textEntries makes the vector of entries, 0 when there are none.
func textEntries(b *flatbuffers.Builder, entries []flatbuffers.UOffsetT, start startVector) flatbuffers.UOffsetT {
	if len(entries) == 0 {
		return 0
	}
	start(b, len(entries))
	for i := len(entries) - 1; i >= 0; i-- {
		b.PrependUOffsetT(entries[i])
	}
	return b.EndVector(len(entries))
}

func finishResp(b *flatbuffers.Builder, id uint32, typ hrc.Action, action flatbuffers.UOffsetT) {
	hrc.RespStart(b)
	hrc.RespAddId(b, id)
	if typ != hrc.ActionNONE {
		hrc.RespAddActionType(b, typ)
		hrc.RespAddAction(b, action)
	}
	b.Finish(hrc.RespEnd(b))
}

// appendRewrite builds the HTTPReqCall.Resp with which APISIX goes on, with what
// the plugin changed in the request.
func (r *request) appendRewrite(b *flatbuffers.Builder, id uint32) {
	if !r.changed() {
		finishResp(b, id, hrc.ActionNONE, 0)
		return
	}
	var path flatbuffers.UOffsetT
	if r.path != nil {
		path = b.CreateByteString(r.path)
	}
	headers := textEntries(b, appendChanges(b, r.hdr.changes), hrc.RewriteStartHeadersVector)
	args := textEntries(b, r.appendArgs(b), hrc.RewriteStartArgsVector)
	respHeaders := textEntries(b, appendValues(b, nil, r.respHdr), hrc.RewriteStartRespHeadersVector)

	hrc.RewriteStart(b)
	if path != 0 {
		hrc.RewriteAddPath(b, path)
	}
	if headers != 0 {
		hrc.RewriteAddHeaders(b, headers)
	}
	if args != 0 {
		hrc.RewriteAddArgs(b, args)
	}
	if respHeaders != 0 {
		hrc.RewriteAddRespHeaders(b, respHeaders)
	}
	finishResp(b, id, hrc.ActionRewrite, hrc.RewriteEnd(b))
}

func appendChanges(b *flatbuffers.Builder, changes map[string]*string) (dst []flatbuffers.UOffsetT) {
	for name, value := range changes {
		dst = append(dst, textEntry(b, name, value))
	}
	return dst
}

// appendArgs creates the entries of the arguments that the plugin changed.
func (r *request) appendArgs(b *flatbuffers.Builder) (dst []flatbuffers.UOffsetT) {
	for name, values := range r.args {
		if !slices.Equal(values, r.rawArgs[name]) {
			for i := range values {
				dst = append(dst, textEntry(b, name, &values[i]))
			}
		}
	}
	for name := range r.rawArgs {
		if len(r.args[name]) == 0 {
			dst = append(dst, textEntry(b, name, nil))
		}
	}
	return dst
}
