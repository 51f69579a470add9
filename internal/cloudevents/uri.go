package cloudevents

import (
	"net/netip"
	"strings"
)

// The rules are those of RFC 3986. net/url takes what they forbid, blanks for one, and
// refuses what they permit, such as percent-encoded bytes in a name of a host.
const (
	notURIReference = "expected a URI reference (RFC 3986)"

	subDelimiters = "!$&'()*+,;="
	pathPunct     = "-._~" + subDelimiters + ":@/"
	queryPunct    = pathPunct + "?" // a fragment's too
	userPunct     = "-._~" + subDelimiters + ":"
	hostPunct     = "-._~" + subDelimiters
)

// invalidURIReference says what is wrong with a URI reference, "" when nothing is.
func invalidURIReference(s string) string {
	s, fragment, _ := strings.Cut(s, "#")
	s, query, _ := strings.Cut(s, "?")
	_, path, _ := cutScheme(s)
	if !validPart(fragment, queryPunct) || !validPart(query, queryPunct) {
		return notURIReference
	}
	if path == s { // no scheme: a colon in the first segment would make one
		if first, _, _ := strings.Cut(s, "/"); strings.Contains(first, ":") {
			return notURIReference
		}
	}
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		end := strings.IndexByte(rest, '/')
		if end < 0 {
			end = len(rest)
		}
		if !validAuthority(rest[:end]) {
			return notURIReference
		}
		path = rest[end:]
	}
	if !validPart(path, pathPunct) {
		return notURIReference
	}
	return ""
}

// cutScheme takes the scheme and its colon off; without a scheme rest is s.
func cutScheme(s string) (scheme, rest string, found bool) {
	scheme, rest, found = strings.Cut(s, ":")
	if !found || scheme == "" || !isLetter(scheme[0]) {
		return "", s, false
	}
	for i := range len(scheme) {
		if c := scheme[i]; !isLetter(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return "", s, false
		}
	}
	return scheme, rest, true
}

func validAuthority(s string) bool {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		if !validPart(s[:at], userPunct) {
			return false
		}
		s = s[at+1:]
	}
	host, port := s, ""
	if colon := strings.LastIndexByte(s, ':'); colon > strings.LastIndexByte(s, ']') {
		host, port = s[:colon], s[colon+1:]
	}
	if strings.Trim(port, "0123456789") != "" {
		return false
	}
	if literal, ok := strings.CutPrefix(host, "["); ok {
		literal, ok = strings.CutSuffix(literal, "]")
		return ok && validIPLiteral(literal)
	}
	return validPart(host, hostPunct)
}

func validIPLiteral(s string) bool {
	if future, ok := strings.CutPrefix(strings.ToLower(s), "v"); ok {
		version, address, ok := strings.Cut(future, ".")
		return ok && version != "" && strings.Trim(version, "0123456789abcdef") == "" &&
			address != "" && !strings.Contains(address, "%") && validPart(address, userPunct)
	}
	ip, err := netip.ParseAddr(s)
	return err == nil && ip.Is6() && ip.Zone() == ""
}

// validPart reports whether s has letters, digits, the given punctuation and
// percent-encoded bytes only.
func validPart(s, punct string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case isLetter(c), isDigit(c):
		case c == '%':
			if !escapedByte(s, i) {
				return false
			}
			i += 2
		case strings.IndexByte(punct, c) < 0:
			return false
		}
	}
	return true
}

// escapedByte reports whether two hexadecimal digits follow the percent sign at s[i].
func escapedByte(s string, i int) bool {
	if i+2 >= len(s) {
		return false
	}
	_, high := hexValue(s[i+1])
	_, low := hexValue(s[i+2])
	return high && low
}
