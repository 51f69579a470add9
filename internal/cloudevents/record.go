package cloudevents

import (
	"encoding/base64"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/utils"
)

// Out is the content mode of the records that are made (kafka 1.3).
type Out uint8

// The content modes of records.
const (
	// OutBinary has the attributes in headers and the data as the value.
	OutBinary Out = iota
	// OutStructured has a JSON event as the value.
	OutStructured
)

const (
	recordPrefix       = "ce_"
	contentTypeHeader  = "content-type"
	structuredJSONType = structuredMediaType + "; charset=UTF-8"
)

// Record is what an event is in Kafka.
type Record struct {
	// Key is the attribute partitionkey (kafka 3.1), nil when it is not set. A key that
	// the route or the client gives comes first.
	Key []byte
	// Value is nil, Kafka's null, for an event without data in binary mode (kafka 3.2.2):
	// in a compacted topic that is a tombstone.
	Value   []byte
	Headers []record.Header
}

// Record makes a record of an event. Its value may be the event's data, or a part of
// the body that the event came in; a structured event goes out as it came, compacted.
// There is an error only for binary data that shall go out structured and is not the
// JSON that it was declared to be: those of [DecodeStructured].
func (e *Event) Record(out Out) (Record, error) {
	var r Record
	if key, set := e.Attribute(partitionKey); set {
		r.Key = []byte(key)
	}
	if out == OutStructured {
		value, err := e.json()
		if err != nil {
			return Record{}, err
		}
		r.Value = value
		r.Headers = []record.Header{{Key: contentTypeHeader, Value: []byte(structuredJSONType)}}
		return r, nil
	}
	r.Headers = make([]record.Header, 0, len(e.Attributes)+1)
	for _, a := range e.Attributes {
		r.Headers = append(r.Headers, record.Header{Key: recordPrefix + a.Name, Value: []byte(a.Value)})
	}
	if e.DataContentType != "" {
		r.Headers = append(r.Headers, record.Header{Key: contentTypeHeader, Value: []byte(e.DataContentType)})
	}
	if e.HasData {
		r.Value = e.Data
	}
	return r, nil
}

// json returns the event in the JSON format (json 3).
func (e *Event) json() ([]byte, error) {
	if e.structured != nil {
		return e.structured, nil
	}
	data, member, err := e.jsonData()
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, 256+len(data)*4/3)
	separator := byte('{')
	for _, a := range e.Attributes {
		b = appendMember(append(b, separator), a.Name, a.Value)
		separator = ','
	}
	if e.DataContentType != "" {
		b = appendMember(append(b, ','), dataContentType, e.DataContentType)
	}
	switch member {
	case dataMember:
		b = append(append(b, `,"data":`...), data...)
	case base64Member:
		b = base64.StdEncoding.AppendEncode(append(b, `,"data_base64":"`...), data)
		b = append(b, '"')
	}
	return append(b, '}'), nil
}

// jsonData returns as which member the data of a binary event goes into JSON (json
// 3.1.1). What is not JSON is binary: that keeps every byte. Without a content type, a
// body over HTTP is not known to be JSON.
func (e *Event) jsonData() (data []byte, member string, err error) {
	switch {
	case !e.HasData:
		return nil, "", nil
	case e.DataContentType == "" || !declaresJSON(e.DataContentType):
		return e.Data, base64Member, nil
	}
	compact, err := utils.CompactJSON(nil, e.Data)
	if err != nil {
		return nil, "", err
	}
	return compact, dataMember, nil
}

// appendMember appends a name and a string. A value of an attribute has no control
// characters.
func appendMember(b []byte, name, value string) []byte {
	b = append(append(append(b, '"'), name...), `":"`...)
	for i := range len(value) {
		if c := value[i]; c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, value[i])
	}
	return append(b, '"')
}
