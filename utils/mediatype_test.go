package utils_test

import (
	"mime"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/utils"
)

func TestIsJSONMediaType(t *testing.T) {
	cases := []struct {
		rule        string
		contentType string
		want        bool
	}{
		{"application/json is JSON", "application/json", true},
		{"a subtype ending in +json is JSON", "application/ld+json", true},
		{"a vendor's subtype ending in +json is JSON", "application/vnd.api+json", true},
		{"+json makes JSON of any type", "image/svg+json", true},
		{"only the last suffix counts", "application/a+xml+json", true},
		{"only the last suffix counts, the other way round", "application/a+json+xml", false},
		{"letter case makes no difference", "Application/JSON", true},
		{"letter case makes no difference in a suffix", "application/CloudEvents+Json", true},
		{"a parameter makes no difference", "application/json; charset=utf-8", true},
		{"a parameter without a blank makes no difference", "application/problem+json;charset=utf-8", true},
		{"a malformed parameter makes no difference", "application/json; charset", true},
		{"an empty parameter makes no difference", "application/json;", true},
		{"blanks around the media type make no difference", " \tapplication/json \t; charset=utf-8", true},

		{"JSON in a parameter is no JSON", "text/plain; a=application/json", false},
		{"JSON behind a semicolon is no JSON", ";application/json", false},
		{"nothing is no JSON", "", false},
		{"blanks are no JSON", "  ", false},
		{"another type with the subtype json is no JSON", "text/json", false},
		{"a subtype that only begins with json is no JSON", "application/json-seq", false},
		{"a subtype that only ends in json is no JSON", "application/x-ndjson", false},
		{"json with a further suffix is no JSON", "application/json+xml", false},
		{"a suffix with no name before it is no JSON", "application/+json", false},
		{"a suffix with no type before it is no JSON", "+json", false},
		{"a type alone is no JSON", "application", false},
		{"a type without a subtype is no JSON", "application/", false},
		{"a subtype without a type is no JSON", "/json", false},
		{"a suffix without a type is no JSON", "/ld+json", false},
		{"json alone is no JSON", "json", false},
		{"two slashes are no JSON", "application/x/ld+json", false},
		{"a blank before the slash is no JSON", "application /json", false},
		{"a blank after the slash is no JSON", "application/ json", false},
		{"a list of media types is no JSON", "text/html, application/ld+json", false},
		{"the same media type twice is no JSON", "application/json, application/json", false},
		{"a line break is no blank", "application/json\n", false},
		{"a letter that merely folds to s is no s", "application/j\u017fon", false},
		{"nor is it in a suffix", "application/ld+j\u017fon", false},
		{"a byte beyond ASCII makes it no JSON", "application/é+json", false},
		{"a NUL makes it no JSON", "application/\x00+json", false},
		{"a separator makes it no JSON", "application/a@b+json", false},
		{"braces are no token characters in HTTP", "application/{id}+json", false},
		{"all punctuation of a token is fine", "a!#$%&'*+-.^_`|~Z09/a!#$%&'*-.^_`|~Z09+json", true},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			if got := utils.IsJSONMediaType(c.contentType); got != c.want {
				t.Errorf("IsJSONMediaType(%q) = %v, want %v", c.contentType, got, c.want)
			}
			if allocs := testing.AllocsPerRun(100, func() { utils.IsJSONMediaType(c.contentType) }); allocs != 0 {
				t.Errorf("IsJSONMediaType(%q) allocates %v times, want 0", c.contentType, allocs)
			}
		})
	}
}

// FuzzIsJSONMediaType compares it with the standard library's parser.
func FuzzIsJSONMediaType(f *testing.F) {
	for _, seed := range []string{"application/json", " Application/LD+json ; a=b", "text/plain;x", "+json", "a/+json"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, contentType string) {
		mediaType, _, _ := strings.Cut(contentType, ";")
		if strings.Trim(mediaType, " \t") != strings.TrimSpace(mediaType) || strings.ToLower(mediaType) != lowerASCII(mediaType) {
			return // the standard library trims more than blanks and folds more than ASCII
		}
		if strings.ContainsAny(mediaType, "{}") {
			return // it has tokens of RFC 2045, which allows braces; HTTP's do not (the table has a case)
		}
		parsed, _, err := mime.ParseMediaType(mediaType)
		kind, subtype, _ := strings.Cut(parsed, "/")
		name, isSuffixed := strings.CutSuffix(subtype, "+json")
		want := err == nil && (parsed == "application/json" || kind != "" && isSuffixed && name != "")
		if got := utils.IsJSONMediaType(contentType); got != want {
			t.Errorf("IsJSONMediaType(%q) = %v, but its media type is %q (%v)", contentType, got, parsed, err)
		}
	})
}

func lowerASCII(s string) string {
	lower := []byte(s)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
}

func TestIsUTF8(t *testing.T) {
	cases := []struct {
		rule        string
		contentType string
		want        bool
	}{
		{"no parameter names no charset", "application/json", true},
		{"nothing names no charset", "", true},
		{"UTF-8 is UTF-8", "application/json; charset=utf-8", true},
		{"letter case makes no difference", "application/json;Charset=UTF-8", true},
		{"quotes make no difference", `application/json; charset="utf-8"`, true},
		{"utf8 is what people write", "application/json; charset=utf8", true},
		{"another parameter is no charset", "application/json; version=latin1", true},
		{"a charset in another parameter's value is none", `application/json; a="; charset=latin1"`, true},
		{"a malformed parameter names none", "application/json; charset", true},
		{"latin 1 is not UTF-8", "application/json; charset=iso-8859-1", false},
		{"behind another parameter neither", "application/json; a=b; charset=utf-16", false},
		{"ASCII is not UTF-8", "application/json; charset=us-ascii", false},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			if got := utils.IsUTF8(c.contentType); got != c.want {
				t.Errorf("IsUTF8(%q) = %v, want %v", c.contentType, got, c.want)
			}
		})
	}
	for _, usual := range []string{"application/json", "application/json; charset=utf-8"} {
		if allocs := testing.AllocsPerRun(100, func() { utils.IsUTF8(usual) }); allocs != 0 {
			t.Errorf("IsUTF8(%q) allocates %v times, want 0", usual, allocs)
		}
	}
}
