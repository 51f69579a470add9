// Package utils validates and compacts JSON request bodies, and tells from a media type which bodies are JSON.
//
// It is for the moment at which a request's body becomes the value of a record: [IsJSONMediaType] decides whether the
// body is to be treated as JSON, [CompactJSON] refuses what is not JSON and takes the insignificant white space out of
// what is. plugins/kafkaupstream, the plugin's core, calls both, once a request.
//
// It is not for decoding, querying or repairing JSON: numbers, escapes and duplicate names pass through as they came.
package utils

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"

	utf8asm "github.com/segmentio/asm/utf8"
)

// maxDepth is how deep arrays and objects may nest, the same as in encoding/json.
const maxDepth = 10_000

// CompactJSON returns src without insignificant white space: byte for byte what [encoding/json.Compact] gives, and an
// error exactly where that gives one and where a string is not UTF-8, as JSON has to be (RFC 8259, 8.1). It makes one pass, and
// a second for UTF-8 when src is not ASCII, does not recurse, and allocates only for a dst that is too small and for an error.
//
// When src has no insignificant white space, not even around the value, the result is src itself and dst is left
// alone. Otherwise the result is shorter than src and stands in dst's array from its first byte or, when cap(dst) <
// len(src), in a new array with room for len(src) bytes. The lengths tell the two apart, so that a caller keeps the
// buffer and never takes src for it:
//
//	out, err := utils.CompactJSON(buf, body)
//	if err == nil && len(out) < len(body) {
//		buf = out // which may have grown; the next call overwrites it
//	}
//
// src is never written to. dst may be nil and must not overlap src; it may be overwritten even when the
// result is an error.
//
// The error is always a [*SyntaxError], and the result then nil.
func CompactJSON(dst, src []byte) ([]byte, error) { return compact(dst, src, false) }

// CompactLooseJSON is CompactJSON for strings that may hold bytes of any encoding, which stay as they are: it gives an error
// exactly where [encoding/json.Compact] gives one.
func CompactLooseJSON(dst, src []byte) ([]byte, error) { return compact(dst, src, true) }

func compact(dst, src []byte, loose bool) ([]byte, error) {
	var (
		out   = output{dst: dst, loose: loose}
		open  nesting
		i     int
		wrong problem
	)
	for {
		if open.inObject() {
			if i, wrong = out.nameEnd(src, i); wrong != none {
				return nil, out.refusal(src, i, wrong)
			}
		}

		i = out.skipSpace(src, i)
		switch c := at(src, i); c {
		case '{', '[':
			if !open.push(c) {
				return nil, out.refusal(src, i, tooDeep)
			}
			if i = out.skipSpace(src, i+1); at(src, i) != open.closer() {
				continue
			}
		default:
			if i, wrong = out.scalarEnd(src, i, c); wrong != none {
				return nil, out.refusal(src, i, wrong)
			}
		}

		// A value is complete, or a container about to be: close what ends here, up to the comma before the next value.
		for i = out.skipSpace(src, i); open.depth > 0 && at(src, i) == open.closer(); i = out.skipSpace(src, i+1) {
			open.pop()
		}
		if open.depth == 0 {
			break
		}
		if at(src, i) != ',' {
			return nil, out.refusal(src, i, open.wantNext())
		}
		i++
	}
	if i < len(src) {
		return nil, out.refusal(src, i, wantEnd)
	}
	text := out.finish(src)
	if out.beyondASCII && !loose && !utf8asm.Valid(text) {
		return nil, out.refusal(src, i, none)
	}
	return text, nil
}

// output collects what CompactJSON keeps: the spans of src between runs of white space. It copies nothing before the
// first run.
type output struct {
	dst         []byte
	done        int // src[:done] has been copied to dst or skipped
	copies      bool
	loose       bool // strings may be what is not UTF-8
	beyondASCII bool // a string has bytes that are not ASCII
}

// skipSpace returns the index of the first byte from i on that is not white space.
func (o *output) skipSpace(src []byte, i int) int {
	if uint(i) < uint(len(src)) && src[i] <= ' ' {
		return o.skipRun(src, i)
	}
	return i
}

func (o *output) skipRun(src []byte, i int) int {
	end := spaceEnd(src, i)
	if end == i {
		return i
	}
	if !o.copies {
		o.copies = true
		if cap(o.dst) < len(src) {
			o.dst = make([]byte, 0, len(src))
		}
		o.dst = o.dst[:0]
	}
	o.dst = append(o.dst, src[o.done:i]...)
	o.done = end
	return end
}

func (o *output) finish(src []byte) []byte {
	if !o.copies {
		return src
	}
	return append(o.dst, src[o.done:]...)
}

// nesting knows of every open container whether it is an object, in one bit a level.
type nesting struct {
	depth int
	kinds uint64                // the innermost level in bit 0; 1 is an object; up to 64 levels
	outer [maxDepth / 64]uint64 // the levels around those, 64 to a word, the outermost first
}

