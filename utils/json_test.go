package utils_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kafkaupstream/kafkaupstream/utils"
)

var accepted = []struct {
	rule, src, want string
}{
	{"an empty object stays", `{}`, `{}`},
	{"an empty array stays", `[]`, `[]`},
	{"a string may stand alone", `"a"`, `"a"`},
	{"an empty string may stand alone", `""`, `""`},
	{"a number may stand alone", `0`, `0`},
	{"true may stand alone", `true`, `true`},
	{"false may stand alone", `false`, `false`},
	{"null may stand alone", `null`, `null`},
	{"compact JSON stays", `{"a":[1,{"b":null}],"c":"d"}`, `{"a":[1,{"b":null}],"c":"d"}`},

	{"all four kinds of white space go", " \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n", `[1,2]`},
	{"white space around a value goes", " 1 ", `1`},
	{"white space before a value goes", "\n\"a\"", `"a"`},
	{"white space behind a value goes", "true\n", `true`},
	{"white space in empty containers goes", "[{ },\n[\t]]", `[{},[]]`},
	{"white space around names, colons and commas goes", `{ "a" : 1 , "b" : 2 }`, `{"a":1,"b":2}`},
	{"white space in strings stays", `{ "a b" : " c  d " }`, `{"a b":" c  d "}`},
	{"long indentation goes", "[\n" + strings.Repeat(" ", 29) + "1\n" + strings.Repeat("\t", 29) + "]", `[1]`},

	{"numbers stay as they are written", `[-0, 1E+00, 0.10, 123456789012345678901234567890.5e-7]`,
		`[-0,1E+00,0.10,123456789012345678901234567890.5e-7]`},
	{"numbers beyond any type stay", ` 1e999999`, `1e999999`},
	{"escapes stay as they are written", ` "\"\\\/\b\f\n\r\t\u00e9\u00E9\ud800"`, `"\"\\\/\b\f\n\r\t\u00e9\u00E9\ud800"`},
	{"what HTML and JavaScript escape stays", " \"<>&\u2028\u2029\"", "\"<>&\u2028\u2029\""},
	{"DEL and what is beyond ASCII stays", " \"\x7fé東👋\"", "\"\x7fé東👋\""},
	{"the first and the last character of every length stay", " \"\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff\"", "\"\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff\""},
	{"a byte order mark in a string stays", "\"\ufeff\"", "\"\ufeff\""},
	{"duplicate and empty names stay", `{"":1, "":2}`, `{"":1,"":2}`},
}

