package utils

import "testing"

func TestInvalidJSONSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1}`:           "",
		`null`:              "",
		"{\n  \"é\": 1,\n}": "error at line 3, column 1",
		"\"é\" x":           "error at line 1, column 5",
		"[1,\n":             "it ends too early, at line 2, column 1",
		"":                  "it ends too early, at line 1, column 1",
	} {
		got := ""
		if err := InvalidJSON([]byte(text)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}
