package nearest

import (
	"strings"
	"testing"
)

func TestNearestName(t *testing.T) {
	names := []string{"topic", "topics", "key", "jsonkey"}
	cases := []struct {
		name, given string
		limit       int
		want        string
	}{
		{"a letter too many", "topicc", 3, "topic"},
		{"a letter missing", "jsnkey", 3, "jsonkey"},
		{"the name itself", "key", 3, "key"},
		{"letter case does not count", "TOPIC", 3, "topic"},
		{"as many edits as the limit are too many", "ke", 1, ""},
		{"nothing near", "partition", 3, ""},
		{"nothing given", "", 3, ""},
		{"longer than any name", strings.Repeat("k", 1<<20), 1 << 30, ""},
	}
	for _, c := range cases {
		if got := Name(c.given, names, c.limit); got != c.want {
			t.Errorf("%s: %q for %q, want %q", c.name, got, c.given, c.want)
		}
	}
}

func TestUnknownKeySaysWhichIsNearOrAllOfThem(t *testing.T) {
	keys := []string{"routes", "defaults"}
	for given, want := range map[string]string{
		"Default": `unknown key; did you mean "defaults"?`,
		"x":       `unknown key; the keys are "defaults", "routes"`,
	} {
		if got := UnknownKey(given, keys); got != want {
			t.Errorf("%s: %s", given, got)
		}
	}
}
