package cloudevents

import "testing"

func TestDecodeBinary(t *testing.T) {
	const (
		required = "specversion=1.0 type=t source=/s id=1 "
		json     = "application/json; charset=utf-8"
	)
	tests := []struct {
		name        string
		contentType string
		headers     func(func(name, value string))
		body        string
		want        string
	}{
		{"the example of http 3.1.4", json, each("host: webhook.example.com", "ce-specversion: 1.0",
			"ce-type: com.example.someevent", "ce-time: 2018-04-05T03:56:24Z", "ce-id: 1234-1234-1234",
			"ce-source: /mycontext/subcontext", "content-length: 8"), `{"a": 1}`,
			"specversion=1.0 type=com.example.someevent time=2018-04-05T03:56:24Z id=1234-1234-1234 " +
				"source=/mycontext/subcontext (" + json + `) {"a": 1}`},
		{"the example of http 3.1.3.2", "", must("ce-subject: Euro%20%E2%82%AC%20%F0%9F%98%80"), "x",
			required + "subject=Euro € 😀 () x"},
		{"lower-case digits are taken in percent-encoding", "", must("ce-subject: %e2%82%ac"), "x", required + "subject=€ () x"},
		{"what needs no encoding may be encoded", "", must("ce-subject: %41%7A"), "x", required + "subject=Az () x"},
		{"percent-encoding is undone once", "", must("ce-subject: %2541"), "x", required + "subject=%41 () x"},
		{"a URI of a sender that does not encode: decoded it would be none", "", must("ce-dataschema: http://x/caf%C3%A9"), "x", required + "dataschema=http://x/caf%C3%A9 () x"},
		{"a URI of a sender that does not encode: decoded it would be another", "", must("ce-dataschema: http://x/a%2Fb%41"), "x", required + "dataschema=http://x/a%2Fb%41 () x"},
		{"a URI of a sender that encodes", "", must("ce-dataschema: http://x/a%252Fb%2541"), "x", required + "dataschema=http://x/a%2Fb%41 () x"},
		{"a URI with what need not be encoded", "", must("ce-dataschema: http://x/%41%7e"), "x", required + "dataschema=http://x/A~ () x"},
		{"a source is a URI, too", "", each("ce-specversion: 1.0", "ce-type: t", "ce-source: /a%20b%3F", "ce-id: 1"), "x", "specversion=1.0 type=t source=/a%20b%3F id=1 () x"},
		{"only in URIs are characters reserved", "", must("ce-subject: a%2Fb"), "x", required + "subject=a/b () x"},
		{"a text of a sender that does not encode", "", must("ce-subject: 100%"), "x", required + "subject=100% () x"},
		{"a percent sign and one digit", "", must("ce-subject: %4"), "x", required + "subject=%4 () x"},
		{"what is not UTF-8 when it is decoded", "", must("ce-subject: %C0%A0"), "x", required + "subject=%C0%A0 () x"},
		{"a control character when it is decoded", "", must("ce-subject: a%0Ab"), "x", required + "subject=a%0Ab () x"},
		{"a value in quotes, as older senders have it", "", must(`ce-subject: "a \"b\" \\ %41"`), "x", required + `subject=a "b" \ A () x`},
		{"a quote inside a value is that quote", "", must(`ce-subject: 5" wide`), "x", required + `subject=5" wide () x`},
		{"an extension", "", must("ce-comexampleothervalue: 5"), "x", required + "comexampleothervalue=5 () x"},
		{"an extension may be empty", "", must("ce-e: "), "x", required + "e= () x"},
		{"an empty body is no data", json, must(), "", required + "(" + json + ") none"},
		{"data stays as it came", "text/plain", must(), " \x00\xff", required + "(text/plain)  \x00\xff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := DecodeBinary(tt.contentType, tt.headers, []byte(tt.body))
			wantError(t, err, "")
			if got := show(e); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestDecodeBinaryRefuses(t *testing.T) {
	tests := []struct {
		name    string
		headers func(func(name, value string))
		want    string
	}{
		{"no id", each("ce-specversion: 1.0", "ce-type: t", "ce-source: /s"), "header ce-id: required"},
		{"no source", each("ce-specversion: 1.0", "ce-type: t", "ce-id: 1"), "header ce-source: required"},
		{"no type", each("ce-specversion: 1.0", "ce-id: 1", "ce-source: /s"), "header ce-type: required"},
		{"another version", each("ce-specversion: 0.3"), "header ce-specversion: expected 1.0, the only version that is known"},
		{"what is neither as it is nor decoded", must("ce-time: 2018%2D04"), "header ce-time: expected a time such as 2018-04-05T17:31:00Z (RFC 3339)"},
		{"bytes that are not ASCII", must("ce-subject: €"), "header ce-subject: characters beyond ASCII's printable ones must be percent-encoded"},
		{"a quote that does not close", must(`ce-subject: "a`), "header ce-subject: the quoted string does not end where the value ends"},
		{"an escape at the end", must(`ce-subject: "a\`), "header ce-subject: the quoted string does not end where the value ends"},
		{"something behind the quotes", must(`ce-subject: "a" b`), "header ce-subject: the quoted string does not end where the value ends"},
		{"a header twice", must("ce-id: 2"), "header ce-id: given twice"},
		{"datacontenttype as a header", must("ce-datacontenttype: text/plain"), "header ce-datacontenttype: it must not be given; content-type is its header"},
		{"an attribute named data", must("ce-data: x"), "header ce-data: no attribute can have this name"},
		{"a name with a hyphen", must("ce-my-ext: x"), "header ce-…: the name of an attribute has letters and digits only"},
		{"no name", must("ce-: x"), "header ce-…: the name of an attribute has letters and digits only"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := DecodeBinary("", tt.headers, []byte("x"))
			wantError(t, err, tt.want)
		})
	}
	t.Run("a content type that is none", func(t *testing.T) {
		_, err := DecodeBinary("text", must(), nil)
		wantError(t, err, "header content-type: expected a media type")
	})
}
