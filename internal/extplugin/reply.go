package extplugin

import (
	"net/http"

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

// written reports whether the plugin has answered the request.
func (w *reply) written() bool { return w.wrote || w.status != 0 }

// appendTo builds the HTTPReqCall.Resp that stops the request.
func (w *reply) appendTo(b *flatbuffers.Builder, id uint32) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	headers := w.appendHeaders(b)
	body := b.CreateByteVector(w.body)
	hrc.StopStart(b)
	hrc.StopAddStatus(b, uint16(status))
	if headers != 0 {
		hrc.StopAddHeaders(b, headers)
	}
	hrc.StopAddBody(b, body)
	stop := hrc.StopEnd(b)
	hrc.RespStart(b)
	hrc.RespAddId(b, id)
	hrc.RespAddActionType(b, hrc.ActionStop)
	hrc.RespAddAction(b, stop)
	b.Finish(hrc.RespEnd(b))
}

// appendHeaders builds the vector of headers, a TextEntry for each value, and returns 0 when there are none.
func (w *reply) appendHeaders(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	w.entries = w.entries[:0]
	for name, values := range w.header {
		for _, value := range values {
			w.entries = append(w.entries, textEntry(b, name, value))
		}
	}
	if len(w.entries) == 0 {
		return 0
	}
	return b.CreateVectorOfTables(w.entries)
}

func textEntry(b *flatbuffers.Builder, name, value string) flatbuffers.UOffsetT {
	n, v := b.CreateString(name), b.CreateString(value)
	A6.TextEntryStart(b)
	A6.TextEntryAddName(b, n)
	A6.TextEntryAddValue(b, v)
	return A6.TextEntryEnd(b)
}

// appendPass builds the HTTPReqCall.Resp with which APISIX continues with the request as it is.
func appendPass(b *flatbuffers.Builder, id uint32) {
	hrc.RespStart(b)
	hrc.RespAddId(b, id)
	b.Finish(hrc.RespEnd(b))
}
