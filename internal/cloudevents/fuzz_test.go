package cloudevents

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// FuzzDecode holds decoding against encoding/json, and each event against what becomes
// of it when it goes out, comes back in the other mode and goes out again.
func FuzzDecode(f *testing.F) {
	f.Add(byte(1), begin+`,"subject":"\ud83d\ude00","e":-0,"data":{"a":[1.0,"]"]}}`)
	f.Add(byte(1), begin+`,"datacontenttype":"text/plain","data":"a\nb"}`)
	f.Add(byte(1), begin+`,"data_base64":"AP8=","dataschema":"http://[::1]/%20?q#f"}`)
	f.Add(byte(1), begin+`,"time":"1990-12-31T23:59:60.5-08:00","data_base64":null,"x":true}`)
	f.Add(byte(2), `[`+begin+`},`+begin+`,"id":null}]`)
	f.Add(byte(2), `[]`)
	f.Add(byte(0), "ce-subject: \"a\\\" %E2%82%AC\"\ntext/plain\nbody")
	f.Add(byte(0), "ce-partitionkey: %25\napplication/json\n{\"a\": 1}")
	f.Fuzz(func(t *testing.T, mode byte, input string) {
		switch mode % 3 {
		case 0:
			header, rest, _ := strings.Cut(input, "\n")
			contentType, body, _ := strings.Cut(rest, "\n")
			e, err := DecodeBinary(contentType, must(header), []byte(body))
			if err == nil {
				checkOut(t, e)
				checkReturn(t, e)
			}
		case 1:
			e, err := DecodeStructured([]byte(input))
			if err == nil {
				checkOut(t, e)
				checkAgainstLibrary(t, e, input)
			}
		case 2:
			var failed error
			n := 0
			for e, err := range DecodeBatch([]byte(input), 50) {
				if failed = err; err == nil {
					checkOut(t, e)
					n++
				}
			}
			var library []json.RawMessage
			if failed == nil && (json.Unmarshal([]byte(input), &library) != nil || len(library) != n) {
				t.Errorf("%d events, the library finds %d", n, len(library))
			}
		}
	})
}

// checkOut: a structured record is valid JSON that decodes to the same event.
func checkOut(t *testing.T, e Event) {
	if _, err := e.Record(OutBinary); err != nil {
		t.Errorf("binary: %v", err)
	}
	r, err := e.Record(OutStructured)
	if err != nil {
		return // data that is not the JSON it is declared to be
	}
	back, err := DecodeStructured(r.Value)
	if err != nil {
		t.Fatalf("%q: %v", r.Value, err)
	}
	if !reflect.DeepEqual(e.Attributes, back.Attributes) || e.HasData != back.HasData {
		t.Errorf("%q became %q", show(e), show(back))
	}
	if e.structured != nil && (!bytes.Equal(e.Data, back.Data) || e.DataContentType != back.DataContentType) {
		t.Errorf("%q became %q", show(e), show(back))
	}
}

// checkReturn: the headers of a binary record, encoded for HTTP, decode to the same event.
func checkReturn(t *testing.T, e Event) {
	r, _ := e.Record(OutBinary)
	var headers []string
	contentType := ""
	for _, h := range r.Headers {
		if name, ok := strings.CutPrefix(h.Key, recordPrefix); ok {
			headers = append(headers, "ce-"+name+": "+percentEncode(h.Value))
		} else {
			contentType = string(h.Value)
		}
	}
	back, err := DecodeBinary(contentType, each(headers...), r.Value)
	if err != nil || !reflect.DeepEqual(e, back) {
		t.Errorf("%q became %q, %v", show(e), show(back), err)
	}
}

func percentEncode(value []byte) string {
	var b strings.Builder
	for _, c := range value {
		if c <= ' ' || c > '~' || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func checkAgainstLibrary(t *testing.T, e Event, input string) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(input), &members); err != nil {
		t.Fatalf("the library refuses it: %v", err)
	}
	for _, a := range e.Attributes {
		var text string
		if json.Unmarshal(members[a.Name], &text) == nil && text != a.Value {
			t.Errorf("%s is %q, not %q", a.Name, a.Value, text)
		}
		delete(members, a.Name)
	}
	for name, value := range members {
		if name != dataMember && name != base64Member && name != dataContentType && string(value) != "null" {
			t.Errorf("%s was left out", name)
		}
	}
	if data := members[dataMember]; data != nil && declaresJSON(e.DataContentType) {
		var compact bytes.Buffer
		if json.Compact(&compact, data); compact.String() != string(e.Data) {
			t.Errorf("data %q, not %q", e.Data, compact.String())
		}
	}
}
