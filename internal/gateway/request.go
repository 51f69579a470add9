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

	"github.com/kafkaupstream/kafkaupstream/internal/nginxuri"
)

// maxHeaders is how many headers ngx.req.get_headers() gives.
const maxHeaders = 100

// requestContext is one HTTP request on its way to the runner.
type requestContext struct {
	gateway *Gateway
	http    *http.Request
	route   *liveRoute
	request Request
	id      string

	// The body and the error of reading it, once read is set.
	buf  []byte
	read bool
	err  error
}

func newRequestContext(g *Gateway, r *http.Request, route *liveRoute) *requestContext {
	c := &requestContext{gateway: g, http: r, route: route}
	c.request = Request{
		Method: r.Method, Path: r.URL.Path, SrcIP: remoteAddr(r.RemoteAddr).AsSlice(),
		Args: queryArgs(r.URL.RawQuery), Headers: requestHeaders(r),
		Body: c.body, Var: c.variable,
	}
	return c
}

// body reads the request body when the runner asks for it, once for all tries. In nginx a body that the client does
// not deliver ends the request and the call with it.
func (c *requestContext) body() ([]byte, error) {
	if !c.read {
		c.read = true
		c.buf, c.err = readRequestBody(c.http.Body)
	}
	return c.buf, c.err
}

// readRequestBody reads a body to its end, also one that is larger than a frame can take: the client shall get its answer,
// not a broken connection.
func readRequestBody(body io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(body, MaxBody+1))
	if err == nil && len(text) > MaxBody {
		text = nil
		if _, err = io.Copy(io.Discard, body); err == nil {
			return nil, fmt.Errorf("%w: %w: the request body has more than %d bytes", ErrAbort, ErrFrameTooLarge, MaxBody)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w: %w", ErrAbort, errClientBody, err)
	}
	return text, nil
}

// remoteAddr gives the client's address; a listener without such addresses has local clients.
func remoteAddr(s string) netip.Addr {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return a.Addr().Unmap()
}

func queryArgs(query string) (args []Entry) {
	for a := range nginxuri.Arguments(query) {
		args = append(args, Entry(a))
	}
	return args
}

// requestHeaders gives the headers in lower case, host among them, one entry a value, 100 at most. net/http has taken
// out Host and Transfer-Encoding, which APISIX sends like any other.
func requestHeaders(r *http.Request) []Entry {
	headers := []Entry{{Name: "host", Value: r.Host}}
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
		return nginxuri.HostName(r.Host), true
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