var refused = []struct {
	rule, src, want string
}{
	{"nothing is not JSON", ``, "0: found the end of the input, expected a value"},
	{"white space is not JSON", " \n\t\r", "4: found the end of the input, expected a value"},
	{"other white space is not JSON's", "\v1", `0: found '\v', expected a value`},
	{"a NUL is not white space", "1\x00", `1: found '\x00', expected nothing after the value`},
	{"a no-break space is not white space", "\u00a01", "0: found the byte 0xc2, expected a value"},
	{"a byte order mark is not white space", "\ufeff{}", "0: found a byte order mark, expected a value"},
	{"a byte order mark of UTF-16 is none either", "\xff\xfe{\x00}\x00", "0: found a byte order mark, expected a value"},
	{"a byte order mark of UTF-16, big-endian, is none either", "\xfe\xff\x00{\x00}", "0: found a byte order mark, expected a value"},
	{"a byte order mark stands at the beginning only", "1\ufeff", "1: found the byte 0xef, expected nothing after the value"},
	{"a word must be a literal", `hunter2`, "0: found 'h', expected a value"},
	{"a comment is no value", `[1, /* two */ 2]`, "4: found '/', expected a value"},
	{"single quotes make no string", `'a'`, `0: found '\'', expected a value`},
	{"two values are one too many", `{} {}`, "3: found '{', expected nothing after the value"},
	{"a number must end before another value", `1"a"`, `1: found '"', expected nothing after the value`},
	{"a value must not be followed by a closing bracket", `1]`, "1: found ']', expected nothing after the value"},
	{"a closing bracket must not come first", `]`, "0: found ']', expected a value"},

	{"an array must be closed", `[1`, "2: found the end of the input, expected a comma or ']'"},
	{"an array must not end in a comma", `[1,]`, "3: found ']', expected a value"},
	{"an array must not begin with a comma", `[,1]`, "1: found ',', expected a value"},
	{"an array must have commas", `[1 2]`, "3: found '2', expected a comma or ']'"},
	{"an array must not have names", `["a":1]`, "4: found ':', expected a comma or ']'"},
	{"an array must not end as an object", `[1}`, "2: found '}', expected a comma or ']'"},
	{"an empty array must not end as an object", `[}`, "1: found '}', expected a value"},
	{"an opened array must go on", `[`, "1: found the end of the input, expected a value"},

	{"an object must be closed", `{"a":1`, "6: found the end of the input, expected a comma or '}'"},
	{"an object must not end in a comma", `{"a":1,}`, "7: found '}', expected the name of a member, in double quotes"},
	{"an object must not begin with a comma", `{,}`, "1: found ',', expected the name of a member, in double quotes"},
	{"an object must have commas", `{"a":1 "b":2}`, `7: found '"', expected a comma or '}'`},
	{"an object must not end as an array", `{"a":1]`, "6: found ']', expected a comma or '}'"},
	{"an empty object must not end as an array", `{]`, "1: found ']', expected the name of a member, in double quotes"},
	{"an opened object must go on", ` { `, "3: found the end of the input, expected the name of a member, in double quotes"},
	{"a name must be a string", `{a:1}`, "1: found 'a', expected the name of a member, in double quotes"},
	{"a name must be whole", `{"a`, "3: found the end of the input, expected the closing quote of a string"},
	{"a name must have a colon", `{"a"}`, "4: found '}', expected a colon"},
	{"a name must have a value", `{"a":}`, "5: found '}', expected a value"},
	{"the outer object goes on after an inner array", `{"a":[1],2}`, "9: found '2', expected the name of a member, in double quotes"},
	{"the outer array goes on after an inner object", `[{"a":1},"b":2]`, "12: found ':', expected a comma or ']'"},

	{"a string must be closed", `"hunter2`, "8: found the end of the input, expected the closing quote of a string"},
	{"an empty string must be closed", `"`, "1: found the end of the input, expected the closing quote of a string"},
	{"an escaped quote closes no string", `"\"`, "3: found the end of the input, expected the closing quote of a string"},
	{"a line break must be escaped", "\"a\nb\"", `2: found '\n', expected a string without unescaped control characters`},
	{"a tab must be escaped, far into a string too", `"0123456789` + "\t" + `0123456789"`,
		`11: found '\t', expected a string without unescaped control characters`},
	{"a NUL must be escaped", "[\"\x00\"]", `2: found '\x00', expected a string without unescaped control characters`},
	{"a string must be UTF-8 and not ISO 8859-1", "{\"a\":\"\xe9\"}", "6: found the byte 0xe9, expected UTF-8"},
	{"a name must be UTF-8", "{\"a\xff\":1}", "3: found the byte 0xff, expected UTF-8"},
	{"a character must be whole", "\"\xe2\x82", "1: found the byte 0xe2, expected UTF-8"},
	{"a character must be whole before the quote", "\"0123\xf0\x9f\x91\"", "5: found the byte 0xf0, expected UTF-8"},
	{"a character must be whole before an escape", "\"\xc3\\n\"", "1: found the byte 0xc3, expected UTF-8"},
	{"a character must have its first byte", "\"abc\x80\"", "4: found the byte 0x80, expected UTF-8"},
	{"a surrogate is no character", "\"é\xed\xa0\x80\"", "3: found the byte 0xed, expected UTF-8"},
	{"a character has one form", "\"\xc0\x80\"", "1: found the byte 0xc0, expected UTF-8"},
	{"a character has one form of three bytes", "\"\xe0\x9f\xbf\"", "1: found the byte 0xe0, expected UTF-8"},
	{"a character has one form of four bytes", "\"\xf0\x8f\xbf\xbf\"", "1: found the byte 0xf0, expected UTF-8"},
	{"the last character is U+10FFFF", "\"\xf4\x90\x80\x80\"", "1: found the byte 0xf4, expected UTF-8"},
	{"what comes first is reported first", "[\"\xe9\",]", "2: found the byte 0xe9, expected UTF-8"},

	{"an escape must be one of JSON's", `"\a"`, `2: found 'a', expected one of " \ / b f n r t u after the backslash`},
	{"an escape must have a character", `"\`, `2: found the end of the input, expected one of " \ / b f n r t u after the backslash`},
	{"a control character is no escape", "\"\\\n\"", `2: found '\n', expected one of " \ / b f n r t u after the backslash`},
	{"an escape by number must be hexadecimal", `"\u12g4"`, `5: found 'g', expected four hexadecimal digits after \u`},
	{"an escape by number must have four digits", `"\u123"`, `6: found '"', expected four hexadecimal digits after \u`},
	{"an escape by number must be whole", `"\u123`, `6: found the end of the input, expected four hexadecimal digits after \u`},

	{"a number must not begin with a plus", `+1`, "0: found '+', expected a value"},
	{"a number must not begin with a dot", `.5`, "0: found '.', expected a value"},
	{"a number must not begin with 0", `01`, "1: found '1', expected nothing after the value"},
	{"a negative number must not begin with 0", `[-01]`, "3: found '1', expected a comma or ']'"},
	{"a minus must have digits", `-`, "1: found the end of the input, expected a digit"},
	{"a minus must have digits right behind it", `- 1`, "1: found ' ', expected a digit"},
	{"a dot must have digits", `1.`, "2: found the end of the input, expected a digit"},
	{"a dot must have digits right behind it", `[1.]`, "3: found ']', expected a digit"},
	{"an exponent must have digits", `1e`, "2: found the end of the input, expected a digit"},
	{"a signed exponent must have digits", `1E+]`, "3: found ']', expected a digit"},
	{"an exponent must be whole", `1e1.5`, "3: found '.', expected nothing after the value"},
	{"a number must be decimal", `0x1`, "1: found 'x', expected nothing after the value"},
	{"digits must be ASCII's", "1234\xc4567890", "4: found the byte 0xc4, expected nothing after the value"},

	{"true must be whole", `tru`, "3: found the end of the input, expected true"},
	{"true must be spelt so", `[tRue]`, "2: found 'R', expected true"},
	{"false must be whole", `fals `, "4: found ' ', expected false"},
	{"null must be whole", `[nul]`, "4: found ']', expected null"},
	{"a literal must end", `nulll`, "4: found 'l', expected nothing after the value"},
}

func TestCompactJSONAccepts(t *testing.T) {
	for _, c := range accepted {
		t.Run(c.rule, func(t *testing.T) {
			got, err := utils.CompactJSON(nil, []byte(c.src))
			if err != nil || string(got) != c.want {
				t.Errorf("CompactJSON(%q) = %q, %v; want %q", c.src, got, err, c.want)
			}
			compareWithEncodingJSON(t, []byte(c.src), nil)
		})
	}
}

func TestCompactJSONRefuses(t *testing.T) {
	for _, c := range refused {
		t.Run(c.rule, func(t *testing.T) {
			want := "invalid JSON at byte " + c.want
			if got, err := utils.CompactJSON(nil, []byte(c.src)); err == nil || err.Error() != want {
				t.Errorf("CompactJSON(%q) = %q, %v\nwant the error %s", c.src, got, err, want)
			}
			compareWithEncodingJSON(t, []byte(c.src), nil)
		})
	}
}

// compareWithEncodingJSON holds all that CompactJSON and CompactLooseJSON promise for src and dst against encoding/json and
// unicode/utf8.
func compareWithEncodingJSON(t *testing.T, src, dst []byte) {
	t.Helper()
	before := bytes.Clone(src)
	var want bytes.Buffer
	wantErr := json.Compact(&want, src)
	got, err := utils.CompactJSON(dst, src)
	if at := firstNotUTF8(src); wantErr == nil && at < len(src) {
		var syntaxError *utils.SyntaxError
		if got != nil || !errors.As(err, &syntaxError) || syntaxError.Offset != at {
			t.Fatalf("CompactJSON(%q) = %q, %v; want an error at byte %d, which is not UTF-8", src, got, err, at)
		}
	} else {
		compareResults(t, src, dst, got, err, want.Bytes(), wantErr, at)
	}
	got, err = utils.CompactLooseJSON(dst, src)
	compareResults(t, src, dst, got, err, want.Bytes(), wantErr, len(src))
	if !bytes.Equal(src, before) {
		t.Fatalf("CompactJSON changed its input from %q to %q", before, src)
	}
}

// firstNotUTF8 is where the first character that is none begins, or the length of src.
func firstNotUTF8(src []byte) int {
	i := 0
	for i < len(src) {
		r, size := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	return i
}

// compareResults takes what encoding/json gives, and the offset from which on src is not UTF-8.
func compareResults(t *testing.T, src, dst, got []byte, err error, want []byte, wantErr error, notUTF8 int) {
	t.Helper()
	if wantErr != nil {
		compareErrors(t, src, got, err, notUTF8)
		return
	}
	switch {
	case err != nil || !bytes.Equal(got, want):
		t.Fatalf("CompactJSON(%q) = %q, %v; want %q", src, got, err, want)
	case len(got) == len(src):
		if !sameArray(got, src) {
			t.Fatalf("CompactJSON(%q) is a copy of its compact input", src)
		}
	case sameArray(got, src):
		t.Fatalf("CompactJSON(%q) is part of its input", src)
	case cap(dst) >= len(src) && !sameArray(got, dst):
		t.Fatalf("CompactJSON(%q) is in a new array for all a dst with room for %d bytes", src, cap(dst))
	case cap(dst) < len(src) && cap(got) < len(src):
		t.Fatalf("CompactJSON(%q) is in an array of %d bytes, which the same input would outgrow again", src, cap(got))
	}
}

// compareErrors takes the offset from json.Unmarshal: json.Compact leaves it 0. What is not UTF-8 before it is reported first.
func compareErrors(t *testing.T, src, got []byte, err error, notUTF8 int) {
	t.Helper()
	var syntaxError *utils.SyntaxError
	if got != nil || !errors.As(err, &syntaxError) {
		t.Fatalf("CompactJSON(%q) = %q, %v; want nil and a SyntaxError", src, got, err)
	}
	read := int64(syntaxError.Offset)
	if syntaxError.Offset < len(src) {
		read++
	}
	var theirs *json.SyntaxError
	isTheirs := errors.As(json.Unmarshal(src, new(json.RawMessage)), &theirs) && theirs.Offset == read
	if first := min(notUTF8, len(src)); theirs != nil && int64(first) < theirs.Offset-1 {
		isTheirs = syntaxError.Offset == first
	}
	if !isTheirs {
		t.Fatalf("CompactJSON(%q): %v; encoding/json: %v after %d bytes", src, err, theirs, theirs.Offset)
	}
	if text := err.Error(); len(text) > 120 {
		t.Fatalf("CompactJSON(%q): the error is %d bytes long, too long for one offending byte: %s", src, len(text), text)
	}
}

func sameArray(a, b []byte) bool { return cap(a) > 0 && cap(b) > 0 && &a[:1][0] == &b[:1][0] }

// All that the scanner reads in words of eight bytes: whichever byte ends a run, wherever in a word, near the end of the
// input or not.
func TestCompactJSONFindsEveryByteAtEveryPlaceOfAWord(t *testing.T) {
	runs := []struct{ name, begin, run, end string }{
		{"a string", `["`, "x", `"]`},
		{"a string of two bytes a character", `["`, "é", `"]`},
		{"a string of three bytes a character", `["`, "東", `"]`},
		{"a string of four bytes a character", `["`, "👋", `"]`},
		{"a string of bytes that are not UTF-8", `["`, "\xff", `"]`},
		{"a string of bytes near the limits", `["`, " !#[]", `"]`},
		{"a string behind one that is not ASCII", `["é","`, "x", `"]`},
		{"a string of bytes near the limits behind one that is not ASCII", `["é","`, " !#[]", `"]`},
		{"digits", `[`, "1", `]`},
		{"digits near the limits", `[1.`, "09", `]`},
		{"an exponent", `[1e`, "9", `]`},
		{"spaces", `[`, " ", `]`},
		{"tabs", `[`, "\t", `1]`},
	}
	for _, r := range runs {
		t.Run(r.name, func(t *testing.T) {
			for before := range 17 {
				for _, after := range []int{0, 1, 7, 8, 9} {
					for b := range 256 {
						src := r.begin + strings.Repeat(r.run, before) + string([]byte{byte(b)}) + strings.Repeat(r.run, after) + r.end
						compareWithEncodingJSON(t, []byte(src), nil)
					}
				}
			}
		})
	}
}

func TestCompactJSONDecidesEveryShortInputAsEncodingJSON(t *testing.T) {
	tokens := []string{"{", "}", "[", "]", ",", ":", `"`, `"a"`, `\`, " ", "0", "1", "-", "+", ".", "e", "u", "null", "\n", "\xff", "\x00"}
	var grow func(src []byte, more int)
	grow = func(src []byte, more int) {
		compareWithEncodingJSON(t, src, nil)
		if more == 0 {
			return
		}
		for _, token := range tokens {
			grow(append(src[:len(src):len(src)], token...), more-1)
		}
	}
	grow(nil, 4)
}

func TestCompactJSONDecidesEveryDamagedDocumentAsEncodingJSON(t *testing.T) {
	whole := []byte(` { "name\u00e9" : [ -12.5e+3 , true , false , null , { } , [ ] ] , "b\n" : { "c" : "déjà" } } `)
	compareWithEncodingJSON(t, whole, nil)
	for i := range whole {
		compareWithEncodingJSON(t, whole[:i], nil)
		compareWithEncodingJSON(t, slices.Delete(bytes.Clone(whole), i, i+1), nil)
		for b := range 256 {
			damaged := bytes.Clone(whole)
			damaged[i] = byte(b)
			compareWithEncodingJSON(t, damaged, nil)
		}
	}
}

// Every first byte of a character with every second one, near the end of the input or not, and across the end of a vector of 32 bytes.
func TestCompactJSONDecidesEveryCharacterAsUnicodeUTF8(t *testing.T) {
	rest := []string{"", "a", "\x80", "\xbf", "\x80\x80", "\xbf\xbf", "\x80\xc0", "\x80\x7f"}
	for first := 0x80; first < 0x100; first++ {
		for second := 0x7f; second < 0x100; second++ {
			for _, r := range rest {
				character := string([]byte{byte(first), byte(second)}) + r
				for _, before := range []int{0, 27, 28, 29} {
					for _, after := range []int{0, 40} {
						src := `["` + strings.Repeat("0", before) + character + strings.Repeat("0", after) + `"]`
						if _, err := utils.CompactJSON(nil, []byte(src)); (err == nil) != utf8.ValidString(src) {
							t.Fatalf("CompactJSON(%q): %v", src, err)
						}
					}
				}
			}
		}
	}
}

func TestCompactJSONTakes10000Levels(t *testing.T) {
	for _, kinds := range []string{"[", "{", "[{", "{[[", strings.Repeat("[", 64) + strings.Repeat("{", 64)} {
		for _, depth := range []int{63, 64, 65, 127, 128, 129, 9_984, 9_985, 9_999, 10_000} {
			src := nested(kinds, depth)
			if got, err := utils.CompactJSON(nil, src); err != nil || !sameArray(got, src) {
				t.Fatalf("%d levels of %.8q: %v; want them taken", depth, kinds, err)
			}
			compareWithEncodingJSON(t, append(src, ' '), nil)
		}
	}
}

func TestCompactJSONRefusesMoreThan10000Levels(t *testing.T) {
	const want = "invalid JSON at byte 10000: more than 10000 arrays and objects inside one another"
	src := nested("[", 10_001)
	if got, err := utils.CompactJSON(nil, src); err == nil || err.Error() != want {
		t.Errorf("CompactJSON of 10001 levels = %d bytes, %v; want %s", len(got), err, want)
	}
	compareWithEncodingJSON(t, src, nil)
	compareWithEncodingJSON(t, nested("{", 10_001), nil)
	compareWithEncodingJSON(t, nested("[{", 10_001), nil)
}

func TestCompactJSONRefuses16MBOfBrackets(t *testing.T) {
	for _, open := range []string{"[", `{"":`, "[ "} {
		src := bytes.Repeat([]byte(open), 16<<20/len(open))
		var syntaxError *utils.SyntaxError
		if _, err := utils.CompactJSON(nil, src); !errors.As(err, &syntaxError) || syntaxError.Offset != 10_000*len(open) {
			t.Errorf("16 MB of %s: %v; want an error at level 10001", open, err)
		}
	}
}

func TestCompactJSONRemembersWhatEachLevelIs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	kinds := make([]byte, 300)
	for i := range kinds {
		kinds[i] = "[{"[random.IntN(2)]
	}
	src := nested(string(kinds), len(kinds))
	compareWithEncodingJSON(t, src, nil)
	for i := len(src) - len(kinds); i < len(src); i++ {
		wrong := bytes.Clone(src)
		wrong[i] ^= '}' ^ ']'
		compareWithEncodingJSON(t, wrong, nil)
	}
}

// nested returns so many containers inside one another, with kinds, a text of [ and {, over and over from outside to
// inside. The innermost is empty.
func nested(kinds string, depth int) []byte {
	var src, end []byte
	for i := range depth {
		if kinds[i%len(kinds)] == '[' {
			src, end = append(src, `[`...), append(end, ']')
		} else {
			src, end = append(src, `{"":`...), append(end, '}')
		}
	}
	slices.Reverse(end)
	return append(bytes.TrimSuffix(src, []byte(`"":`)), end...)
}

func TestCompactJSONWritesToDst(t *testing.T) {
	src := []byte(` [ 1 , 2 ] `)
	for room := range 2 * len(src) {
		t.Run(fmt.Sprintf("with room for %d bytes", room), func(t *testing.T) {
			compareWithEncodingJSON(t, src, make([]byte, 0, room))
			compareWithEncodingJSON(t, src, bytes.Repeat([]byte("x"), room))
		})
	}
}

func TestCompactJSONLeavesDstAloneWhenSrcIsCompact(t *testing.T) {
	dst := []byte("untouched")
	if _, err := utils.CompactJSON(dst, []byte(`{"a":1}`)); err != nil || string(dst) != "untouched" {
		t.Errorf("dst is now %q (%v)", dst, err)
	}
}

func TestCompactJSONAllocates(t *testing.T) {
	pretty := []byte(`{ "a" : [ 1 , "\u0041" , true ] }`)
	cases := []struct {
		rule     string
		src, dst []byte
		want     float64
	}{
		{"nothing for a compact input", []byte(`{"a":[1,"\u0041",true]}`), nil, 0},
		{"nothing for a compact input of 10000 levels", nested("[{", 10_000), nil, 0},
		{"nothing when dst has room", pretty, make([]byte, 0, len(pretty)), 0},
		{"one array when dst has no room", pretty, nil, 1},
		{"the error alone when the input is refused", []byte(`{"a":[1,"\u004`), nil, 1},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			allocs := testing.AllocsPerRun(100, func() {
				_, _ = utils.CompactJSON(c.dst, c.src)
			})
			if allocs != c.want {
				t.Errorf("%v allocations, want %v", allocs, c.want)
			}
		})
	}
}

func ExampleCompactJSON() {
	var buf []byte
	for _, body := range []string{`{ "topic": "orders" }`, `{"topic":"orders"}`, `{"topic":orders}`} {
		out, err := utils.CompactJSON(buf, []byte(body))
		if err != nil {
			fmt.Println(err)
			continue
		}
		if len(out) < len(body) {
			buf = out
		}
		fmt.Printf("%s\n", out)
	}
	// Output:
	// {"topic":"orders"}
	// {"topic":"orders"}
	// invalid JSON at byte 9: found 'o', expected a value
}
