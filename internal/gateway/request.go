package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// maxHeaders is how many headers ngx.req.get_headers() gives.
const maxHeaders = 100

// requestContext is one HTTP request on its way to the runner. It is pooled, with the slices that it fills.
type requestContext struct {
	gateway *Gateway
	http    *http.Request
	route   *liveRoute
	request Request
	src     [16]byte
	id      string

	buf  []byte
	read bool
	err  error
}

var requestContexts = sync.Pool{New: func() any {
	c := &requestContext{}
	c.request.Body, c.request.Var = c.body, c.variable
	return c
}}

func newRequestContext(g *Gateway, r *http.Request, route *liveRoute, path string) *requestContext {
	c := requestContexts.Get().(*requestContext)
	c.gateway, c.http, c.route = g, r, route
	q := &c.request
	q.Method, q.Path = r.Method, path
	q.SrcIP = sourceIP(c.src[:0], r.RemoteAddr)
	q.Args = appendArgs(q.Args[:0], r.URL.RawQuery)
	q.Headers = appendHeaders(q.Headers[:0], r)
	return c
}

func (c *requestContext) release() {
	if cap(c.buf) > keepBytes {
		c.buf = nil
	}
	q := &c.request
	clear(q.Args)
	clear(q.Headers)
	if cap(q.Args) > 256 || cap(q.Headers) > 256 { // what a client can make long must not stay long
		q.Args, q.Headers = nil, nil
	}
	q.Method, q.Path, q.SrcIP = "", "", nil
	c.gateway, c.http, c.route, c.id = nil, nil, nil, ""
	c.buf, c.read, c.err = c.buf[:0], false, nil
	requestContexts.Put(c)
}

// body reads the request body when the runner asks for it, once for all tries. In nginx a body that the client does
// not deliver ends the request and the call with it.
func (c *requestContext) body() ([]byte, error) {
	if !c.read {
		c.read = true
		c.buf, c.err = readRequestBody(c.buf[:0], c.http)
	}
	return c.buf, c.err
}

func readRequestBody(buf []byte, r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxBody {
		return buf, discard(r.Body)
	}
	if r.ContentLength >= 0 {
		buf = slices.Grow(buf, int(r.ContentLength))[:r.ContentLength]
		if _, err := io.ReadFull(r.Body, buf); err != nil {
			return buf[:0], undelivered(err)
		}
		return buf, nil
	}
	for {
		if len(buf) > MaxBody {
			return buf[:0], discard(r.Body)
		}
		buf = slices.Grow(buf, 512)
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf[:0], undelivered(err)
		}
	}
}

// discard reads to the end a body that no frame can take: the client shall get its answer, not a broken connection.
func discard(body io.Reader) error {
	if _, err := io.Copy(io.Discard, body); err != nil {
		return undelivered(err)
	}
	return fmt.Errorf("%w: %w: the request body has more than %d bytes", ErrAbort, ErrFrameTooLarge, MaxBody)
}

func undelivered(err error) error { return fmt.Errorf("%w: %w: %w", ErrAbort, errClientBody, err) }

// normalize gives nginx's $uri for a decoded path: no empty and no dot segments. False: it leaves the root.
func normalize(path string) (string, bool) {
	if !strings.Contains(path, "//") && !strings.Contains(path, "/.") {
		return path, true
	}
	var segments []string
	slash := true // whether the path ends in one
	for s := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch s {
		case "", ".":
			slash = true
		case "..":
			if len(segments) == 0 {
				return "", false
			}
			segments = segments[:len(segments)-1]
			slash = true
		default:
			segments = append(segments, s)
			slash = false
		}
	}
	if len(segments) == 0 {
		return "/", true
	}
	path = "/" + strings.Join(segments, "/")
	if slash {
		path += "/"
	}
	return path, true
}

// hostName is nginx's $host: lower-case, without port.
func hostName(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(host)
}

// remoteAddr gives the client's address; a listener without such addresses has local clients.
func remoteAddr(s string) netip.Addr {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return a.Addr().Unmap()
}

func sourceIP(b []byte, remote string) []byte {
	a := remoteAddr(remote)
	if a.Is4() {
		ip := a.As4()
		return append(b, ip[:]...)
	}
	ip := a.As16()
	return append(b, ip[:]...)
}

