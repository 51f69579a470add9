package extplugin

import (
	"strings"
	"testing"
)

func TestRouteIsNamedByItsID(t *testing.T) {
	for key, want := range map[string]string{
		"route#orders#ext-plugin-post-req#1234":               "orders",
		"route#r.1_a-b#ext-plugin-post-req#1234":              "r.1_a-b",
		"route&consumer#orders&jack#ext-plugin-post-req#12&5": "orders",
		"route&service#orders&s1#ext-plugin-post-req#12&5":    "orders",
		"global_rule#1#ext-plugin-pre-req#1234":               "global_rule#1",
		"of another gateway":                                  "of another gateway",
		strings.Repeat("long", 1000):                          strings.Repeat("long", 16),
		"":                                                    "",
	} {
		if got := routeOf(key); got != want {
			t.Errorf("%q: got %q", key, got)
		}
	}
}
