package kafkaupstream

import (
	"net/textproto"
	"strconv"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Delivered says what is known of the record.
type Delivered string

const (
	// DeliveredYes: Kafka has acknowledged it.
	DeliveredYes Delivered = "yes"
	// DeliveredNo: it is not in Kafka and never will be.
	DeliveredNo Delivered = "no"
	// DeliveredPending: it is on this machine's disk, and will be sent.
	DeliveredPending Delivered = "pending"
	// DeliveredUnknown: it may or may not be in Kafka.
	DeliveredUnknown Delivered = "unknown"
)

// Reply is the reply to a request, or to one record of a batch.
type Reply struct {
	Status    int // HTTP
	Message   string
	Delivered Delivered
	// Topic and Ack are sent with DeliveredYes.
	Topic string
	Ack   record.Ack
	// Receipt names the record on disk, with DeliveredPending.
	Receipt string
	// Allow is the header of a 405, "" otherwise.
	Allow string
	// Detail is further members of the body, as JSON: each begins with a comma.
	Detail []byte
	// Headers are further ones: names and values.
	Headers [][2]string
	// ContentType is the header, "" for application/json.
	ContentType string
	// RetryAfter is the header in seconds, 0: none.
	RetryAfter int

	cause       string // for the log
	proxyCode   int    // the REST Proxy's error code, 0: that of failure or status
	failure     string // the kind of it, for traces and as a problem's type; "": there is none
	body        []byte // the whole body, instead of what the fields come to
	several     bool   // about several records, whose own replies are in Detail
	unconfirmed bool   // some record may be in Kafka or not
	release     func() // gives back the memory of a long text; nil: it is not long
}

// longReply is from how many bytes on a reply's text counts as memory that requests may take.
const longReply = 64 << 10

// Release gives back the memory that a long reply takes, which a client can be slow to take. The reply has been sent.
func (r *Reply) Release() {
	if r.release != nil {
		r.release()
		r.release = nil
	}
}

// Error makes the reply to a refused request an error, the message.
func (r *Reply) Error() string { return r.Message }

var jsonContentType = []string{"application/json"}

// SetHeader sets the reply's headers, in a net/http.Header.
func (r *Reply) SetHeader(h map[string][]string) {
	h["Content-Type"] = jsonContentType
	if r.ContentType != "" {
		h["Content-Type"] = []string{r.ContentType}
	}
	for _, further := range r.Headers {
		h[textproto.CanonicalMIMEHeaderKey(further[0])] = []string{further[1]}
	}
	if r.Allow != "" {
		h["Allow"] = []string{r.Allow}
	}
	if r.RetryAfter > 0 {
		h["Retry-After"] = []string{strconv.Itoa(r.RetryAfter)}
	}
}

// AppendBody appends the reply's body: its JSON and a line break, since people read it on terminals.
func (r *Reply) AppendBody(dst []byte) []byte { return append(r.AppendJSON(dst), '\n') }

func (r *Reply) AppendJSON(dst []byte) []byte {
	if r.body != nil {
		return append(dst, r.body...)
	}
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, `,"message":`...)
	dst = jsonvalue.AppendQuoted(dst, r.Message)
	dst = append(dst, `,"delivered":"`...)
	dst = append(dst, r.Delivered...)
	dst = append(dst, '"')
	if r.Delivered == DeliveredYes && !r.several {
		dst = append(dst, `,"topic":`...)
		dst = jsonvalue.AppendQuoted(dst, r.Topic)
		dst = append(dst, `,"partition":`...)
		dst = strconv.AppendInt(dst, int64(r.Ack.Partition), 10)
		dst = append(dst, `,"offset":`...)
		dst = strconv.AppendInt(dst, r.Ack.Offset, 10)
		dst = append(dst, `,"timestamp":`...)
		dst = strconv.AppendInt(dst, r.Ack.Timestamp.UnixMilli(), 10)
	}
	if r.Receipt != "" && !r.several {
		dst = append(dst, `,"receipt":`...)
		dst = jsonvalue.AppendQuoted(dst, r.Receipt)
	}
	dst = append(dst, r.Detail...)
	return append(dst, '}')
}

