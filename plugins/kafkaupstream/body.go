package kafkaupstream

import (
	"errors"
	"fmt"

	"github.com/kafkaupstream/kafkaupstream/internal/form"
	"github.com/kafkaupstream/kafkaupstream/utils"
)

// value fetches the body and makes records of it.
func (r *Served) value(req Request, w *work) *Reply {
	if r.JSONOnly() && !w.form.json && !r.CloudEvents {
		return refuse(415, "the route takes JSON only: content-type must be application/json or end in +json")
	}
	if w.form.json && !r.LooseJSON && !utils.IsUTF8(req.Header("content-type")) {
		return refuse(415, "JSON is UTF-8: content-type has another charset")
	}
	body, err := req.Body(r.MaxBody, w)
	w.bodyBytes = len(body)
	if err != nil {
		return bodyFailed(err)
	}
	w.body = body
	if r.CloudEvents {
		return r.events(req, body, w)
	}
	if !w.form.json {
		if body == nil {
			body = []byte{} // empty, which is not null
		}
		return r.only(req, w, body, false)
	}
	body, refused := r.decoded(body, req.Header("content-encoding"), w)
	if refused != nil {
		return refused
	}
	if w.form.read != nil {
		return r.batchOf(req, body, w)
	}
	if w.form == formFields {
		body, refused = r.fields(body, w)
	} else {
		body, refused = r.compactBody(body, w)
	}
	if refused != nil {
		return refused
	}
	return r.only(req, w, body, true)
}

// fields makes JSON of a form.
func (r *Served) fields(body []byte, w *work) ([]byte, *Reply) {
	if w.holdMore(len(body)) != nil {
		return nil, noRoom()
	}
	fields, err := form.Parse(body, *r.Form)
	if err != nil {
		return nil, refuse(400, err.Error())
	}
	size := fields.Len()
	if w.holdMore(size) != nil {
		return nil, noRoom()
	}
	return fields.AppendJSON(make([]byte, 0, size)), nil
}

// only makes the request's one record, of this value.
func (r *Served) only(req Request, w *work, value []byte, isJSON bool) *Reply {
	w.base.Value = value
	return r.add(req, w, &w.base, isJSON)
}

// tombstone makes the request's record one that says that its key is gone.
func (r *Served) tombstone(req Request, w *work) *Reply {
	_, err := req.Body(0, w)
	var has *BodyTooLarge
	switch {
	case errors.As(err, &has), errors.Is(err, ErrBodyLost):
		return refuse(400, "a tombstone has no body")
	case err != nil:
		return bodyFailed(err)
	}
	w.base.tombstone = true
	return r.only(req, w, nil, false)
}

func tooLarge(what string, size int64, limit int) *Reply {
	return refuse(413, fmt.Sprintf("the %s has %d bytes, the limit is %d", what, size, limit))
}

// bodyFailed is the reply to a request whose body could not be had.
func bodyFailed(err error) *Reply {
	var large *BodyTooLarge
	switch {
	case errors.As(err, &large):
		return tooLarge("body", large.Size, large.Limit)
	case errors.Is(err, errNoRoom):
		return noRoom()
	case errors.Is(err, ErrBodyLost):
		return unavailable(ErrBodyLost.Error())
	case errors.Is(err, ErrBodySlow):
		return refuse(408, ErrBodySlow.Error())
	case errors.Is(err, ErrBodyCutOff):
		return refuse(400, ErrBodyCutOff.Error())
	}
	return unavailable("the gateway did not hand the body over")
}
