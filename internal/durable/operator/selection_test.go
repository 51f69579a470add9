package operator

import (
	"strings"
	"testing"
)

func TestNameMeansTheStreamThatBeginsWithIt(t *testing.T) {
	const one, two, three = "0a3f0a3f0a3f0a3f0a3f", "0a400a400a400a400a40", "bbbbbbbbbbbbbbbbbbbb"
	all := []string{one, one + "-s", one + "-t", one + "-t-s", two + "-t", three + "-s", three + "-t"}
	for name, want := range map[string]string{
		"0a3": one, one: one, "0a3-t": one + "-t", one + "-t": one + "-t", "0a3-s": one + "-s", "0a3-t-s": one + "-t-s",
		"0a4": two + "-t", "0a-t": "several", "0a": "several", "b": "several", "b-s": three + "-s",
		"": "no", "c": "no", "0a4-s": "no", one + "-x": "no", "-t": "no",
	} {
		id, err := meant(all, name)
		switch {
		case err == nil && id == want:
		case err != nil && strings.Contains(err.Error(), map[string]string{"several": "is the beginning of several streams", "no": "there is no stream"}[want]):
		default:
			t.Errorf("%q: %q, %v; want %s", name, id, err, want)
		}
	}
}
