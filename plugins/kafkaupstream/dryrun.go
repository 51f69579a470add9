package kafkaupstream

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/tracing"
)

// origin says where a value of the record comes from.
type origin string

const (
	fromRoute  origin = ""
	fromHeader origin = "header"
	fromBody   origin = "jsonkey"
	fromRecord origin = "record" // of a batch
	fromPath   origin = "path"
)

// origins are those of a record's topic, key and partition.
type origins [routeconf.StrictOverrides]origin

// maxShown is how much of a value a dry run shows, in bytes.
const maxShown = 64 << 10

// maxDryRun bounds the records of a reply, in bytes: each repeats what the request's headers say of all.
const maxDryRun = 8 << 20

// asksDryRun reports whether the request asks what would be produced.
func (r *Served) asksDryRun(req Request) bool {
	return r.Allowed[routeconf.OverrideDryRun] && req.Header(r.HeaderNames[routeconf.OverrideDryRun]) == "true"
}

// dryRun is the reply to a request that asks what would be produced, nil to others.
func (r *Served) dryRun(req Request, w *work) *Reply {
	switch req.Header(r.HeaderNames[routeconf.OverrideDryRun]) {
	case "", "false":
		return nil
	case "true":
		w.join(tracing.Extract(req), r.Conn.MessageMaxBytes)
		reply := Reply{Status: 200, Message: "dry run: nothing was produced", Delivered: DeliveredNo}
		if !w.isBatch {
			reply.Detail = appendRecord(nil, &w.batch.Records[0], w.froms[0])
			return &reply
		}
		reply.Detail = append(reply.Detail, `,"records":[`...)
		for i := range w.batch.Records {
			if i > 0 {
				reply.Detail = append(reply.Detail, ',')
			}
			one := appendRecord(nil, &w.batch.Records[i], w.froms[i])
			one[0] = '{'
			if len(reply.Detail)+len(one) > maxDryRun {
				return refuse(413, fmt.Sprintf("the dry run's reply would have more than %d bytes", maxDryRun))
			}
			reply.Detail = append(append(reply.Detail, one...), '}')
		}
		reply.Detail = append(reply.Detail, ']')
		return &reply
	}
	return refuse(400, fmt.Sprintf("header %s: expected true or false", r.HeaderNames[routeconf.OverrideDryRun]))
}

// appendRecord appends a record as members of a JSON object, each after a comma.
func appendRecord(dst []byte, rec *record.Record, from origins) []byte {
	source := func(dst []byte, name string, o routeconf.Override) []byte {
		from := from[o]
		if from == fromRoute {
			from = "route"
		}
		return append(append(append(append(append(dst, `,"`...), name...), `_from":"`...), from...), '"')
	}
	dst = jsonvalue.AppendQuoted(append(dst, `,"topic":`...), rec.Topic)
	dst = source(dst, "topic", routeconf.OverrideTopic)
	dst = strconv.AppendInt(append(dst, `,"partition":`...), int64(rec.Partition), 10)
	dst = source(dst, "partition", routeconf.OverridePartition)
	dst = appendBytes(dst, "key", rec.Key)
	if rec.Key != nil {
		dst = source(dst, "key", routeconf.OverrideKey)
	}
	if !rec.Timestamp.IsZero() {
		dst = strconv.AppendInt(append(dst, `,"timestamp":`...), rec.Timestamp.UnixMilli(), 10)
	}
	dst = append(dst, `,"headers":[`...)
	for i, h := range rec.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonvalue.AppendQuoted(append(dst, `{"name":`...), h.Key)
		dst = append(appendBytes(dst, "value", h.Value), '}')
	}
	dst = strconv.AppendInt(append(dst, `],"value_bytes":`...), int64(len(rec.Value)), 10)
	return appendBytes(dst, "value", shown(rec.Value))
}

// shown is the beginning of a value: of a text, whole characters.
func shown(value []byte) []byte {
	if len(value) <= maxShown {
		return value
	}
	end := maxShown
	if utf8.Valid(value) {
		for !utf8.RuneStart(value[end]) {
			end--
		}
	}
	return value[:end]
}

// appendBytes appends a member: as text where it is some, as base64 under another
// name where it is not, or null.
func appendBytes(dst []byte, name string, value []byte) []byte {
	dst = append(append(dst, `,"`...), name...)
	switch {
	case value == nil:
		return append(dst, `":null`...)
	case utf8.Valid(value):
		return jsonvalue.AppendQuoted(append(dst, `":`...), value)
	}
	dst = append(dst, `_base64":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, value), '"')
}
