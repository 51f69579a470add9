package nginxuri

import (
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
)

// The file has targets of requests, and "$uri?$args" of nginx, or 400; test/serve holds it against nginx itself.
func TestPathAndQueryAreThoseOfNginx(t *testing.T) {
	text, err := os.ReadFile("testdata/targets.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		target, want, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		got := "400"
		if u, err := url.ParseRequestURI(target); err == nil && Clean(u) {
			got = u.Path + "?" + u.RawQuery
		}
		if got != want {
			t.Errorf("%s: %s instead of %s", target, got, want)
		}
	}
}

func TestArgumentsAreThoseOfOpenResty(t *testing.T) {
	for query, want := range map[string][]Argument{
		"":                    nil,
		"&&=x&=":              nil,
		"a=1;b=2":             {{"a", "1;b=2", false}},
		"a=1&a=2&b":           {{"a", "1", false}, {"a", "2", false}, {"b", "", true}},
		"x=100%&y=%zz&z=%4":   {{"x", "100%", false}, {"y", "%zz", false}, {"z", "%4", false}},
		"a+b=%41+%2b%ff&c%3D": {{"a b", "A +\xff", false}, {"c=", "", true}},
		"a=b=c&d=":            {{"a", "b=c", false}, {"d", "", false}},
		"%%41=%41%":           {{"%A", "A%", false}},
		"%aF=%Fa":             {{"\xaf", "\xfa", false}},
	} {
		if got := slices.Collect(Arguments(query)); !slices.Equal(got, want) {
			t.Errorf("%s: %#v instead of %#v", query, got, want)
		}
	}
	if n := len(slices.Collect(Arguments(strings.Repeat("a&", 20000)))); n != 20000 {
		t.Error(n)
	}
}
