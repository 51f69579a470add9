package kafkaupstream

import (
	"fmt"

	"github.com/kafkaupstream/kafkaupstream/internal/cloudevents"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/utils"
)

func (c *configReader) readCloudEvents(path string, v any) {
	switch v {
	case true, "binary":
		c.route.cloudEvents, c.route.eventsOut = true, cloudevents.OutBinary
	case "structured":
		c.route.cloudEvents, c.route.eventsOut = true, cloudevents.OutStructured
	case false:
		c.route.cloudEvents = false
	default:
		c.problem(path, `expected true, false, "binary" or "structured"`)
	}
}

// events makes records of the CloudEvents of a request.
func (r *Route) events(req Request, body []byte, w *work) *Reply {
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
	switch mode {
	case cloudevents.Batched:
		all, err := cloudevents.DecodeBatch(body, maxBatch)
		if err != nil {
			return refuse(400, err.Error())
		}
		if len(all) == 0 {
			return refuse(400, "the batch has no events")
		}
		base, from := w.rec, w.from
		for i := range all {
			w.rec, w.from = base, from
			w.rec.Headers = base.Headers[:len(base.Headers):len(base.Headers)]
			if refused := r.event(req, &all[i], w); refused != nil {
				refused.Message = fmt.Sprintf("event %d: %s", i+1, refused.Message)
				return refused
			}
			w.recs = append(w.recs, w.rec)
			if r.allowed[overrideDryRun] {
				w.froms = append(w.froms, w.from)
			}
		}
		w.isBatch = true
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

// event makes w.rec the record of an event. Its partitionkey is the key, unless the
// client gives one in a header.
func (r *Route) event(req Request, event *cloudevents.Event, w *work) *Reply {
	made, err := event.Record(r.eventsOut)
	if err != nil {
		return refuse(400, err.Error())
	}
	if w.holdMore(recordMemory+len(made.Value)) != nil {
		return noRoom()
	}
	w.rec.Value = made.Value
	if w.rec.Key == nil && made.Key != nil {
		w.rec.Key = made.Key
		w.from[overrideKey] = fromRecord
	}
	for _, h := range made.Headers {
		w.rec.Headers = append(w.rec.Headers, record.Header{Key: h.Key, Value: h.Value})
	}
	if len(w.rec.Headers) > maxRecordHeaders {
		return tooManyHeaders(len(w.rec.Headers))
	}
	isJSON := r.eventsOut == cloudevents.OutStructured || utils.IsJSONMediaType(event.DataContentType)
	return r.finish(req, w, isJSON)
}
