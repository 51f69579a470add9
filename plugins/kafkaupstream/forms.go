package kafkaupstream

import (
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/restproxy"
	"github.com/kafkaupstream/kafkaupstream/utils"
)

// bodyForm is how a body holds its records.
type bodyForm struct {
	json bool // in one form or another
	// read calls add with each record of a body; nil: it is one record.
	read func(r *Served, body []byte, w *work, add adder) error
}

var (
	formOpaque = &bodyForm{}                           // one record, as it came
	formJSON   = &bodyForm{json: true}                 // one record, compacted
	formFields = &bodyForm{json: true}                 // one record, of the fields of an HTML form
	formArray  = &bodyForm{json: true, read: elements} // an array's elements, or one record: comes compact
	formLines  = &bodyForm{json: true, read: lines}    // a line each

	// The Confluent REST Proxy's.
	formV2JSON   = &bodyForm{json: true, read: recordsV2(restproxy.TypeJSON)}
	formV2Binary = &bodyForm{json: true, read: recordsV2(restproxy.TypeBinary)}
	formV3       = &bodyForm{json: true, read: recordsV3}
	formV3Batch  = &bodyForm{json: true, read: entriesV3}
)

// formMedia is the media type of HTML forms.
const formMedia = "application/x-www-form-urlencoded"

// batchForms are those of a body with several records, by media type; other JSON is formArray.
var batchForms = map[string]*bodyForm{
	"application/x-ndjson": formLines, "application/ndjson": formLines, "text/x-ndjson": formLines,
	"application/jsonl": formLines, "application/json-lines": formLines, "application/jsonlines": formLines, "application/x-jsonlines": formLines,
}

// proxyForms are those of the REST Proxy's v2 without schemas and of v1, by media type. What is not here nor in schemaForms is not offered.
var proxyForms = map[string]*bodyForm{
	"application/vnd.kafka.json.v2+json":   formV2JSON,
	"application/vnd.kafka.binary.v2+json": formV2Binary,
	"application/vnd.kafka.text.v2+json":   {json: true, read: recordsV2(restproxy.TypeString)}, // Strimzi's
	// v1 differs in what it consumes only; its plain type is that of binary records.
	"application/vnd.kafka.json.v1+json":   formV2JSON,
	"application/vnd.kafka.binary.v1+json": formV2Binary,
	"application/vnd.kafka.v1+json":        formV2Binary,
}

// schemaForms are those of the REST Proxy's v2 that have schemas, for routes that have a registry.
var schemaForms = map[string]*bodyForm{
	"application/vnd.kafka.avro.v2+json":       {json: true, read: recordsV2(restproxy.TypeAvro)},
	"application/vnd.kafka.protobuf.v2+json":   {json: true, read: recordsV2(restproxy.TypeProtobuf)},
	"application/vnd.kafka.jsonschema.v2+json": {json: true, read: recordsV2(restproxy.TypeJSONSchema)},
}

// understand decides how the request's body holds its records, and whether it is a request to the
// REST Proxy, whose clients are answered as they expect it.
func (r *Served) understand(req Request, w *work) *Reply {
	contentType := req.Header("content-type")
	isJSON := utils.IsJSONMediaType(contentType)
	if w.form = formOpaque; isJSON {
		w.form = formJSON
	}
	if !r.Batch && !r.Confluent && r.Form == nil {
		return nil
	}
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	if r.Form != nil && media == formMedia {
		w.form = formFields
	}
	if !r.Batch && !r.Confluent {
		return nil
	}
	w.path = restproxy.ParsePath(req.Path())
	// A path of v3's is nobody else's. /topics/NAME may be anybody's, and is the proxy's with one of its media types
	// or on a route with the confluent dialect.
	if w.path.Version == 3 || isProxyType(media) || w.path.Version == 2 && r.Confluent {
		return r.ask(w, req.Method(), media)
	}
	switch lines := batchForms[media]; {
	case !r.Batch:
	case lines != nil:
		w.form = lines
	case isJSON:
		w.form = formArray
	}
	return nil
}

// isProxyType reports whether a media type, in lower case, is of the REST Proxy's family.
func isProxyType(media string) bool {
	rest, ok := strings.CutPrefix(media, "application/vnd.kafka")
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '+')
}

// ask makes the request one to the REST Proxy, or says why it is none that is offered. What is not understood
// is never a record.
func (r *Served) ask(w *work, method, media string) *Reply {
	w.asked = &asked{Call: w.path, v1: strings.HasSuffix(media, ".v1+json")}
	isV3 := w.path.Version == 3
	switch {
	case w.path.Version != 0 && !w.path.Offered:
		return refuse(404, "this path is not offered: records are produced to /topics/TOPIC, /topics/TOPIC/partitions/N and /v3/clusters/ID/topics/TOPIC/records or records:batch")
	case method != "POST":
		reply := refuse(405, "records are produced by POST")
		reply.Allow = "POST"
		return reply
	case isV3 && media != "" && media != "application/json":
		return refuse(415, "content-type must be application/json")
	case isV3 && w.path.Batch:
		w.form = formV3Batch
	case isV3:
		w.form = formV3
	default:
		if w.form = proxyForms[media]; w.form == nil && r.registry != nil {
			w.form = schemaForms[media]
		}
		switch {
		case w.form != nil:
		case r.registry != nil:
			return refuse(415, "content-type must be application/vnd.kafka.json.v2+json, or with binary, text, avro, protobuf or jsonschema in the place of json")
		default:
			return refuse(415, "content-type must be application/vnd.kafka.json.v2+json, or with binary or text in the place of json")
		}
	}
	return nil
}

func recordsV2(of string) func(*Served, []byte, *work, adder) error {
	return func(r *Served, body []byte, w *work, add adder) error {
		compact, refused := r.compactBody(body, w)
		if refused != nil {
			return refused
		}
		return restproxy.V2(compact, of, add)
	}
}

func recordsV3(r *Served, body []byte, w *work, add adder) error {
	if w.holdMore(restproxy.V3Memory*len(body)) != nil {
		return noRoom()
	}
	return restproxy.V3(body, func(raw []byte) ([]byte, error) { return r.compact(nil, raw) }, add,
		func(number int, why error) error { return w.refuseRecord(number, refusal(why)) })
}

func entriesV3(r *Served, body []byte, w *work, add adder) error {
	compact, refused := r.compactBody(body, w)
	if refused != nil {
		return refused
	}
	return restproxy.Batch(compact, add)
}
