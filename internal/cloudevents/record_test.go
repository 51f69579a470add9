package cloudevents

import "testing"

const structuredHeader = "content-type=application/cloudevents+json; charset=UTF-8 "

func decodeEither(t *testing.T, contentType string, headers func(func(name, value string)), body string) Event {
	t.Helper()
	var e Event
	var err error
	if headers == nil {
		e, err = DecodeStructured([]byte(body))
	} else {
		e, err = DecodeBinary(contentType, headers, []byte(body))
	}
	wantError(t, err, "")
	return e
}

func TestRecord(t *testing.T) {
	tests := []struct {
		name        string
		contentType string
		headers     func(func(name, value string)) // nil: the body is a JSON event
		body        string
		out         Out
		want        string
	}{
		{"the example of kafka 3.2.5", "application/avro", each("ce-specversion: 1.0", "ce-type: com.example.someevent",
			"ce-source: /mycontext/subcontext", "ce-id: 1234-1234-1234", "ce-time: 2018-04-05T03:56:24Z"), "\x00Avro\xff", OutBinary,
			"null ce_specversion=1.0 ce_type=com.example.someevent ce_source=/mycontext/subcontext ce_id=1234-1234-1234 " +
				"ce_time=2018-04-05T03:56:24Z content-type=application/avro \x00Avro\xff"},
		{"a structured event goes out binary", "", nil, begin + `,"e":true,"data": {"a": 1.0}}`, OutBinary,
			`null ce_specversion=1.0 ce_type=t ce_source=/s ce_id=1 ce_e=true content-type=application/json {"a":1.0}`},
		{"a structured event goes out as it came, compacted", "", nil, begin + ` , "e" : null, "data":{"a" : 1.0}}`, OutStructured,
			"null " + structuredHeader + begin + `,"e":null,"data":{"a":1.0}}`},
		{"header values are UTF-8, and not encoded", "", must("ce-subject: %E2%82%AC%20%25"), "x", OutBinary,
			"null ce_specversion=1.0 ce_type=t ce_source=/s ce_id=1 ce_subject=€ % x"},
		{"partitionkey is the key and stays an attribute", "text/plain", must("ce-partitionkey: k%20"), "x", OutBinary,
			"k  ce_specversion=1.0 ce_type=t ce_source=/s ce_id=1 ce_partitionkey=k  content-type=text/plain x"},
		{"it is the key in structured mode too", "", nil, begin + `,"partitionkey":"k"}`, OutStructured,
			"k " + structuredHeader + begin + `,"partitionkey":"k"}`},
		{"no data is a null value in binary mode", "application/json", must(), "", OutBinary,
			"null ce_specversion=1.0 ce_type=t ce_source=/s ce_id=1 content-type=application/json null"},
		{"no data is an event in structured mode", "application/json", must(), "", OutStructured,
			"null " + structuredHeader + begin + `,"datacontenttype":"application/json"}`},
		{"null data is the word null", "", nil, begin + `,"data":null}`, OutBinary,
			"null ce_specversion=1.0 ce_type=t ce_source=/s ce_id=1 content-type=application/json null"},
		{"binary data goes out structured as base64", "image/png", must(), "\x00\xff", OutStructured,
			"null " + structuredHeader + begin + `,"datacontenttype":"image/png","data_base64":"AP8="}`},
		{"JSON goes out structured as JSON", "application/ld+json", must(), ` {"a" : 1E400} `, OutStructured,
			"null " + structuredHeader + begin + `,"datacontenttype":"application/ld+json","data":{"a":1E400}}`},
		{"a body without a content type is not known to be JSON", "", must(), `1`, OutStructured,
			"null " + structuredHeader + begin + `,"data_base64":"MQ=="}`},
		{"attributes are quoted in JSON", "", must(`ce-subject: a%22%5C`), "", OutStructured,
			"null " + structuredHeader + begin + `,"subject":"a\"\\"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := decodeEither(t, tt.contentType, tt.headers, tt.body)
			r, err := e.Record(tt.out)
			wantError(t, err, "")
			if got := showRecord(r); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestNullAndEmptyValuesDiffer(t *testing.T) {
	tests := []struct {
		name, body string
		null       bool
	}{
		{"no data", begin + `}`, true},
		{"empty text", begin + `,"datacontenttype":"text/plain","data":""}`, false},
		{"empty binary data", begin + `,"data_base64":""}`, false},
		{"null, which is JSON data", begin + `,"data":null}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := decodeEither(t, "", nil, tt.body)
			r, err := e.Record(OutBinary)
			wantError(t, err, "")
			if (r.Value == nil) != tt.null {
				t.Errorf("value %v", r.Value)
			}
		})
	}
}

func TestDataThatIsNotTheJSONItIsDeclaredToBe(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"no JSON", "{", "invalid JSON at byte 1: found the end of the input, expected the name of a member, in double quotes"},
		{"no UTF-8", "\"\xff\"", "invalid JSON at byte 1: found the byte 0xff, expected UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := decodeEither(t, "application/json", must(), tt.body)
			if r, err := e.Record(OutBinary); err != nil || string(r.Value) != tt.body {
				t.Errorf("binary: %v", err)
			}
			_, err := e.Record(OutStructured)
			wantError(t, err, tt.want)
		})
	}
}

func TestAttribute(t *testing.T) {
	e := decodeEither(t, "text/plain", must("ce-e: "), "x")
	tests := []struct {
		name, attribute, want string
		set                   bool
	}{
		{"one of every event's", "type", "t", true},
		{"one that is empty is set", "e", "", true},
		{"the content type", "datacontenttype", "text/plain", true},
		{"one that is not set", "subject", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, set := e.Attribute(tt.attribute); got != tt.want || set != tt.set {
				t.Errorf("got %q, %v", got, set)
			}
		})
	}
}
