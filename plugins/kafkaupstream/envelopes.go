package kafkaupstream

import (
	"errors"
	"fmt"

	"github.com/kafkaupstream/kafkaupstream/internal/envelope"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
)

// wrap puts the record's value into the route's envelope, and returns the suffix that this gives
// the topic.
func (r *Served) wrap(req Request, w *work, rec *record.Record, isJSON bool) (suffix string, refused *Reply) {
	var made envelope.Wrapped
	var err error
	switch {
	case r.Envelope.Whole:
		if w.head == nil {
			if w.head, refused = r.head(req, w); refused != nil {
				return "", refused
			}
		}
		made.Value, err = envelope.WrapRequest(w.head, rec.Value, r.Conn.MessageMaxBytes)
	case rec.Value != nil && !isJSON:
		return "", refuse(415, "the route takes JSON only, since it has an envelope")
	default:
		made, err = r.Envelope.Wrap(w.ctx, rec.Value, r.Conn.MessageMaxBytes)
	}
	var not *envelope.Refused
	var unable *schema.Error
	switch {
	case errors.As(err, &unable):
		return "", busy(err)
	case errors.As(err, &not):
		return "", mismatch("the value is not what the envelope "+r.EnvelopeName+" takes", not.Problems, not.More)
	case err != nil:
		return "", refuse(413, fmt.Sprintf("the record has more than %d bytes in its envelope, which is the limit", r.Conn.MessageMaxBytes))
	case w.holdMore(len(made.Value)) != nil:
		return "", noRoom()
	}
	rec.Value = made.Value
	return made.Suffix, nil
}

// head is what the envelope http says of the request beside its body.
func (r *Served) head(req Request, w *work) ([]byte, *Reply) {
	of := envelope.Request{Method: req.Method(), Path: req.Path()}
	req.Arguments(func(name, value string) { of.Query = append(of.Query, envelope.NameValue{Name: name, Value: value}) })
	if len(r.EnvelopeHeaders) > 0 {
		if req.HeadersMissing() {
			return nil, headersMissing()
		}
		req.Headers(func(name, value string) {
			if r.InEnvelope(name) {
				of.Headers = append(of.Headers, envelope.NameValue{Name: name, Value: value})
			}
		})
	}
	head := of.AppendHead(nil)
	if w.holdMore(len(head)) != nil {
		return nil, noRoom()
	}
	return head, nil
}

// extend adds the suffixes of the envelope and of the virtual host to the record's topic, and
// checks the result.
func (r *Served) extend(rec *record.Record, suffix string) *Reply {
	rec.Topic += suffix + r.TopicEnd
	if why := routeconf.InvalidTopic(rec.Topic); why != "" {
		return refuse(400, "the topic with the suffix that the route gives it: "+why)
	}
	if !r.TopicAllowed(rec.Topic) {
		return refuse(403, "the route does not allow this topic")
	}
	return nil
}
