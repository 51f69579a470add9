package kafkaupstream

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/restproxy"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/utils"
)

// maxBatch bounds the records of one request.
const maxBatch = 10000

// bodyForm is how a body holds its records.
type bodyForm int

const (
	formOpaque   bodyForm = iota // one record, as it came
	formJSON                     // one record, compacted
	formArray                    // JSON: an array's elements, or one record
	formLines                    // JSON, a line each
	formV2JSON                   // Confluent REST Proxy, v2
	formV2Binary                 // the same, base64
	formV3                       // Confluent REST Proxy, v3
)

// json reports whether the body is JSON in one form or another.
func (f bodyForm) json() bool { return f != formOpaque }

// formOf returns how the body of a request with this content-type holds its records.
func (r *Served) formOf(req Request) bodyForm {
	contentType := req.Header("content-type")
	if !r.Batch {
		if utils.IsJSONMediaType(contentType) {
			return formJSON
		}
		return formOpaque
	}
	media, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case "application/x-ndjson", "application/ndjson", "text/x-ndjson",
		"application/jsonl", "application/json-lines", "application/jsonlines", "application/x-jsonlines":
		return formLines
	case "application/vnd.kafka.json.v2+json":
		return formV2JSON
	case "application/vnd.kafka.binary.v2+json":
		return formV2Binary
	}
	switch {
	case !utils.IsJSONMediaType(contentType):
		return formOpaque
	case restproxy.IsV3(req.Path()):
		return formV3
	}
	return formArray
}

// recordMemory is what a record of a batch takes beside its bytes, with its reply, in
// bytes.
const recordMemory = 1 << 10

// batchOf makes the request's records of its body. If one of them is refused, none is
// produced.
func (r *Served) batchOf(req Request, body []byte, form bodyForm, w *work) *Reply {
	add := func(e *restproxy.Record) error {
		number := len(w.batch.Records) + 1
		if number > maxBatch {
			return refuse(413, fmt.Sprintf("the batch has more than %d records", maxBatch))
		}
		if w.holdMore(recordMemory+len(e.Value)) != nil {
			return noRoom()
		}
		d := w.next()
		refused := r.fill(d, e)
		if refused == nil {
			refused = r.add(req, w, d, e.JSON)
		}
		if refused != nil {
			return refused.of("record", number)
		}
		return nil
	}
	var failed error
	switch form {
	case formLines:
		failed = r.lines(body, add)
	case formV3:
		failed = restproxy.V3(body, func(raw []byte) ([]byte, error) { return r.compact(nil, raw) }, add)
	default:
		compact, wrong := r.compactBody(body, w)
		if wrong != nil {
			return wrong
		}
		switch {
		case form != formArray:
			failed = restproxy.V2(compact, form == formV2Binary, add)
		case compact[0] != '[':
			return r.only(req, w, compact, true)
		default:
			failed = elements(compact, add)
		}
	}
	if failed == nil && len(w.batch.Records) == 0 {
		failed = refuse(400, "the batch has no records")
	}
	w.isBatch, w.form = true, form
	return refusal(failed)
}

// refusal is the reply to a request whose records could not be read for this reason.
func refusal(failed error) *Reply {
	var reply *Reply
	if failed == nil || errors.As(failed, &reply) {
		return reply
	}
	return refuse(400, failed.Error())
}

// of says which record or event of a batch was refused.
func (r *Reply) of(what string, number int) *Reply {
	r.Message = fmt.Sprintf("%s %d: %s", what, number, r.Message)
	return r
}

// lines reads a record from each line that is not empty.
func (r *Served) lines(body []byte, add func(*restproxy.Record) error) error {
	for number := 1; len(body) > 0; number++ {
		line, rest, _ := bytes.Cut(body, []byte{'\n'})
		body = rest
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		compact, err := r.compact(nil, line)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if err := add(&restproxy.Record{Value: compact, JSON: true}); err != nil {
			return err
		}
	}
	return nil
}

