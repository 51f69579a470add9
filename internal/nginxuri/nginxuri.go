// Package nginxuri reads a request's path, query and host as nginx and OpenResty read them, and so APISIX: what a gateway in front has
// checked by its path must not be another path here. It is not for writing URLs. internal/httpfront, internal/gateway and internal/console
// call it.
package nginxuri

import (
	"iter"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// Clean makes of a request's URL what nginx has in $uri, as Path, and in $args, as RawQuery. False: nginx answers 400. The path is
// without empty, "." and ".." segments, also where these were escaped, and both end where a fragment begins: nginx passes on
// to its upstream what is behind "#", and does not look at it.
func Clean(u *url.URL) bool {
	if raw, _, fragment := strings.Cut(u.RawPath, "#"); fragment {
		u.Path, _ = url.PathUnescape(raw) // net/url has read all of it
		u.RawQuery = ""
	}
	u.RawPath = ""
	u.RawQuery, _, _ = strings.Cut(u.RawQuery, "#")
	if u.Opaque != "" || u.Path != "" && u.Path[0] != '/' || strings.IndexByte(u.Path, 0) >= 0 {
		return false
	}
	var ok bool
	u.Path, ok = cleaned(u.Path)
	return ok
}

// cleaned reports false for a path that leaves the root.
func cleaned(p string) (string, bool) {
	if p != "" && !strings.Contains(p, "//") && !strings.Contains(p, "/.") {
		return p, true
	}
	clean := path.Clean(strings.TrimLeft(p, "/"))
	switch {
	case clean == "..", strings.HasPrefix(clean, "../"):
		return "", false
	case clean == ".":
		return "/", true
	}
	if last := p[strings.LastIndexByte(p, '/')+1:]; last == "" || last == "." || last == ".." {
		clean += "/"
	}
	return "/" + clean, true
}

// HostName is nginx's $host of a Host header: in lower case, without a port. An IPv6 address keeps its brackets.
func HostName(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(host)
}

// Argument is one of a query, decoded.
type Argument struct {
	Name, Value string
	NoValue     bool // there is no "="
}

// Arguments yields the arguments of a query as ngx.req.get_uri_args() has them: "&" alone separates, one without a name is left out,
// "+" is a space, and a "%" that begins no escape stands for itself.
func Arguments(query string) iter.Seq[Argument] {
	return func(yield func(Argument) bool) {
		for pair := range strings.SplitSeq(query, "&") {
			name, value, hasValue := strings.Cut(pair, "=")
			if name != "" && !yield(Argument{unescape(name), unescape(value), !hasValue}) {
				return
			}
		}
	}
}

func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s):
			if escaped, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				c = byte(escaped)
				i += 2
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}