// present gives the reply to a request the form that its client expects.
func (w *work) present(reply Reply) Reply {
	if w.asked == nil {
		asProblem(w.req, &reply)
		return reply
	}
	if reply.Status >= 400 && reply.body == nil {
		reply.body = append(w.asked.appendError([]byte{'{'}, &reply), '}')
	}
	if reply.body != nil { // otherwise it is the reply to a dry run
		reply.ContentType = w.asked.contentType()
	}
	return reply
}

// retryAfter is what a client is asked to wait after a 503, in seconds.
const retryAfter = 1

// refuse is the reply to a request of which nothing was produced.
func refuse(status int, message string) *Reply {
	return &Reply{Status: status, Message: message, Delivered: DeliveredNo}
}

func unavailable(message string) *Reply {
	r := refuse(503, message)
	r.RetryAfter = retryAfter
	return r
}

// outcomes is the one table from a producer's outcome to status and message.
var outcomes = map[record.Kind]struct {
	status  int
	message string
}{
	record.KindUnconfirmed:       {504, "Kafka did not acknowledge the record in time"},
	record.KindTopicNotFound:     {404, "the topic does not exist"},
	record.KindPartitionNotFound: {404, "the topic does not have this partition"},
	record.KindTopicInvalid:      {400, "Kafka does not accept the topic's name"},
	record.KindForbidden:         {403, "Kafka does not let this route write to the topic"},
	record.KindTooLarge:          {413, "the record is larger than Kafka takes"},
	record.KindRejected:          {422, "Kafka refused the record as invalid"},
	record.KindConfig:            {500, "the route's configuration is invalid"},
	record.KindNoBroker:          {503, "no Kafka broker can be reached"},
	record.KindAuthentication:    {503, "Kafka refused the gateway's credentials"},
	record.KindQueueFull:         {503, "too many records are waiting for Kafka"},
	record.KindTooFewReplicas:    {503, "too few of the topic's replicas are in sync"},
	record.KindUnavailable:       {503, "Kafka cannot take the record now"},
	record.KindSpoolFull:         {503, "Kafka cannot take the record now, and the gateway's disk queue is full"},
	record.KindSpoolFailed:       {503, "Kafka cannot take the record now, and the gateway cannot keep it on disk"},
	record.KindAborted:           {424, "not written, since another record of the transaction could not be"},
	record.KindInternal:          {500, "internal error"},
}

// failed is the reply to a record that was not acknowledged.
func failed(err *record.Error) *Reply {
	o := outcomes[err.Kind]
	r := refuse(o.status, o.message)
	r.failure = err.Kind.String()
	if r.unconfirmed = err.Unconfirmed; r.unconfirmed {
		r.Delivered = DeliveredUnknown
	} else if o.status == 503 {
		r.RetryAfter = retryAfter
	}
	return r
}

var queued = Reply{Status: 200, Message: "queued for Kafka", Delivered: DeliveredUnknown}

// writtenBefore is the reply to a unit of which only this is known.
var writtenBefore = Reply{Status: 200, Message: "written to Kafka", Delivered: DeliveredYes, several: true}

// outcomeReply is the reply to a record that was waited for.
func outcomeReply(topic string, o record.Outcome) Reply {
	switch {
	case o.Err != nil:
		return *failed(o.Err)
	case o.Receipt != "":
		return kept(o.Receipt)
	}
	return written(topic, o.Ack)
}

func written(topic string, ack record.Ack) Reply {
	return Reply{Status: 200, Message: "written to Kafka", Delivered: DeliveredYes, Topic: topic, Ack: ack}
}

func kept(receipt string) Reply {
	return Reply{Status: 202, Message: "on the gateway's disk until Kafka takes it", Delivered: DeliveredPending, Receipt: receipt}
}
