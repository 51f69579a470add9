package kafkaupstream

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/restproxy"
)

// How clients of the Confluent REST Proxy and of its likes (Strimzi's bridge, Karapace) are answered. They know 200, or
// 207 for records:batch, and an error code for each record: what they are not told to be an error they do not send again, and
// what is an error they may. So:
//
//   - A record that is in Kafka, on disk (our 202) or queued (async) is a success. Where its place is not known yet, the offset
//     is -1, which the proxy itself says under acks=0; a null would become the offset 0 in languages without one.
//   - A record that is not, or may not be, in Kafka is an error, which may be repeated where its code is 50003.
//   - The status is 200 (207) if any record of the request is a success. Otherwise all of it may be sent again, and the reply
//     is the error of one, under our own status: that of one that may be in Kafka, if there is any, and not of one that was
//     refused before, if there is another.
//   - A record of v3 that is refused takes no other with it: its error is in its place. After one that is no JSON nothing is read.

// proxyCodes is the table from what has failed to the proxy's error code (its Errors.java, and KafkaExceptionMapper.java of
// rest-utils).
var proxyCodes = map[string]int{
	record.KindUnconfirmed.String():       codeRetriable,
	record.KindTopicNotFound.String():     codeNoTopic,
	record.KindPartitionNotFound.String(): codeNoPartition,
	record.KindTopicInvalid.String():      40002,
	record.KindForbidden.String():         40301,
	record.KindTooLarge.String():          413,
	record.KindRejected.String():          codeKafka,
	record.KindConfig.String():            codeKafka,
	record.KindNoBroker.String():          codeRetriable,
	record.KindAuthentication.String():    codeRetriable, // the gateway's, not the client's: not 40101
	record.KindQueueFull.String():         codeRetriable,
	record.KindTooFewReplicas.String():    codeRetriable,
	record.KindUnavailable.String():       codeRetriable,
	record.KindSpoolFull.String():         codeRetriable,
	record.KindSpoolFailed.String():       codeRetriable,
	record.KindAborted.String():           codeKafka,
	record.KindInternal.String():          codeKafka,
}

// statusCodes is the same for requests that are refused for another reason; of other statuses the code is the status.
var statusCodes = map[int]int{403: 40301, 422: restproxy.CodePayload, 503: codeRetriable, 504: codeRetriable}

const (
	codeKafka     = 50002 // not worth another attempt
	codeRetriable = 50003

	codeNoTopic     = 40401
	codeNoPartition = 40402
	codeNeither     = 40403 // v3's for both: its code of Kafka's own error, UNKNOWN_TOPIC_OR_PARTITION
)

// errorCode is the proxy's code of a reply that is an error.
func (a *asked) errorCode(r *Reply) int {
	code := cmp.Or(r.proxyCode, proxyCodes[r.failure], statusCodes[r.Status], r.Status)
	if a.Version == 3 && (code == codeNoTopic || code == codeNoPartition) {
		return codeNeither
	}
	return code
}

// asked is a request to the REST Proxy.
type asked struct {
	restproxy.Call
	v1      bool
	records []said
}

// said is what a reply repeats of a record.
type said struct {
	refused            *Reply // nil: it was not; others have nothing more to repeat
	id                 string // of an entry of records:batch
	partition          int32
	keyType, valueType string
	keySize, valueSize int
	keyID, valueID     int // of their schemas; 0: none
}

// note keeps what the reply repeats of a record.
func (a *asked) note(e *restproxy.Record, d *draft) {
	a.records = append(a.records, said{
		id:        e.ID,
		partition: d.Partition,
		keyType:   cmp.Or(e.KeyType, restproxy.TypeOf(d.keyUsed.format)), // of a schema by its id, its own
		valueType: cmp.Or(e.ValueType, restproxy.TypeOf(d.valueUsed.format)),
		keySize:   len(d.Key),
		valueSize: len(d.Value),
		keyID:     max(d.keyUsed.id, 0),
		valueID:   max(d.valueUsed.id, 0),
	})
}

// contentType is that of all replies to the request.
func (a *asked) contentType() string {
	switch {
	case a.Version == 3:
		return "application/json"
	case a.v1:
		return "application/vnd.kafka.v1+json"
	}
	return "application/vnd.kafka.v2+json"
}

// accepted is the reply to a request of whose records only this is known.
func (a *asked) accepted(all Reply) Reply {
	return a.reply(all, slices.Repeat([]Reply{queued}, len(a.records)))
}

// reply is the reply to the request with these replies to its records, and this one to all of them.
func (a *asked) reply(all Reply, replies []Reply) Reply {
	if !slices.ContainsFunc(replies, func(r Reply) bool { return r.Status < 300 }) {
		i := max(0, slices.IndexFunc(replies, func(r Reply) bool { return r.unconfirmed }))
		one := replies[i]
		if all.Status == 207 || len(replies) < len(a.records) { // they differ
			return *one.of("record", a.number(i))
		}
		return one
	}
	replies = a.inPlace(replies)
	switch all.Status = 200; {
	case a.Version != 3:
		all.body = a.appendV2(nil, replies)
	case a.Batch:
		all.Status, all.body = 207, a.appendV3Batch(nil, replies)
	default:
		for i := range replies {
			all.body = a.appendV3(all.body, &replies[i], &a.records[i])
		}
	}
	return all
}

