package idempotency

import (
	"errors"
	"strings"
	"testing"
)

func TestParseKey(t *testing.T) {
	long := strings.Repeat("k", MaxKeyLen)
	tests := []struct{ name, header, key, err string }{
		{"a string, as the draft has it", `"8e03978e-40d5-43dd-bc93-6894a57f9324"`, "8e03978e-40d5-43dd-bc93-6894a57f9324", ""},
		{"the same key without quotes", "8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324", ""},
		{"blanks around it", " \t\"a\" ", "a", ""},
		{"escapes", `"a\"b\\c"`, `a"b\c`, ""},
		{"blanks, commas and semicolons in quotes", `"a, b; c"`, "a, b; c", ""},
		{"the longest", long, long, ""},
		{"the longest in quotes", `"` + long + `"`, long, ""},
		{"longer", long + "k", "", "the key has 256 characters, the limit is 255"},
		{"none", "", "", "the key is empty"},
		{"an empty string", `""`, "", "the key is empty"},
		{"a string without an end", `"a`, "", "the quoted string does not end"},
		{"a quote alone", `"`, "", "the quoted string does not end"},
		{"a parameter", `"a";b=1`, "", "something follows the quoted string; it is a string only, without parameters"},
		{"two strings", `"a", "b"`, "", "something follows the quoted string; it is a string only, without parameters"},
		{"an escape that is none", `"\n"`, "", "a backslash comes before a quote or a backslash only"},
		{"a backslash at the end", `"a\`, "", "a backslash comes before a quote or a backslash only"},
		{"a control character", "a\x01", "", "character 2 is not printable ASCII"},
		{"a byte beyond ASCII in quotes", `"aé"`, "", "character 3 is not printable ASCII"},
		{"two keys", "a,b", "", "character 2, ',', needs a quoted string around it"},
		{"a blank", "a b", "", "character 2, ' ', needs a quoted string around it"},
		{"a quote", `a"`, "", `character 2, '"', needs a quoted string around it`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key, err := ParseKey(tt.header)
			if key != tt.key {
				t.Errorf("key %q, want %q", key, tt.key)
			}
			if tt.err == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, ErrInvalidKey) || err.Error() != "header idempotency-key: "+tt.err {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestFingerprintsTellPartsApart(t *testing.T) {
	seen := map[[32]byte]string{}
	for _, parts := range []string{"", "|", "a", "a|b", "ab|", "|ab", "a|b|", "b|a"} {
		var p [][]byte
		for part := range strings.SplitSeq(parts, "|") {
			p = append(p, []byte(part))
		}
		f := FingerprintOf(p...)
		if other, ok := seen[f]; ok {
			t.Errorf("%q and %q have the same fingerprint", parts, other)
		}
		seen[f] = parts
		if f != FingerprintOf(p...) {
			t.Errorf("%q has two fingerprints", parts)
		}
	}
}
