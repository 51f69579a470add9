package record

import (
	"strings"
	"testing"
)

func TestKindHasAName(t *testing.T) {
	seen := map[string]bool{}
	for kind := range Kinds {
		name := kind.String()
		if name == "" || seen[name] || strings.ToLower(name) != name {
			t.Errorf("kind %d is called %q", kind, name)
		}
		seen[name] = true
	}
	if KindInternal+1 != Kinds {
		t.Error("a kind has no name")
	}
}
