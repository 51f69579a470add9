package kafkaupstream

import (
	"errors"
	"fmt"

	"github.com/kafkaupstream/kafkaupstream/internal/envelope"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

// wrap puts the record's value into the route's envelope, and returns the suffix that this gives
// the topic.
func (r *Served) wrap(w *work, rec *record.Record, isJSON bool) (suffix string, refused *Reply) {
	if rec.Value != nil && !isJSON {
		return "", refuse(415, "the route takes JSON only, since it has an envelope")
	}
	made, err := r.Envelope.Wrap(rec.Value, r.Conn.MessageMaxBytes)
	var not *envelope.Refused
	switch {
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
