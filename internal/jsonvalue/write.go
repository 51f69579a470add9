package jsonvalue

import "unicode/utf8"

// QuotedLen is how long a text is as a JSON string, in bytes.
func QuotedLen[T string | []byte](text T) int {
	n := len(text) + 2
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"', c == '\\', c == '\n', c == '\r', c == '\t':
			n++
		case c < ' ':
			n += len(`\u0000`) - 1
		case c >= utf8.RuneSelf:
			size, valid := runeAt(text, i)
			if i += size - 1; !valid {
				n += len(replacement) - size
			}
		}
	}
	return n
}

// replacement is what a byte that is not UTF-8 becomes, as in encoding/json.
const replacement = string(utf8.RuneError)

// AppendQuoted appends a text as a JSON string. It escapes what has to be escaped (RFC 8259, 7) and nothing else: encoding/json
// makes six bytes of each "<" for browsers, which do not take application/json for a page.
func AppendQuoted[T string | []byte](dst []byte, text T) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0 // what is before it has been written
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			continue
		}
		if c >= utf8.RuneSelf {
			size, valid := runeAt(text, i)
			if !valid {
				dst = append(append(dst, text[from:i]...), replacement...)
				from = i + size
			}
			i += size - 1
			continue
		}
		dst = append(dst, text[from:i]...)
		from = i + 1
		switch c {
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '"', '\\':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(append(dst, text[from:]...), '"')
}

// runeAt returns the length of the character that begins at i, and false with 1 where none does.
func runeAt[T string | []byte](text T, i int) (size int, valid bool) {
	r, size := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
	return size, r != utf8.RuneError || size > 1
}
