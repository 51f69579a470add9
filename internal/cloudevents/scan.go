package cloudevents

import (
	"iter"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions of this file read what utils.CompactJSON has accepted and compacted,
// and what is UTF-8; with anything else they may panic. They do not recurse.

// members calls f for each member of an object, name and value as they stand, until it
// returns an error.
func members(object []byte, f func(name, value []byte) *Error) *Error {
	for i := 1; object[i] != '}'; {
		if object[i] == ',' {
			i++
		}
		colon := valueEnd(object, i)
		end := valueEnd(object, colon+1)
		if failed := f(object[i:colon:colon], object[colon+1:end:end]); failed != nil {
			return failed
		}
		i = end
	}
	return nil
}

func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := 1; array[i] != ']'; {
			if array[i] == ',' {
				i++
			}
			end := valueEnd(array, i)
			if !yield(array[i:end:end]) {
				return
			}
			i = end
		}
	}
}

// valueEnd returns the index after the value, or the name, that begins at i.
func valueEnd(json []byte, i int) int {
	depth := 0
	for ; i < len(json); i++ {
		switch json[i] {
		case '"':
			if i = stringEnd(json, i); depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // of the container around a scalar
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

// stringEnd returns the index of the quote that closes the string that opens at i.
func stringEnd(json []byte, i int) int {
	for i++; json[i] != '"'; i++ {
		if json[i] == '\\' {
			i++
		}
	}
	return i
}

// unescape returns what a JSON string stands for: a part of raw when it has no escapes.
// what says why there is no such text. encoding/json would put U+FFFD in the place of
// half a surrogate pair.
func unescape(raw []byte) (text []byte, what string) {
	raw = raw[1 : len(raw)-1]
	i := 0
	for i < len(raw) && raw[i] != '\\' {
		i++
	}
	if i == len(raw) {
		return raw, ""
	}
	text = append(make([]byte, 0, len(raw)), raw[:i]...)
	for i < len(raw) {
		if raw[i] != '\\' {
			text = append(text, raw[i])
			i++
			continue
		}
		if raw[i+1] != 'u' {
			text = append(text, escapes[raw[i+1]])
			i += 2
			continue
		}
		r, length := escapedRune(raw[i:])
		if length == 0 {
			return nil, "it has half a surrogate pair"
		}
		text = utf8.AppendRune(text, r)
		i += length
	}
	return text, ""
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escapedRune reads \uXXXX, or two of them that are a surrogate pair, and returns how
// many bytes that took; 0: half a pair.
func escapedRune(s []byte) (r rune, length int) {
	r = codeUnit(s)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(s) < 12 || s[6] != '\\' || s[7] != 'u' {
		return 0, 0
	}
	r = utf16.DecodeRune(r, codeUnit(s[6:]))
	if r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

func codeUnit(s []byte) rune {
	var r rune
	for _, c := range s[2:6] {
		digit, _ := hexValue(c)
		r = r<<4 | rune(digit)
	}
	return r
}
