package jsonvalue

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppendQuotedEscapesWhatHasToBe(t *testing.T) {
	for text, want := range map[string]string{
		"":                     `""`,
		"plain é 日 \U0001d11e": "\"plain é 日 \U0001d11e\"",
		"a\"b\\c":              `"a\"b\\c"`,
		"\n\r\t":               `"\n\r\t"`,
		"\x00\x1f\x7f":         "\"\\u0000\\u001f\x7f\"",
		"<a href='x'>&":        `"<a href='x'>&"`,
	} {
		if got := string(AppendQuoted(nil, text)); got != want || QuotedLen(text) != len(want) {
			t.Errorf("%q: got %s of %d bytes, want %s", text, got, QuotedLen(text), want)
		}
	}
}

// FuzzAppendQuoted reads back what was written.
func FuzzAppendQuoted(f *testing.F) {
	f.Add("a\"\\\x00<é")
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, string(utf8.RuneError))
		quoted := AppendQuoted([]byte("x"), []byte(text))[1:]
		var again string
		if err := json.Unmarshal(quoted, &again); err != nil || again != text || QuotedLen(text) != len(quoted) {
			t.Errorf("%q became %s, %q, %v", text, quoted, again, err)
		}
	})
}
