package cloudevents

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/utils"
)

// begin begins a JSON event that has what is required.
const begin = `{"specversion":"1.0","type":"t","source":"/s","id":"1"`

const required = "specversion=1.0 type=t source=/s id=1 "

func TestDecodeStructured(t *testing.T) {
	// example is an event of json 3.2; rest are its members behind the common ones.
	example := func(id, rest string) string {
		return `{
    "specversion" : "1.0",
    "type" : "com.example.someevent",
    "source" : "/mycontext",
    "subject": null,
    "id" : "` + id + `",
    "time" : "2018-04-05T17:31:00Z",
    "comexampleextension1" : "value",
    "comexampleothervalue" : 5,
    "unsetextension": null,
    ` + rest + "\n}"
	}
	common := func(id string) string {
		return "specversion=1.0 type=com.example.someevent source=/mycontext id=" + id +
			" time=2018-04-05T17:31:00Z comexampleextension1=value comexampleothervalue=5 "
	}
	tests := []struct {
		name string
		body string
		want string
	}{
		{"the example with binary data", example("A234-1234-1234",
			`"datacontenttype" : "application/vnd.apache.thrift.binary", "data_base64" : "AAECcv8="`),
			common("A234-1234-1234") + "(application/vnd.apache.thrift.binary) \x00\x01\x02r\xff"},
		{"the example with an XML document", example("B234-1234-1234",
			`"datacontenttype" : "application/xml", "data" : "<much wow=\"xml\"/>"`),
			common("B234-1234-1234") + `(application/xml) <much wow="xml"/>`},
		{"the example with an object", example("C234-1234-1234",
			`"datacontenttype" : "application/json", "data" : { "appinfoA" : "abc", "appinfoB" : 123, "appinfoC" : true }`),
			common("C234-1234-1234") + `(application/json) {"appinfoA":"abc","appinfoB":123,"appinfoC":true}`},
		{"the example with a string and no content type", example("D234-1234-1234", `"data" : "I'm just a string"`),
			common("D234-1234-1234") + `(application/json) "I'm just a string"`},

		{"numbers in data keep their digits", begin + `,"data":{"n":12345678901234567890.10,"e":1E400}}`,
			required + `(application/json) {"n":12345678901234567890.10,"e":1E400}`},
		{"names in data may come twice, since nobody reads them here", begin + `,"data":{"a":1,"a":2}}`, required + `(application/json) {"a":1,"a":2}`},
		{"null is data", begin + `,"data":null}`, required + "(application/json) null"},
		{"no data", begin + `}`, required + "() none"},
		{"no data, but its content type", begin + `,"datacontenttype":"text/xml"}`, required + "(text/xml) none"},
		{"empty text is data", begin + `,"datacontenttype":"text/plain","data":""}`, required + "(text/plain) "},
		{"data_base64 that is null is unset", begin + `,"data_base64":null,"data":1}`, required + "(application/json) 1"},
		{"JSON in base64 is compact", begin + `,"datacontenttype":"application/json","data_base64":"eyAiYSI6IDEgfQ=="}`, required + `(application/json) {"a":1}`},
		{"no bytes in base64", begin + `,"datacontenttype":"application/json","data_base64":""}`, required + "(application/json) "},
		{"binary data without a content type stays without", begin + `,"data_base64":"AQ=="}`, required + "() \x01"},
		{"every type with a subtype of json is JSON", begin + `,"datacontenttype":"Text/JSON; a=b","data":"x"}`, required + `(Text/JSON; a=b) "x"`},
		{"so is +json", begin + `,"data":"x","datacontenttype":"application/ld+json"}`, required + `(application/ld+json) "x"`},
		{"a string in JSON data is not read as a document", begin + `,"data":"{\"a\":1}"}`, required + `(application/json) "{\"a\":1}"`},
		{"text is unescaped", begin + `,"datacontenttype":"text/plain; charset=UTF-8","data":"a\n\u20ac\ud83d\ude00\/"}`,
			required + "(text/plain; charset=UTF-8) a\n€😀/"},
		{"a boolean and integers", begin + `,"b":true,"c":false,"min":-2147483648,"max":2147483647,"zero":-0}`,
			required + "b=true c=false min=-2147483648 max=2147483647 zero=0 () none"},
		{"a name with escapes is the name", strings.Replace(begin, `"id"`, `"\u0069d"`, 1) + `}`, required + "() none"},
		{"a pair of surrogates is a character", begin + `,"subject":"\uD83D\uDE00"}`, required + "subject=😀 () none"},
		{"an integer stands for itself in a string", begin + `,"e":"5"}`, required + "e=5 () none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := DecodeStructured([]byte(tt.body))
			wantError(t, err, "")
			if got := show(e); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestDecodeStructuredRefuses(t *testing.T) {
	attributes := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"a%d":1`, i)
		}
		return b.String() + "}"
	}
	const (
		integer = "expected an integer from -2147483648 to 2147483647"
		base64  = "/data_base64: expected a string of base64 (RFC 4648, section 4)"
		name    = "the event: the name of an attribute has letters a to z and digits only"
	)
	tests := []struct {
		name string
		body string
		want string
	}{
		{"no id", `{"specversion":"1.0","type":"t","source":"/s"}`, "/id: required"},
		{"an id that is null", `{"specversion":"1.0","type":"t","source":"/s","id":null}`, "/id: required"},
		{"an empty id", `{"id":""}`, "/id: it cannot be empty"},
		{"an id that is a number", `{"id":1}`, "/id: expected a string"},
		{"no source", `{"specversion":"1.0","type":"t","id":"1"}`, "/source: required"},
		{"an empty source", `{"source":""}`, "/source: it cannot be empty"},
		{"a source with a blank", `{"source":"a b"}`, "/source: expected a URI reference (RFC 3986)"},
		{"no type", `{"specversion":"1.0","source":"/s","id":"1"}`, "/type: required"},
		{"an empty type", `{"type":""}`, "/type: it cannot be empty"},
		{"no version", `{"type":"t","source":"/s","id":"1"}`, "/specversion: required"},
		{"another version", `{"specversion":"0.3"}`, "/specversion: expected 1.0, the only version that is known"},
		{"a version that is a number", `{"specversion":1.0}`, "/specversion: expected a string"},
		{"an empty subject", begin + `,"subject":""}`, "/subject: it cannot be empty"},
		{"an empty partition key", begin + `,"partitionkey":""}`, "/partitionkey: it cannot be empty"},
		{"a time that is none", begin + `,"time":"yesterday"}`, "/time: expected a time such as 2018-04-05T17:31:00Z (RFC 3339)"},
		{"a data schema without a scheme", begin + `,"dataschema":"/a"}`, "/dataschema: expected a URI, which begins with a scheme"},
		{"a content type that is none", begin + `,"datacontenttype":"json"}`, "/datacontenttype: expected a media type"},

		{"a name twice", begin + `,"id":"2"}`, "/id: given twice"},
		{"a name twice, once with escapes", begin + `,"\u0069d":"2"}`, "/id: given twice"},
		{"a name twice, once null", begin + `,"subject":null,"subject":"s"}`, "/subject: given twice"},
		{"data twice", begin + `,"data":1,"data":2}`, "/data: given twice"},
		{"data and data_base64", begin + `,"data":1,"data_base64":"AQ=="}`, "/data_base64: an event has data or data_base64, not both"},
		{"a name in upper case", begin + `,"traceId":"x"}`, name},
		{"a name with an underscore", begin + `,"trace_id":"x"}`, name},
		{"no name", begin + `,"":"x"}`, name},
		{"half a surrogate pair as a name", begin + `,"\ud800":"x"}`, name},
		{"too many attributes", begin + attributes(97), "/a96: more than 100 attributes"},

		{"an object as an attribute", begin + `,"e":{}}`, "/e: expected a string, a boolean or an integer"},
		{"an array as an attribute", begin + `,"e":[1]}`, "/e: expected a string, a boolean or an integer"},
		{"a fraction", begin + `,"e":1.0}`, "/e: " + integer},
		{"an exponent", begin + `,"e":1e3}`, "/e: " + integer},
		{"an integer that is too large", begin + `,"e":2147483648}`, "/e: " + integer},
		{"a control character", begin + `,"e":"a\u0000"}`, "/e: it has a control character"},
		{"a control character of Latin-1", begin + `,"e":"\u0085"}`, "/e: it has a control character"},
		{"a code point that is no character", begin + `,"e":"\uFFFE"}`, "/e: it has a code point that is no character"},
		{"one of another plane", begin + `,"e":"\ud83f\udfff"}`, "/e: it has a code point that is no character"},
		{"the first half of a surrogate pair", begin + `,"e":"\uDEAD"}`, "/e: it has half a surrogate pair"},
		{"two first halves", begin + `,"e":"\ud800\ud800"}`, "/e: it has half a surrogate pair"},

		{"base64 with a character of another alphabet", begin + `,"data_base64":"_w=="}`, base64},
		{"base64 without padding", begin + `,"data_base64":"AQ"}`, base64},
		{"base64 with bits that count for nothing", begin + `,"data_base64":"AR=="}`, base64},
		{"base64 with a line break", begin + `,"data_base64":"AQ\n=="}`, base64},
		{"base64 of what is no JSON", begin + `,"datacontenttype":"text/x+json","data_base64":"/w=="}`,
			"/data_base64: datacontenttype is JSON, and these bytes are not: invalid JSON at byte 0: found the byte 0xff, expected a value"},
		{"base64 that is a number", begin + `,"data_base64":1}`, base64},
		{"XML that is an object", begin + `,"datacontenttype":"text/xml","data":{}}`, "/data: expected a string, since datacontenttype is not JSON"},
		{"text that is null", begin + `,"datacontenttype":"text/plain","data":null}`, "/data: expected a string, since datacontenttype is not JSON"},
		{"text with half a surrogate pair", begin + `,"datacontenttype":"text/plain","data":"\ud800x"}`, "/data: it has half a surrogate pair"},
		{"text in another charset", begin + `,"datacontenttype":"text/plain; charset=latin1","data":"x"}`,
			"/datacontenttype: text in another charset than UTF-8 must be in data_base64"},
		{"text that is not the ASCII it should be", begin + `,"datacontenttype":"text/plain; charset=us-ascii","data":"é"}`,
			"/datacontenttype: text in another charset than UTF-8 must be in data_base64"},

		{"bytes that are not UTF-8", begin + `,"data":"` + "\xff" + `"}`, "invalid JSON at byte 63: found the byte 0xff, expected UTF-8"},
		{"an array", `[` + begin + `}]`, "the event: expected an object"},
		{"nothing", ``, "invalid JSON at byte 0: found the end of the input, expected a value"},
		{"an event and more", begin + `} 1`, "invalid JSON at byte 56: found '1', expected nothing after the value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := DecodeStructured([]byte(tt.body))
			wantError(t, err, tt.want)
		})
	}
	t.Run("data that nests too deep", func(t *testing.T) {
		_, err := DecodeStructured([]byte(begin + `,"data":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}"))
		var syntax *utils.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("error %v", err)
		}
	})
}

