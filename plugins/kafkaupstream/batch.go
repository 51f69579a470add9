package kafkaupstream

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/restproxy"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

// maxBatch bounds the records of one request.
const maxBatch = 10000

// recordMemory is what a record of a batch takes beside its bytes, with its reply, in
// bytes.
const recordMemory = 1 << 10

// headerMemory is what a header of such a record takes beside its bytes.
const headerMemory = 64

// adder adds a record of a batch to the request's.
type adder = func(*restproxy.Record) error

// batchOf makes the request's records of its body. If one of them is refused, none is produced, unless the reply has a
// place for the refusal of each.
func (r *Served) batchOf(req Request, body []byte, w *work) *Reply {
	if w.form == formArray {
		compact, refused := r.compactBody(body, w)
		if refused != nil {
			return refused
		}
		if compact[0] != '[' {
			return r.only(req, w, compact, true)
		}
		body = compact
	}
	w.isBatch = true
	w.apart = w.form == formV3 && !r.Mode.Transactional && !r.asksDryRun(req)
	failed := w.form.read(r, body, w, func(e *restproxy.Record) error {
		number := w.numberNext()
		if full := w.takeRecord(number, len(e.Value)+memoryOf(e.Headers)); full != nil {
			return full
		}
		d := w.next()
		refused := r.fill(d, e)
		if refused == nil && (e.KeySchema != nil || e.ValueSchema != nil) {
			refused = r.named(w, d, e)
		}
		if refused == nil {
			refused = r.add(req, w, d, e.JSON)
		}
		if refused != nil {
			return w.keepRefusal(number, refused)
		}
		if w.asked != nil {
			w.asked.note(e, d)
		}
		return nil
	})
	switch {
	case failed != nil || len(w.batch.Records) > 0:
	case w.asked != nil && len(w.asked.records) > 0: // all are refused
		failed = w.asked.records[0].refused.of("record", 1)
	default:
		failed = refuse(400, "the batch has no records")
	}
	return refusal(failed)
}

// numberNext is the number of the next record of a body, from 1.
func (w *work) numberNext() int {
	if w.asked != nil {
		return len(w.asked.records) + 1 // with those that are refused
	}
	return len(w.batch.Records) + 1
}

// takeRecord takes the memory of another record of a batch, with a value of so many bytes, if there is time for it: each may be
// dear to validate.
func (w *work) takeRecord(number, bytes int) error {
	if number > maxBatch {
		return refuse(413, fmt.Sprintf("the batch has more than %d records", maxBatch))
	}
	if w.ctx.Err() != nil {
		return unavailable("the batch's records could not be read in time")
	}
	if w.holdMore(recordMemory+bytes) != nil {
		return noRoom()
	}
	return nil
}

// memoryOf is what headers of a record of a batch take, in bytes.
func memoryOf(headers []record.Header) (bytes int) {
	for i := range headers {
		bytes += headerMemory + len(headers[i].Key) + len(headers[i].Value)
	}
	return bytes
}

// refuseRecord refuses a record that could not be read: the error ends the request.
func (w *work) refuseRecord(number int, refused *Reply) error {
	if full := w.takeRecord(number, 0); full != nil {
		return full
	}
	return w.keepRefusal(number, refused)
}

// keepRefusal keeps the refusal of a record for its place in the reply, or returns it where it is that of the request.
func (w *work) keepRefusal(number int, refused *Reply) error {
	if !w.apart {
		return refused.of("record", number)
	}
	w.asked.records = append(w.asked.records, said{refused: refused})
	return nil
}

// refusal is the reply to a request whose records could not be read for this reason.
func refusal(failed error) *Reply {
	if failed == nil {
		return nil
	}
	if reply, ok := errors.AsType[*Reply](failed); ok {
		return reply
	}
	if proxys, ok := errors.AsType[*restproxy.Error](failed); ok {
		reply := refuse(proxys.Code/100, failed.Error())
		reply.proxyCode = proxys.Code
		return reply
	}
	return refuse(400, failed.Error())
}

// of says which record or event of a batch was refused.
func (r *Reply) of(what string, number int) *Reply {
	r.Message = fmt.Sprintf("%s %d: %s", what, number, r.Message)
	return r
}

// lines reads a record from each line in which there is more than JSON's white space.
func lines(r *Served, body []byte, _ *work, add adder) error {
	for number := 1; len(body) > 0; number++ {
		line, rest, _ := bytes.Cut(body, []byte{'\n'})
		body = rest
		if len(bytes.Trim(line, " \t\r")) == 0 {
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
func elements(_ *Served, array []byte, _ *work, add adder) (failed error) {
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
	case e.Key != nil && !r.lets(routeconf.OverrideKey):
		return forbidden(routeconf.OverrideKey)
	case e.Partition != nil && !r.lets(routeconf.OverridePartition):
		return forbidden(routeconf.OverridePartition)
	case e.Headers != nil && !r.lets(routeconf.OverrideHeaders):
		return forbidden(routeconf.OverrideHeaders)
	case e.Timestamp != nil && !r.lets(routeconf.OverrideTimestamp):
		return forbidden(routeconf.OverrideTimestamp)
	case e.Partition != nil && d.from[routeconf.OverridePartition] == fromPath && d.Partition != *e.Partition:
		return refuse(422, "it names another partition than the path")
	}
	d.Value, d.tombstone = e.Value, e.Value == nil
	if e.Key != nil {
		d.Key, d.from[routeconf.OverrideKey] = e.Key, fromRecord
		if d.keyBinary = e.KeyType == restproxy.TypeBinary; e.KeyJSON {
			d.keyJSON = e.Key
		}
	}
	if e.Partition != nil {
		d.Partition, d.from[routeconf.OverridePartition] = *e.Partition, fromRecord
	}
	if e.Timestamp != nil {
		d.Timestamp = time.UnixMilli(*e.Timestamp)
	}
	return r.giveHeaders(&d.Record, e.Headers)
}

// lets reports whether the path and the body of a client may say this of a record.
func (r *Served) lets(what routeconf.Override) bool { return r.Allowed[what] || r.Confluent }

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
func several(replies []Reply, asked *asked) Reply {
	all := summary(replies)
	if asked != nil {
		return asked.reply(all, replies)
	}
	detail := []byte(`,"records":[`)
	for i := range replies {
		if i > 0 {
			detail = append(detail, ',')
		}
		detail = replies[i].AppendJSON(detail)
	}
	all.Detail = append(detail, ']')
	return all
}

// summary is what these replies come to, without what is said of each.
func summary(replies []Reply) Reply {
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
	return all
}
