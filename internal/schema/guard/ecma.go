package guard

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
)

const (
	// re2Repeats is how often RE2 repeats something at most.
	re2Repeats = 1000
	// maxTranslated bounds a translation, in bytes.
	maxTranslated = 16 * MaxPattern
)

var (
	// Escapes of ECMA-262 that RE2 has in another form, among all others.
	ecmaEscape = regexp.MustCompile(`(?s)\\(?:u\{([0-9A-Fa-f]+)\}|u([Dd][89ABab][0-9A-Fa-f]{2})\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})` +
		`|c([A-Za-z])|([pP])\{(?:Script|sc)=(\w+)\}|.)`)
	repeats = regexp.MustCompile(`^\{([0-9]{1,5})(?:(,)([0-9]{0,5}))?\}(\??)`)
)

// fromECMA translates what RE2 has in another form or within tighter bounds: \u0041, \u{1F600}, \cJ, [^], \p{Script=Greek}, and
// more than a thousand repeats, but for those of a capturing group where something may refer to it. The rest stays as it is.
func fromECMA(text string) string {
	referred := false
	for rest := text; rest != "" && !referred; rest = rest[tokenLength(rest):] {
		referred = backReference.MatchString(rest)
	}
	var out []byte
	var open []int // where the groups begin that are not closed
	last := -1     // where what can be repeated begins
	for rest := text; rest != ""; {
		if len(out) > maxTranslated {
			return text
		}
		if many := repeats.FindStringSubmatch(rest); many != nil && last >= 0 {
			out = append(out[:last], repeated(string(out[last:]), many, referred)...)
			rest = rest[len(many[0]):]
			continue
		}
		n := tokenLength(rest)
		if rest[0] == '\\' {
			n = max(n, len(ecmaEscape.FindString(rest)))
		}
		begins := len(out)
		switch token := rest[:n]; {
		case strings.HasPrefix(rest, "[^]"):
			n = len("[^]")
			out = append(out, `[\s\S]`...)
		default:
			out = append(out, ecmaEscape.ReplaceAllStringFunc(rest[:n], re2Escape)...)
			if token[0] == '(' && !strings.HasSuffix(token, ")") {
				open, begins = append(open, begins), -1
			} else if token == ")" && len(open) > 0 {
				begins, open = open[len(open)-1], open[:len(open)-1]
			}
		}
		last, rest = begins, rest[n:]
	}
	return string(out)
}

func re2Escape(escape string) string {
	e := ecmaEscape.FindStringSubmatch(escape)
	switch {
	case e[2] != "":
		high, _ := strconv.ParseUint(e[2], 16, 16)
		low, _ := strconv.ParseUint(e[3], 16, 16)
		return `\x{` + strconv.FormatInt(int64(utf16.DecodeRune(rune(high), rune(low))), 16) + `}`
	case e[1] != "" || e[4] != "":
		return `\x{` + e[1] + e[4] + `}`
	case e[5] != "":
		return `\x{` + strconv.FormatInt(int64(e[5][0]%32), 16) + `}`
	case e[6] != "":
		return `\` + e[6] + `{` + e[7] + `}`
	}
	return escape
}

// repeated is an expression that is repeated, in parts of which RE2 knows each. Where something may refer to a group, what
// captures stays one.
func repeated(of string, many []string, referred bool) string {
	least, _ := strconv.Atoi(many[1])
	most, err := strconv.Atoi(many[3])
	if err != nil {
		most = least // {n} or {n,}
	}
	if least <= re2Repeats && most <= re2Repeats || most < least || most > maxInstructions || 2*len(of)*(2+most/re2Repeats) > maxTranslated {
		return of + many[0]
	}
	silent := withoutCaptures(of)
	if referred && silent != of {
		return of + many[0]
	}
	of = silent
	text, n := "(?:", least
	for ; n > 0; n -= re2Repeats {
		text += of + "{" + strconv.Itoa(min(n, re2Repeats)) + "}"
	}
	if many[2] != "" && many[3] == "" {
		return text + of + "*" + many[4] + ")"
	}
	// All of a thousand and then more, or fewer: of {0,1000} after {0,1000} there would be hundreds of ways to have as many.
	ends := ")"
	for n = most - least; n > re2Repeats; n -= re2Repeats {
		all, fewer := of+"{"+strconv.Itoa(re2Repeats)+"}", of+"{0,"+strconv.Itoa(re2Repeats-1)+"}"+many[4]
		if many[4] == "" {
			text, ends = text+"(?:"+all, "|"+fewer+")"+ends
		} else {
			text, ends = text+"(?:"+fewer+"|"+all, ")"+ends
		}
	}
	return text + of + "{0," + strconv.Itoa(n) + "}" + many[4] + ends
}

// withoutCaptures is an expression whose groups capture nothing.
func withoutCaptures(of string) string {
	var out []byte
	for rest := of; rest != ""; {
		n := tokenLength(rest)
		if o := opening.FindStringSubmatch(rest); o != nil && capturing(o) {
			out = append(out, "(?:"...)
		} else {
			out = append(out, rest[:n]...)
		}
		rest = rest[n:]
	}
	return string(out)
}
