package form

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func TestParseReadsFields(t *testing.T) {
	cases := []struct {
		body     string
		repeated Repeated
		want     string
	}{
		{"", List, `{}`},
		{"&&", List, `{}`},
		{"b=1&a=2", List, `{"b":"1","a":"2"}`},
		{"a", List, `{"a":""}`},
		{"=v", List, `{"":"v"}`},
		{"a=b=c&d;e=f", List, `{"a":"b=c","d;e":"f"}`},
		{"first+name=Ren%C3%A9+%22x%22%0A", List, `{"first name":"René \"x\"\n"}`},
		{"a=1&b=2&a=3&%61=4", List, `{"a":["1","3","4"],"b":"2"}`},
		{"a=1&b=2&a=3", First, `{"a":"1","b":"2"}`},
		{"a=1&b=2&a=3", Last, `{"a":"3","b":"2"}`},
		{"a=1&b=2", Refuse, `{"a":"1","b":"2"}`},
		{"a=1&b=2&a=3", Refuse, `field 3 of the form: the name "a" is there twice`},
		{"a=1&b=%", List, `field 2 of the form: it has a % without two hexadecimal digits behind it`},
		{"%zz=1", List, `field 1 of the form: it has a % without two hexadecimal digits behind it`},
		{"%=%E9", List, `field 1 of the form: it has a % without two hexadecimal digits behind it`},
		{"a=%E9", List, `field 1 of the form: it is not UTF-8`},
		{"a=\xe9", List, `field 1 of the form: it is not UTF-8`},
		{strings.Repeat("a&", MaxFields), Last, `{"a":""}`},
		{strings.Repeat("a&", MaxFields+1), Last, `the form has more than 10000 fields`},
	}
	for _, c := range cases {
		f, err := Parse([]byte(c.body), c.repeated)
		got := string(f.AppendJSON(nil))
		if err != nil {
			got = err.Error()
		} else if f.Len() != len(got) {
			t.Errorf("%.40s: %d bytes are %d", c.body, f.Len(), len(got))
		}
		if got != c.want {
			t.Errorf("%.40s: got %s, want %s", c.body, got, c.want)
		}
	}
}

// FuzzParse holds what is read against net/url, but for the semicolons that it refuses.
func FuzzParse(f *testing.F) {
	f.Add("a=1&b=%20+&a=2&", 0)
	f.Add("%=&=%e9", 3)
	f.Fuzz(func(t *testing.T, body string, repeated int) {
		want, refused := url.ParseQuery(strings.ReplaceAll(body, ";", "%3B"))
		got, err := Parse([]byte(body), Repeated(repeated&3))
		if err != nil {
			return
		}
		if refused != nil {
			t.Fatalf("%q: %v", body, refused)
		}
		text := got.AppendJSON(nil)
		var fields map[string]any
		if json.Unmarshal(text, &fields) != nil || len(text) != got.Len() || len(fields) != len(want) {
			t.Fatalf("%q became %s", body, text)
		}
		for name, values := range want {
			var expected any = values[0]
			switch {
			case len(values) == 1:
			case Repeated(repeated&3) == Last:
				expected = values[len(values)-1]
			case Repeated(repeated&3) == List:
				expected = values
			}
			a, _ := json.Marshal(fields[name])
			b, _ := json.Marshal(expected)
			if string(a) != string(b) {
				t.Errorf("%q: %q is %s, want %s", body, name, a, b)
			}
		}
	})
}
