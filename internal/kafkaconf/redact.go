package kafkaconf

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const redacted = "[redacted]"

// wordBytes is the length from which a secret is taken out wherever it stands.
const wordBytes = 4

// Redactor returns a function that takes the properties' secrets out of a text. A secret of fewer than wordBytes is taken out only
// where it is a word: to take a letter out of each word around it spoils the text, and says which letter it is.
func Redactor(props Properties) func(string) string {
	var values []string
	for name, value := range props {
		if value != "" {
			values = append(values, secretsIn(name, value)...)
		}
	}
	// The longest first: where one secret begins another, nothing of either stays.
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	return func(text string) string {
		var b strings.Builder
		for i := 0; i < len(text); {
			n := slices.IndexFunc(values, func(secret string) bool {
				return secret != "" && strings.HasPrefix(text[i:], secret) && (len(secret) >= wordBytes || isWord(text, i, i+len(secret)))
			})
			if n < 0 {
				b.WriteByte(text[i])
				i++
				continue
			}
			b.WriteString(redacted)
			i += len(values[n])
		}
		return b.String()
	}
}

// isWord reports whether what is from begin to end of a text is no part of a longer word.
func isWord(text string, begin, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:begin])
	first, _ := utf8.DecodeRuneInString(text[begin:])
	last, _ := utf8.DecodeLastRuneInString(text[:end])
	after, _ := utf8.DecodeRuneInString(text[end:])
	return !(inWord(before) && inWord(first)) && !(inWord(last) && inWord(after))
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
