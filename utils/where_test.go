package utils

import "testing"

func TestInvalidJSONSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1}`:           "",
		`null`:              "",
		"{\n  \"é\": 1,\n}": "error at line 3, column 1: found '}', expected the name of a member, in double quotes; the comma before it is one too many",
		"[1, 2 , ]":         "error at line 1, column 9: found ']', expected a value; the comma before it is one too many",
		"{'a': 1}":          `error at line 1, column 2: found '\'', expected the name of a member, in double quotes`,
		`{"a": 'b'}`:        `error at line 1, column 7: found '\'', expected a value; texts are in double quotes`,
		`{"a": }`:           "error at line 1, column 7: expected a value",
		`{"a": "b"c"}`:      "error at line 1, column 10: expected a comma or '}'",
		`{"a": hush}`:       "error at line 1, column 7: expected a value",
		"\"\xff\"":          "",
		"\"é\" x":           "error at line 1, column 5: expected nothing after the value",
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