func TestDecodeBatch(t *testing.T) {
	const limit = 2
	tests := []struct {
		name string
		body string
		want string // an event each line
		err  string
	}{
		{"the example of json 4.3", ` [
  { "specversion" : "1.0", "type" : "com.example.someevent", "source" : "/mycontext/4", "id" : "B234-1234-1234",
    "time" : "2018-04-05T17:31:00Z", "comexampleextension1" : "value", "comexampleothervalue" : 5,
    "datacontenttype" : "application/vnd.apache.thrift.binary", "data_base64" : "AP8=" },
  { "specversion" : "1.0", "type" : "com.example.someotherevent", "source" : "/mycontext/9", "id" : "C234-1234-1234",
    "time" : "2018-04-05T17:31:05Z", "comexampleextension1" : "value", "comexampleothervalue" : 5,
    "datacontenttype" : "application/json", "data" : { "appinfoA" : "abc", "appinfoB" : [ 123, "]" ], "appinfoC" : true } }
]`,
			"specversion=1.0 type=com.example.someevent source=/mycontext/4 id=B234-1234-1234 time=2018-04-05T17:31:00Z " +
				"comexampleextension1=value comexampleothervalue=5 (application/vnd.apache.thrift.binary) \x00\xff\n" +
				"specversion=1.0 type=com.example.someotherevent source=/mycontext/9 id=C234-1234-1234 time=2018-04-05T17:31:05Z " +
				`comexampleextension1=value comexampleothervalue=5 (application/json) {"appinfoA":"abc","appinfoB":[123,"]"],"appinfoC":true}` + "\n",
			""},
		{"an empty batch", ` [ ] `, "", ""},
		{"an error names the event", `[` + begin + `},` + begin + `,"time":"x"}]`, required + "() none\n",
			"/1/time: expected a time such as 2018-04-05T17:31:00Z (RFC 3339)"},
		{"what misses is named too", `[{}]`, "", "/0/specversion: required"},
		{"a name that is none is the event's", `[` + begin + `,"A":1}]`, "", "/0: the name of an attribute has letters a to z and digits only"},
		{"an element that is no event", `[` + begin + `},7]`, required + "() none\n", "/1: expected an object"},
		{"more events than the caller takes", `[` + begin + `},` + begin + `},` + begin + `}]`, required + "() none\n" + required + "() none\n", "the event: more than 2 events"},
		{"an event alone", begin + `}`, "", "the event: expected an array of events"},
		{"broken JSON", `[`, "", "invalid JSON at byte 1: found the end of the input, expected a value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got strings.Builder
			var failed error
			for e, err := range DecodeBatch([]byte(tt.body), limit) {
				if failed = err; err == nil {
					got.WriteString(show(e) + "\n")
				}
			}
			wantError(t, failed, tt.err)
			if got.String() != tt.want {
				t.Errorf("got  %q\nwant %q", got.String(), tt.want)
			}
		})
	}
}