// appendArgs parses a query as ngx.req.get_uri_args() does: "&" separates, a name without "=" has no value, an empty
// name is left out, "+" is a space, and a "%" that begins no escape stands for itself.
func appendArgs(args []Entry, query string) []Entry {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, hasValue := strings.Cut(pair, "=")
		if name == "" {
			continue
		}
		args = append(args, Entry{Name: unescape(name), Value: unescape(value), NoValue: !hasValue})
	}
	return args
}

func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			v, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
			b = append(b, byte(v))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// appendHeaders gives the headers in lower case, host among them, one entry a value, 100 at most. net/http has taken
// out Host and Transfer-Encoding, which APISIX sends like any other.
func appendHeaders(headers []Entry, r *http.Request) []Entry {
	headers = append(headers, Entry{Name: "host", Value: r.Host})
	for _, v := range r.TransferEncoding {
		headers = append(headers, Entry{Name: "transfer-encoding", Value: v})
	}
	fixed := len(headers)
	for name, values := range r.Header {
		name = strings.ToLower(name)
		for _, v := range values {
			headers = append(headers, Entry{Name: name, Value: v})
		}
	}
	if len(headers) > maxHeaders { // which ones are left out should not be left to chance
		slices.SortStableFunc(headers[fixed:], func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
		clear(headers[maxHeaders:])
		headers = headers[:maxHeaders]
	}
	return headers
}

// variable gives an nginx variable as APISIX's ctx.var does; those that this gateway does not know are absent.
func (c *requestContext) variable(name string) (string, bool) {
	if v, ok := c.gateway.options.Vars[name]; ok {
		return v, true
	}
	if arg, ok := strings.CutPrefix(name, "arg_"); ok {
		return c.arg(arg)
	}
	if header, ok := strings.CutPrefix(name, "http_"); ok {
		return c.header(header)
	}
	if name, ok := strings.CutPrefix(name, "cookie_"); ok {
		cookie, err := c.http.Cookie(name)
		if err != nil {
			return "", false
		}
		return cookie.Value, true
	}
	r := c.http
	switch name {
	case "request_id":
		return c.requestID(), true
	case "remote_addr":
		return remoteAddr(r.RemoteAddr).String(), true
	case "request_method":
		return r.Method, true
	case "uri":
		return c.request.Path, true
	case "request_uri":
		return r.RequestURI, r.RequestURI != ""
	case "args", "query_string":
		return r.URL.RawQuery, r.URL.RawQuery != ""
	case "host":
		return hostName(r.Host), true
	case "scheme":
		if r.TLS != nil {
			return "https", true
		}
		return "http", true
	case "server_protocol":
		return r.Proto, true
	case "remote_user":
		user, _, ok := r.BasicAuth()
		return user, ok && user != ""
	case "content_length":
		if r.ContentLength < 0 && c.read && c.err == nil { // nginx knows it once it has read the body
			return strconv.Itoa(len(c.buf)), true
		}
		return c.header(name)
	case "content_type":
		return c.header(name)
	case "route_id":
		return c.route.ID, true
	}
	return "", false
}

// arg gives the first value of an argument; one without "=" is true in Lua and "true" here.
func (c *requestContext) arg(name string) (string, bool) {
	for i := range c.request.Args {
		if a := &c.request.Args[i]; a.Name == name {
			if a.NoValue {
				return "true", true
			}
			return a.Value, true
		}
	}
	return "", false
}

// header gives a header by its name in a variable: case is ignored, "_" stands for "-" too, values are joined.
func (c *requestContext) header(name string) (string, bool) {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	if name == "host" {
		return c.http.Host, true
	}
	for key, values := range c.http.Header {
		if strings.ReplaceAll(strings.ToLower(key), "-", "_") == name && len(values) > 0 {
			separator := ", "
			if name == "cookie" {
				separator = "; "
			}
			return strings.Join(values, separator), true
		}
	}
	return "", false
}

// requestID is the same for all who ask during one request.
func (c *requestContext) requestID() string {
	if c.id == "" {
		var b [16]byte
		rand.Read(b[:])
		c.id = hex.EncodeToString(b[:])
	}
	return c.id
}
