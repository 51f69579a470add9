package kafkaupstream

import (
	"fmt"
	"strconv"
)

// contentLength reads a Content-Length in bytes; -1: there is none.
func contentLength(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// bodyLost reports whether an empty body is one that the gateway had and could not read: APISIX
// then hands an empty one over, and an empty record would be a loss answered with 200. Where no
// header says how long the body was (chunked, HTTP/2), the variable does once the gateway has
// read it.
func bodyLost(req Request, promised int64) bool {
	if promised < 0 {
		promised = contentLength(req.Var("content_length"))
	}
	return promised > 0
}

// value fetches the body and makes records of it.
func (r *Served) value(req Request, w *work) *Reply {
	form := r.formOf(req)
	if (r.RequireJSON || r.schema != nil || r.Envelope != nil) && !form.json() && !r.CloudEvents {
		return refuse(415, "the route takes JSON only: content-type must be application/json or end in +json")
	}
	promised := contentLength(req.Header("content-length"))
	if promised > int64(r.MaxBody) {
		return tooLarge("body", promised, r.MaxBody)
	}
	if w.Hold(int(promised)) != nil {
		return noRoom()
	}
	body, err := req.Body(w)
	w.bodyBytes = len(body)
	switch {
	case err != nil:
		return bodyFailed(err)
	case len(body) == 0 && bodyLost(req, promised):
		return unavailable("the gateway could not read the body")
	case len(body) > r.MaxBody:
		return tooLarge("body", int64(len(body)), r.MaxBody)
	case w.Hold(len(body)) != nil:
		return noRoom()
	}
	w.body = body
	if r.CloudEvents {
		return r.events(req, body, w)
	}
	if !form.json() {
		if body == nil {
			body = []byte{} // empty, which is not null
		}
		return r.only(req, w, body, false)
	}
	body, refused := r.decoded(body, req.Header("content-encoding"), w)
	if refused != nil {
		return refused
	}
	if form != formJSON {
		return r.batchOf(req, body, form, w)
	}
	if body, refused = r.compactBody(body, w); refused != nil {
		return refused
	}
	return r.only(req, w, body, true)
}

// only makes the request's one record, of this value.
func (r *Served) only(req Request, w *work, value []byte, isJSON bool) *Reply {
	w.base.Value = value
	return r.add(req, w, &w.base, isJSON)
}

// tombstone makes the request's record one that says that its key is gone.
func (r *Served) tombstone(req Request, w *work) *Reply {
	const message = "a tombstone has no body"
	if contentLength(req.Header("content-length")) > 0 {
		return refuse(400, message)
	}
	body, err := req.Body(w)
	if err != nil {
		return bodyFailed(err)
	}
	if len(body) > 0 || bodyLost(req, -1) {
		return refuse(400, message)
	}
	w.base.tombstone = true
	return r.only(req, w, nil, false)
}

func tooLarge(what string, size int64, limit int) *Reply {
	return refuse(413, fmt.Sprintf("the %s has %d bytes, the limit is %d", what, size, limit))
}
