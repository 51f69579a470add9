package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"testing"
	"unicode/utf8"
)

func TestWrapRequestHasEachPart(t *testing.T) {
	cases := []struct {
		says, body, want string
		of               Request
	}{
		{"names that are given several times have lists, in the order of names", "x",
			`{"method":"POST","uri":"/a%20b?q=1&q=2&r=","uri_args":{"q":["1","2"],"r":""},"headers":{"a":["2","1"],"b":"3"},"body":"x"}`,
			Request{"POST", "/a b", []NameValue{{"r", ""}, {"q", "1"}, {"q", "2"}}, []NameValue{{"b", "3"}, {"a", "2"}, {"a", "1"}}}},
		{"an empty body is text", "",
			`{"method":"GET","uri":"/","uri_args":{},"headers":{},"body":""}`,
			Request{Method: "GET", Path: "/"}},
		{"what is not UTF-8 is base64 as a body, percent-encoded in the URI, and has a replacement elsewhere", "\xff",
			`{"method":"POST","uri":"/%FF?%FE=%FD","uri_args":{"` + "\ufffd" + `":"` + "\ufffd" + `"},"headers":{"h":"` + "\ufffd" + `"},"body":"/w==","body_base64":true}`,
			Request{"POST", "/\xff", []NameValue{{"\xfe", "\xfd"}}, []NameValue{{"h", "\xe9"}}}},
	}
	for _, c := range cases {
		got, err := WrapRequest(c.of.AppendHead(nil), []byte(c.body), len(c.want))
		if err != nil || string(got) != c.want {
			t.Errorf("%s:\ngot  %s %v\nwant %s", c.says, got, err, c.want)
		}
		if _, err := WrapRequest(c.of.AppendHead(nil), []byte(c.body), len(c.want)-1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: got %v with a byte too few", c.says, err)
		}
	}
	if _, err := WrapRequest(nil, nil, 1000); err == nil {
		t.Error("a null value is taken")
	}
}

// FuzzHTTP reads every part back.
func FuzzHTTP(f *testing.F) {
	f.Add("POST", "/a b", "q", "1", "x-a", []byte("\x00\"<é"))
	f.Add("GET", "//%", "", "\xff", "\xff", []byte("\xff"))
	f.Fuzz(func(t *testing.T, method, path, name, value, header string, body []byte) {
		if body == nil {
			body = []byte{}
		}
		of := Request{method, path, []NameValue{{name, value}, {name, method}}, []NameValue{{header, value}}}
		made, err := WrapRequest(of.AppendHead(nil), body, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			URI    string
			Args   map[string]any `json:"uri_args"`
			Header map[string]any `json:"headers"`
			Body   string
			Base64 bool `json:"body_base64"`
		}
		if err := json.Unmarshal(made, &got); err != nil || !utf8.Valid(made) {
			t.Fatalf("%v: %s", err, made)
		}
		again := []byte(got.Body)
		if got.Base64 {
			again, err = base64.StdEncoding.DecodeString(got.Body)
		}
		if err != nil || !bytes.Equal(again, body) {
			t.Errorf("the body %q became %q, %v", body, again, err)
		}
		if len(got.Args) != 1 || len(got.Header) != 1 {
			t.Errorf("got %s", made)
		}
		u, err := url.ParseRequestURI("http://h/" + got.URI)
		if err != nil || u.Path != "/"+path || u.Query().Get(name) != value {
			t.Errorf("the URI of %q?%q=%q is %s: %v", path, name, value, got.URI, err)
		}
	})
}
