package kafkaupstream

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

const (
	// clientHeader begins, after the prefix, the name of a request's header that
	// becomes a record's.
	clientHeader = "header-"
	// binarySuffix ends the name of one whose value is base64, as gRPC has it.
	binarySuffix = "-bin"
)

// recordHeaders gives the record its headers: the route's, and the client's where the
// route allows them; a client's replaces the route's of the same name.
func (r *Served) recordHeaders(req Request, rec *record.Record) *Reply {
	for i := range r.RecordHeaders {
		h := &r.RecordHeaders[i]
		value, refused := expand(&h.Value, req)
		if refused != nil {
			return refused
		}
		rec.Headers = append(rec.Headers, record.Header{Key: h.Name, Value: []byte(value)})
	}
	if !r.Allowed[routeconf.OverrideHeaders] {
		return nil
	}
	if req.HeadersMissing() {
		return headersMissing()
	}
	var given []record.Header
	var refused *Reply
	prefix := r.Prefix + clientHeader
	req.Headers(func(name, value string) {
		name, ok := strings.CutPrefix(name, prefix)
		if !ok || refused != nil {
			return
		}
		h := record.Header{Key: name, Value: []byte(value)}
		if base, ok := strings.CutSuffix(name, binarySuffix); ok {
			var err error
			if h.Value, err = jsonvalue.DecodeBase64(value); err != nil {
				refused = refuse(400, fmt.Sprintf("header %s%s: it is not base64", prefix, name))
			}
			h.Key = base
		}
		if h.Key == "" {
			refused = refuse(400, fmt.Sprintf("header %s%s: it names no record header", prefix, name))
		}
		if r.CloudEvents && isEventHeader(h.Key) {
			refused = refuse(400, fmt.Sprintf("header %s%s: the record header %s is the event's own", prefix, name, h.Key))
		}
		given = append(given, h)
	})
	if refused != nil {
		return refused
	}
	slices.SortStableFunc(given, func(a, b record.Header) int { return strings.Compare(a.Key, b.Key) })
	return r.giveHeaders(rec, given)
}

// giveHeaders adds a client's headers to a record. Each replaces one that the route gives, where the route lets headers be
// set; elsewhere, as with the REST Proxy's dialect, a consumer is to have the route's.
func (r *Served) giveHeaders(rec *record.Record, given []record.Header) *Reply {
	for i := range given {
		name := given[i].Key
		if !slices.ContainsFunc(r.RecordHeaders, func(own routeconf.RecordHeader) bool { return own.Name == name }) {
			continue
		}
		if !r.Allowed[routeconf.OverrideHeaders] {
			return refuse(403, fmt.Sprintf("the route gives the header %s itself", name))
		}
		rec.Headers = slices.DeleteFunc(slices.Clone(rec.Headers), func(old record.Header) bool { return old.Key == name })
	}
	rec.Headers = append(rec.Headers, given...)
	if len(rec.Headers) > routeconf.MaxRecordHeaders {
		return tooManyHeaders(len(rec.Headers))
	}
	return nil
}

// headersMissing is the reply where any header could be one of a record's.
func headersMissing() *Reply {
	return refuse(431, "the request has more header lines than the gateway hands over")
}

func tooManyHeaders(n int) *Reply {
	return refuse(400, fmt.Sprintf("the record would have %d headers, the limit is %d", n, routeconf.MaxRecordHeaders))
}