// push opens the container that begins with c, and reports whether there was room for it.
func (n *nesting) push(c byte) bool {
	if n.depth == maxDepth {
		return false
	}
	if n.depth > 0 && n.depth%64 == 0 {
		n.outer[n.depth/64-1] = n.kinds
	}
	n.kinds <<= 1
	if c == '{' {
		n.kinds |= 1
	}
	n.depth++
	return true
}

func (n *nesting) pop() {
	n.kinds >>= 1
	n.depth--
	if n.depth > 0 && n.depth%64 == 0 {
		n.kinds = n.outer[n.depth/64-1]
	}
}

func (n *nesting) inObject() bool { return n.kinds&1 != 0 }

// closer returns the byte that ends the innermost container.
func (n *nesting) closer() byte {
	if n.inObject() {
		return '}'
	}
	return ']'
}

func (n *nesting) wantNext() problem {
	if n.inObject() {
		return wantMember
	}
	return wantElement
}

// Each of the functions below takes an index and returns the one after the thing it is named after or, with a
// problem, that of the byte that is wrong.

// nameEnd is for the name of a member, from the white space before it to the colon after it.
func (o *output) nameEnd(src []byte, i int) (int, problem) {
	if i = o.skipSpace(src, i); at(src, i) != '"' {
		return i, wantName
	}
	i, wrong := o.stringEnd(src, i+1)
	if wrong != none {
		return i, wrong
	}
	if i = o.skipSpace(src, i); at(src, i) != ':' {
		return i, wantColon
	}
	return i + 1, none
}

// scalarEnd is for a value that is no container; c is its first byte.
func (o *output) scalarEnd(src []byte, i int, c byte) (int, problem) {
	switch c {
	case '"':
		return o.stringEnd(src, i+1)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return numberEnd(src, i)
	case 't':
		return literalEnd(src, i, "true", wantTrue)
	case 'f':
		return literalEnd(src, i, "false", wantFalse)
	case 'n':
		return literalEnd(src, i, "null", wantNull)
	}
	return i, wantValue
}

// Strings, digits and white space are read a word of 8 bytes at a time. Each test of a word leaves, in its lowest
// bits that are set, the first byte that ends the run; what it leaves above that byte may be wrong and is not looked at.
const (
	wordSize = 8
	ones     = 0x0101010101010101 // times a byte: that byte in all 8 places
	highBits = 0x80 * ones
)

func firstByte(stop uint64) int { return bits.TrailingZeros64(stop) / 8 }

// stringEnd is for a string; src[i] is the byte after its opening quote.
func (o *output) stringEnd(src []byte, i int) (int, problem) {
	for {
		if o.beyondASCII {
			i = textEnd(src, i)
		} else {
			i = asciiEnd(src, i)
		}
		switch c := at(src, i); {
		case c == '"':
			return i + 1, none
		case c == '\\':
			var wrong problem
			if i, wrong = escapeEnd(src, i+1); wrong != none {
				return i, wrong
			}
		case i == len(src):
			return i, wantQuote
		case c < ' ':
			return i, rawControl
		default:
			o.beyondASCII = o.beyondASCII || c >= utf8.RuneSelf
			i++
		}
	}
}

// asciiEnd is for the words of a string that are ASCII, up to a special byte.
func asciiEnd(src []byte, i int) int {
	for ; i+wordSize <= len(src); i += wordSize {
		w := binary.LittleEndian.Uint64(src[i:])
		if stop := (special(w) | w) & highBits; stop != 0 {
			return i + firstByte(stop)
		}
	}
	return i
}

// textEnd is for all words of a string, up to a special byte. Whether they are UTF-8 is checked at the end, for all strings at
// once: character by character it took up to five times as long as all else.
func textEnd(src []byte, i int) int {
	for ; i+wordSize <= len(src); i += wordSize {
		w := binary.LittleEndian.Uint64(src[i:])
		if stop := special(w) &^ w & highBits; stop != 0 {
			return i + firstByte(stop)
		}
	}
	return i
}

// special marks, in the high bits, the bytes of ASCII that do not stand for themselves in a string.
func special(w uint64) uint64 {
	control := (w ^ 2*ones) - 0x21*ones // c^2 < 0x21 is true of the control characters and of the quote
	backslash := (w ^ '\\'*ones) - ones
	return control | backslash
}

// escapeEnd is for an escape sequence; src[i] is the byte after its backslash.
func escapeEnd(src []byte, i int) (int, problem) {
	switch at(src, i) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, none
	case 'u':
		for range 4 {
			if i++; !isHex(at(src, i)) {
				return i, wantHex
			}
		}
		return i + 1, none
	}
	return i, wantEscape
}

// numberEnd is for a number; src[i] is its minus or first digit.
func numberEnd(src []byte, i int) (int, problem) {
	if at(src, i) == '-' {
		i++
	}
	switch c := at(src, i); {
	case c == '0':
		i++
	case isDigit(c):
		i = digitsEnd(src, i)
	default:
		return i, wantDigit
	}
	if at(src, i) == '.' {
		if i++; !isDigit(at(src, i)) {
			return i, wantDigit
		}
		i = digitsEnd(src, i)
	}
	if c := at(src, i); c == 'e' || c == 'E' {
		i++
		if c := at(src, i); c == '+' || c == '-' {
			i++
		}
		if !isDigit(at(src, i)) {
			return i, wantDigit
		}
		i = digitsEnd(src, i)
	}
	return i, none
}

