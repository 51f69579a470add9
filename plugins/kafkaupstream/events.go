package kafkaupstream

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/cloudevents"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/utils"
)

// events makes records of the CloudEvents of a request.
func (r *Served) events(req Request, body []byte, w *work) *Reply {
	contentType := req.Header("content-type")
	mode := cloudevents.ModeOf(contentType, func(name string) bool { return req.Header(name) != "" })
	switch mode {
	case cloudevents.Unsupported:
		return refuse(415, "the route takes CloudEvents in JSON only")
	case cloudevents.None:
		return refuse(400, "the request is no CloudEvent: it has no header ce-specversion, and its content-type is none of CloudEvents'")
	}
	isJSON := mode != cloudevents.Binary || utils.IsJSONMediaType(contentType)
	if isJSON {
		var refused *Reply
		if body, refused = r.decoded(body, req.Header("content-encoding"), w); refused != nil {
			return refused
		}
	}
	if mode != cloudevents.Binary && w.holdMore(len(body)) != nil { // it is compacted
		return noRoom()
	}
	switch mode {
	case cloudevents.Batched:
		w.isBatch = true
		number := 0
		for event, err := range cloudevents.DecodeBatch(body, maxBatch) {
			if err != nil {
				return refuse(400, err.Error())
			}
			number++
			if refused := r.event(req, &event, w); refused != nil {
				return refused.of("event", number)
			}
		}
		if number == 0 {
			return &noEvents
		}
		return nil
	case cloudevents.Structured:
		event, err := cloudevents.DecodeStructured(body)
		if err != nil {
			return refuse(400, err.Error())
		}
		return r.event(req, &event, w)
	}
	if isJSON && len(body) > 0 {
		var refused *Reply
		if body, refused = r.compactBody(body, w); refused != nil {
			return refused
		}
	}
	if req.HeadersMissing() {
		return headersMissing()
	}
	event, err := cloudevents.DecodeBinary(contentType, req.Headers, body)
	if err != nil {
		return refuse(400, err.Error())
	}
	return r.event(req, &event, w)
}

// noEvents is the reply to a batch without events, of which nothing is to be produced.
var noEvents = Reply{Status: 200, Message: "the batch has no events", Delivered: DeliveredYes, Detail: []byte(`,"records":[]`), several: true}

// event makes a record of an event. Its partitionkey is the key, unless the
// client gives one in a header.
func (r *Served) event(req Request, event *cloudevents.Event, w *work) *Reply {
	made, err := event.Record(r.EventsOut)
	if err != nil {
		return refuse(400, err.Error())
	}
	if full := w.takeRecord(w.numberNext(), len(made.Value)+memoryOf(made.Headers)); full != nil {
		return refusal(full)
	}
	d := w.next()
	d.Value = made.Value
	if d.Key == nil && made.Key != nil {
		d.Key, d.from[routeconf.OverrideKey] = made.Key, fromRecord
	}
	d.Headers = slices.DeleteFunc(slices.Clone(d.Headers), func(routes record.Header) bool { // readers take either of two
		return slices.ContainsFunc(made.Headers, func(own record.Header) bool { return own.Key == routes.Key })
	})
	d.Headers = append(d.Headers, made.Headers...)
	if len(d.Headers) > routeconf.MaxRecordHeaders {
		return tooManyHeaders(len(d.Headers))
	}
	isJSON := r.EventsOut == cloudevents.OutStructured || utils.IsJSONMediaType(event.DataContentType)
	return r.add(req, w, d, isJSON)
}

// isEventHeader reports whether a record header is one that a CloudEvent sets.
func isEventHeader(name string) bool { return strings.HasPrefix(name, "ce_") || name == "content-type" }

// handshake answers a sender of CloudEvents that asks whether it may deliver them (the HTTP 1.1 Web Hooks specification,
// 4): it is meant to keep senders from being turned against others, and authorizes nobody.
func (r *Served) handshake(req Request) Reply {
	origin := req.Header("webhook-request-origin")
	if !isHost(origin) || !r.OriginAllowed(origin) {
		return *refuse(403, "the route does not let this origin deliver events")
	}
	reply := Reply{Status: 200, Message: "the origin may deliver events", Delivered: DeliveredNo,
		Headers: [][2]string{{"WebHook-Allowed-Origin", origin}}}
	if rate := req.Header("webhook-request-rate"); rate != "" {
		if n, err := strconv.ParseUint(rate, 10, 31); err != nil || n == 0 {
			rate = "*" // any
		}
		reply.Headers = append(reply.Headers, [2]string{"WebHook-Allowed-Rate", rate})
	}
	return reply
}

// isHost reports whether a text has the characters of a host's name.
func isHost(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
}