// elements reads a record from each element of a valid, compact JSON array.
func elements(array []byte, add func(*restproxy.Record) error) (failed error) {
	gjson.ParseBytes(array).ForEach(func(_, v gjson.Result) bool {
		failed = add(&restproxy.Record{Value: []byte(v.Raw), JSON: true})
		return failed == nil
	})
	return failed
}

// fill sets a record from an element of a batch, whose members win over headers and
// configuration as far as the route allows it.
func (r *Served) fill(d *draft, e *restproxy.Record) *Reply {
	forbidden := func(what routeconf.Override) *Reply {
		return refuse(403, fmt.Sprintf("the route does not let the %s be set", routeconf.OverrideNames[what]))
	}
	switch {
	case e.Key != nil && !r.Allowed[routeconf.OverrideKey]:
		return forbidden(routeconf.OverrideKey)
	case e.Partition != nil && !r.Allowed[routeconf.OverridePartition]:
		return forbidden(routeconf.OverridePartition)
	case e.Headers != nil && !r.Allowed[routeconf.OverrideHeaders]:
		return forbidden(routeconf.OverrideHeaders)
	case e.Timestamp != nil && !r.Allowed[routeconf.OverrideTimestamp]:
		return forbidden(routeconf.OverrideTimestamp)
	}
	d.Value, d.tombstone = e.Value, e.Value == nil
	if e.Key != nil {
		d.Key, d.from[routeconf.OverrideKey] = e.Key, fromRecord
	}
	if e.Partition != nil {
		d.Partition, d.from[routeconf.OverridePartition] = *e.Partition, fromRecord
	}
	if e.Timestamp != nil {
		d.Timestamp = time.UnixMilli(*e.Timestamp)
	}
	d.Headers = append(d.Headers, e.Headers...)
	if len(d.Headers) > routeconf.MaxRecordHeaders {
		return tooManyHeaders(len(d.Headers))
	}
	return nil
}

// unmixed refuses the records of a transaction where some are tombstones and some have
// values: a consumer that rebuilds a state from transactions takes each for a change or for a
// removal.
func unmixed(recs []record.Record) *Reply {
	for i := range recs {
		if (recs[i].Value == nil) != (recs[0].Value == nil) {
			what := map[bool]string{true: "a tombstone", false: "a value"}
			return refuse(400, fmt.Sprintf("record %d: it is %s and record 1 %s; a transaction of this route has one or the other",
				i+1, what[recs[i].Value == nil], what[recs[0].Value == nil]))
		}
	}
	return nil
}

// several is the reply to a batch with these replies to its records.
func several(replies []Reply, form bodyForm) Reply {
	all := replies[0]
	all.several = true
	same, unconfirmed := true, false
	for i := range replies {
		unconfirmed = unconfirmed || replies[i].unconfirmed
		same = same && replies[i].Status == all.Status && replies[i].Delivered == all.Delivered
		all.RetryAfter = max(all.RetryAfter, replies[i].RetryAfter)
	}
	if !same {
		all = Reply{Status: 207, Message: "the records' outcomes differ: see records", Delivered: DeliveredUnknown, several: true, failure: "outcomes_differ"}
	}
	all.unconfirmed = unconfirmed
	detail := []byte(`,"records":[`)
	for i := range replies {
		if i > 0 {
			detail = append(detail, ',')
		}
		if form == formV3 {
			replies[i].Detail = appendResultV3(nil, &replies[i])
		}
		detail = replies[i].AppendJSON(detail)
	}
	all.Detail = append(detail, ']')
	switch {
	case form == formV2JSON, form == formV2Binary:
		all.Detail = appendOffsets(all.Detail, replies)
	case form == formV3 && len(replies) == 1:
		all.several = false
		all.Detail = append(all.Detail, replies[0].Detail...)
	}
	return all
}