func digitsEnd(src []byte, i int) int {
	for ; i+wordSize <= len(src); i += wordSize {
		w := binary.LittleEndian.Uint64(src[i:]) ^ '0'*ones // a digit becomes its value
		if stop := (w | (w + (0x80-10)*ones)) & highBits; stop != 0 {
			return i + firstByte(stop)
		}
	}
	for isDigit(at(src, i)) {
		i++
	}
	return i
}

// literalEnd is for a literal; otherwise is the problem when src has another word.
func literalEnd(src []byte, i int, literal string, otherwise problem) (int, problem) {
	if end := i + len(literal); end <= len(src) && string(src[i:end]) == literal {
		return end, none
	}
	for j := 0; at(src, i) == literal[j]; j++ {
		i++
	}
	return i, otherwise
}

func spaceEnd(src []byte, i int) int {
	const space = 1<<' ' | 1<<'\t' | 1<<'\n' | 1<<'\r'
	for i < len(src) {
		if i+wordSize <= len(src) { // indentation
			w := binary.LittleEndian.Uint64(src[i:]) ^ ' '*ones
			if w == 0 {
				i += wordSize
				continue
			}
			i += firstByte(w)
		}
		if c := src[i]; c > ' ' || uint64(1)<<c&space == 0 {
			break
		}
		i++
	}
	return i
}

// at returns src[i] or, past the end, 0, which JSON has no place for. (Unsigned, i needs no second bounds check.)
func at(src []byte, i int) byte {
	if uint(i) < uint(len(src)) {
		return src[i]
	}
	return 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// A SyntaxError says where and why [CompactJSON] refused its input. It holds at most one byte of that input.
type SyntaxError struct {
	// Offset is the index of the first byte that cannot be part of any acceptable input, or the length of the input when
	// that ended too early; of bytes that are not UTF-8, it is where the character would begin.
	// [encoding/json.SyntaxError.Offset] counts the bytes read instead: it is one more than this, except at the end of
	// the input, where it is the same.
	Offset int

	problem problem
	found   byte
	atEnd   bool
	mark    bool // a byte order mark is what was found
}

// Error names the byte, its offset and what was expected there.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.reason(e.foundText()))
}

// reason says what is wrong. An empty text keeps what was found out of it.
func (e *SyntaxError) reason(found string) string {
	switch {
	case e.problem == tooDeep:
		return fmt.Sprintf("more than %d arrays and objects inside one another", maxDepth)
	case found == "":
		return "expected " + expected[e.problem]
	}
	return fmt.Sprintf("found %s, expected %s", found, expected[e.problem])
}

func (e *SyntaxError) foundText() string {
	switch {
	case e.atEnd:
		return "the end of the input"
	case e.mark:
		return "a byte order mark"
	case e.found < 0x80:
		return strconv.QuoteRune(rune(e.found))
	}
	return fmt.Sprintf("the byte %#x", e.found)
}

// refusal is for the problem at src[i], or for what is not UTF-8 before it.
func (o *output) refusal(src []byte, i int, why problem) *SyntaxError {
	if !o.loose && !utf8.Valid(src[:i]) {
		i, why = firstNotUTF8(src), notUTF8
	}
	return &SyntaxError{Offset: i, problem: why, found: at(src, i), atEnd: i == len(src), mark: i == 0 && marked(src)}
}

// firstNotUTF8 returns where the first character that is none begins.
func firstNotUTF8(text []byte) int {
	for i := 0; ; {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
}

// marked reports whether src begins with a byte order mark, of UTF-8 or of UTF-16, which JSON must not have (RFC 8259, 8.1).
func marked(src []byte) bool {
	return bytes.HasPrefix(src, []byte("\xef\xbb\xbf")) || bytes.HasPrefix(src, []byte("\xff\xfe")) || bytes.HasPrefix(src, []byte("\xfe\xff"))
}

// problem is a way not to be JSON.
type problem uint8

const (
	none problem = iota
	tooDeep
	wantValue
	wantEnd
	wantName
	wantColon
	wantMember
	wantElement
	wantQuote
	rawControl
	notUTF8
	wantEscape
	wantHex
	wantDigit
	wantTrue
	wantFalse
	wantNull
)

var expected = [...]string{
	wantValue:   "a value",
	wantEnd:     "nothing after the value",
	wantName:    "the name of a member, in double quotes",
	wantColon:   "a colon",
	wantMember:  "a comma or '}'",
	wantElement: "a comma or ']'",
	wantQuote:   "the closing quote of a string",
	rawControl:  "a string without unescaped control characters",
	notUTF8:     "UTF-8",
	wantEscape:  `one of " \ / b f n r t u after the backslash`,
	wantHex:     `four hexadecimal digits after \u`,
	wantDigit:   "a digit",
	wantTrue:    "true",
	wantFalse:   "false",
	wantNull:    "null",
}
