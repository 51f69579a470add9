package jsonvalue

import (
	"encoding/json"
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
		"\u2028\ufffd\ufeff":   "\"\u2028\ufffd\ufeff\"",
		"a\xffb\xe6\x97":       "\"a\ufffdb\ufffd\ufffd\"",
		"\xed\xa0\x80\xc0\x80": "\"\ufffd\ufffd\ufffd\ufffd\ufffd\"",
	} {
		if got := string(AppendQuoted(nil, text)); got != want || QuotedLen(text) != len(want) {
			t.Errorf("%q: got %s of %d bytes, want %s", text, got, QuotedLen(text), want)
		}
		if got := string(AppendQuoted(nil, []byte(text))); got != want || QuotedLen([]byte(text)) != len(want) {
			t.Errorf("%q as bytes: got %s, want %s", text, got, want)
		}
	}
}

// FuzzAppendQuoted decodes what AppendQuoted has written. For text that is not UTF-8, encoding/json says what it must be.
func FuzzAppendQuoted(f *testing.F) {
	f.Add("a\"\\\x00<é\xff")
	f.Fuzz(func(t *testing.T, text string) {
		quoted := AppendQuoted([]byte("x"), []byte(text))[1:]
		standard, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var again, want string
		if err := json.Unmarshal(standard, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(quoted, &again); err != nil || again != want || QuotedLen(text) != len(quoted) || !utf8.Valid(quoted) {
			t.Errorf("%q became %s, %q, %v", text, quoted, again, err)
		}
	})
}
