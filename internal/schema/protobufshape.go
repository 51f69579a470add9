package schema

import (
	"strings"
	"unicode/utf8"
)

// Bounds of all texts of a Protobuf schema together, beside maxSchemaBytes and maxSchemaDepth. The compiler takes time that
// grows with the square of some of these, and with the ways through public imports, which each file can double. Google's schemas
// of FHIR, the largest that are well known, have about 35,000 tokens.
const (
	maxProtobufTokens = 50_000
	maxProtobufName   = 255 // bytes
	maxProtobufWays   = 100
)

// protobufShape is what the text of a .proto file is, as far as it costs anything.
type protobufShape struct {
	tokens int // with comments; options of extension ranges count for each of the ranges, as the compiler copies them
	depth  int // the most braces and brackets inside one another
	name   int // the length of the longest name, with all its parts, in bytes
	public int // public imports
}

// protobufInBounds refuses texts that are out of bounds, before anything is made of them.
func protobufInBounds(parts []part) error {
	tokens, ways := 0, 1
	for _, p := range parts {
		is := measureProtobuf(p.text)
		tokens += is.tokens
		ways = min(ways*(1+is.public), maxProtobufWays+1) // or fewer
		switch {
		case is.depth > maxSchemaDepth:
			return misconfigured("it has more than %d braces and brackets inside one another", maxSchemaDepth)
		case is.name > maxProtobufName:
			return misconfigured("it has a name of more than %d bytes", maxProtobufName)
		case tokens > maxProtobufTokens:
			return misconfigured("the schema and its references have more than %d words and signs", maxProtobufTokens)
		case ways > maxProtobufWays:
			return misconfigured("the schema and its references have too many public imports")
		}
	}
	return nil
}

// measureProtobuf returns the shape of a .proto file's text, and an estimate for any other text.
func measureProtobuf(text string) (is protobufShape) {
	depth, name := 0, 0
	ranges, level := 0, 0 // of the extension ranges being declared, and the depth that they are at
	last := ";"           // the token before, no comment
	for {
		var token string
		if token, text = cutProtobufToken(text); token == "" {
			return is
		}
		is.tokens++
		if ranges > 0 && depth > level {
			is.tokens += ranges
		}
		switch first := token[0]; {
		case first == '/' && len(token) > 1:
			continue // a comment
		case isProtobufWord(first):
			if first != '.' && last[len(last)-1] != '.' {
				name = 0
			}
			name += len(token)
			is.name = max(is.name, name)
			switch {
			case token == "public" && last == "import":
				is.public++
			case token == "extensions" && (last == ";" || last == "{" || last == "}"):
				ranges, level = 1, depth
			}
		case first == '(' || first == ')': // as in a.(b.c).d
			if last[len(last)-1] == '.' {
				continue
			}
		case first == '{' || first == '[' || first == '<':
			depth++
			is.depth = max(is.depth, depth)
		case first == '}' || first == ']' || first == '>':
			depth = max(depth-1, 0)
		case first == ',' && ranges > 0 && depth == level:
			ranges++
		case first == ';' && depth <= level:
			ranges = 0
		}
		last = token
	}
}

// cutProtobufToken cuts the first comment, word, string or sign off a text; "" at its end.
func cutProtobufToken(text string) (token, rest string) {
	text = strings.TrimLeft(text, " \t\r\n\v\f")
	n := min(1, len(text))
	switch {
	case n == 0:
	case strings.HasPrefix(text, "//"):
		n = through(text, n, "\n")
	case strings.HasPrefix(text, "/*"):
		n = through(text, 2, "*/")
	case isProtobufWord(text[0]):
		for n < len(text) && isProtobufWord(text[n]) {
			n++
		}
	case text[0] == '"' || text[0] == '\'':
		for n < len(text) && text[n] != text[0] && text[n] != '\n' {
			if text[n] == '\\' {
				n++
			}
			n++
		}
		n = min(n+1, len(text))
	}
	return text[:n], text[n:]
}

// through is the index behind the first of these from an index on, or the text's length.
func through(text string, from int, end string) int {
	if i := strings.Index(text[from:], end); i >= 0 {
		return from + i + len(end)
	}
	return len(text)
}

func isProtobufWord(c byte) bool {
	return c == '.' || c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c >= utf8.RuneSelf
}
