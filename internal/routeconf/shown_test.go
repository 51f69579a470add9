package routeconf

import (
	"slices"
	"testing"
)

// A new key is shown or hidden by a decision, and not by chance.
func TestEachKeyIsShownOrHidden(t *testing.T) {
	for key := range configKeys {
		if slices.Contains(ShownKeys, key) == slices.Contains(HiddenKeys, key) {
			t.Errorf("%s is in both lists or in none", key)
		}
	}
	if listed := len(ShownKeys) + len(HiddenKeys); listed != len(configKeys) {
		t.Errorf("%d keys are listed, and there are %d", listed, len(configKeys))
	}
}