// number is that of the record which is the i-th of those that were not refused.
func (a *asked) number(i int) int {
	for n := range a.records {
		if a.records[n].refused != nil {
			continue
		}
		if i--; i < 0 {
			return n + 1
		}
	}
	return len(a.records)
}

// inPlace adds the replies to the records that were refused to those to the others.
func (a *asked) inPlace(replies []Reply) []Reply {
	all := make([]Reply, 0, len(a.records))
	for i := range a.records {
		if refused := a.records[i].refused; refused != nil {
			all = append(all, *refused)
		} else {
			all, replies = append(all, replies[0]), replies[1:]
		}
	}
	return all
}

// place is the partition and the offset to say of a record that has been taken, each -1 if it is not known yet.
func (s *said) place(r *Reply) (partition int32, offset int64) {
	if r.Delivered == DeliveredYes {
		return r.Ack.Partition, r.Ack.Offset
	}
	return s.partition, -1
}

func (a *asked) appendV2(dst []byte, replies []Reply) []byte {
	dst = append(dst, `{"offsets":[`...)
	for i := range replies {
		if i > 0 {
			dst = append(dst, ',')
		}
		if r := &replies[i]; r.Status < 300 {
			partition, offset := a.records[i].place(r)
			dst = appendInt(append(dst, `{"partition":`...), int64(partition))
			dst = appendInt(append(dst, `,"offset":`...), offset)
			dst = append(dst, `,"error_code":null,"error":null}`...)
		} else {
			dst = appendInt(append(dst, `{"partition":null,"offset":null,"error_code":`...), int64(a.errorCode(r)))
			dst = append(jsonvalue.AppendQuoted(append(dst, `,"error":`...), r.Message), '}')
		}
	}
	var ids said // the first of the request's: a body names one schema for all
	for _, s := range a.records {
		ids.keyID, ids.valueID = cmp.Or(ids.keyID, s.keyID), cmp.Or(ids.valueID, s.valueID)
	}
	dst = appendID(append(dst, `],"key_schema_id":`...), ids.keyID)
	return append(appendID(append(dst, `,"value_schema_id":`...), ids.valueID), '}')
}

func appendID(dst []byte, id int) []byte {
	if id == 0 {
		return append(dst, "null"...)
	}
	return appendInt(dst, int64(id))
}

func (a *asked) appendV3(dst []byte, r *Reply, s *said) []byte {
	if r.Status >= 300 {
		return append(a.appendError(append(dst, '{'), r), '}')
	}
	return append(a.appendPlace(append(dst, `{"error_code":200`...), r, s), '}')
}

func (a *asked) appendV3Batch(dst []byte, replies []Reply) []byte {
	list := func(dst []byte, successes bool) []byte {
		first := true
		for i := range replies {
			r, s := &replies[i], &a.records[i]
			if r.Status < 300 != successes {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = jsonvalue.AppendQuoted(append(dst, `{"id":`...), s.id)
			if successes {
				dst = a.appendPlace(dst, r, s)
			} else {
				dst = a.appendError(append(dst, ','), r)
			}
			dst = append(dst, '}')
		}
		return dst
	}
	dst = list(append(dst, `{"successes":[`...), true)
	dst = list(append(dst, `],"failures":[`...), false)
	return append(dst, `]}`...)
}

// appendPlace appends where a record is, and what it is, as members of a JSON object, each after a comma.
func (a *asked) appendPlace(dst []byte, r *Reply, s *said) []byte {
	topic := a.Topic
	if r.Delivered == DeliveredYes {
		topic = r.Topic
	}
	dst = jsonvalue.AppendQuoted(append(dst, `,"cluster_id":`...), a.Cluster)
	dst = jsonvalue.AppendQuoted(append(dst, `,"topic_name":`...), topic)
	partition, offset := s.place(r)
	dst = appendInt(append(dst, `,"partition_id":`...), int64(partition))
	dst = appendInt(append(dst, `,"offset":`...), offset)
	if r.Delivered == DeliveredYes && !r.Ack.Timestamp.IsZero() {
		dst = r.Ack.Timestamp.UTC().AppendFormat(append(dst, `,"timestamp":"`...), "2006-01-02T15:04:05.000Z")
		dst = append(dst, '"')
	}
	dst = appendSize(dst, "key", s.keyType, s.keySize, s.keyID)
	return appendSize(dst, "value", s.valueType, s.valueSize, s.valueID)
}

func appendSize(dst []byte, name, kind string, size, id int) []byte {
	if kind == "" {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":{"type":"`...)
	dst = append(append(dst, kind...), `",`...)
	if id != 0 {
		dst = append(appendInt(append(dst, `"schema_id":`...), int64(id)), ',')
	}
	return append(appendInt(append(dst, `"size":`...), int64(size)), '}')
}

// appendError appends an error's code and message as the proxy has them.
func (a *asked) appendError(dst []byte, r *Reply) []byte {
	dst = appendInt(append(dst, `"error_code":`...), int64(a.errorCode(r)))
	return jsonvalue.AppendQuoted(append(dst, `,"message":`...), r.Message)
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
