package httpfront

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/kafkaupstream/kafkaupstream/internal/nginxuri"
	"github.com/kafkaupstream/kafkaupstream/internal/routefile"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
)

const (
	// firstBytes is how much of a body is read before memory is taken for more, and keptBytes how large a buffer for
	// bodies may be to be used again.
	firstBytes = 512
	keptBytes  = 64 << 10
	// freeHeader is how large a header may be that is not counted as memory that requests may take, and lineBytes what net/http takes
	// for a line of it besides the text.
	freeHeader, lineBytes = 8 << 10, 64
)

// request is a request as the core sees it, and memory for bodies. The next request uses its memory again.
type request struct {
	http   *http.Request
	reply  http.ResponseWriter
	route  *route
	trust  *Trust
	proven bool // the peer is the gateway
	header int  // bytes of a large header; 0: it is not large

	server *Server

	first *[firstBytes]byte // of the body; memory of its own, since cgo lets no pointers stand beside what librdkafka reads
	body  []byte
	text  []byte // the reply's body
}

var requests = sync.Pool{New: func() any { return &request{first: new([firstBytes]byte)} }}

// release ends the use of the request.
func (r *request) release() {
	body, text := r.body, r.text
	if cap(body) > keptBytes {
		body = nil
	}
	if cap(text) > keptBytes {
		text = nil
	}
	*r = request{first: r.first, body: body[:0], text: text[:0]}
	requests.Put(r)
}

// weighHeader notes how large the header is, and returns how many lines it has.
func (r *request) weighHeader() (lines int) {
	bytes := 0
	for name, values := range r.http.Header {
		lines += len(values)
		for _, value := range values {
			bytes += len(name) + len(value) + lineBytes
		}
	}
	if bytes > freeHeader {
		r.header = bytes
	}
	return lines
}

// Method returns the method.
func (r *request) Method() string { return r.http.Method }

// Path returns the path, decoded.
func (r *request) Path() string { return r.http.URL.Path }

// SourceIP returns the client's address: the peer's, or the one that the gateway says, which is what it has added at
// the end of X-Forwarded-For.
func (r *request) SourceIP() string {
	if r.proven {
		if list := r.http.Header["X-Forwarded-For"]; len(list) > 0 {
			last := list[len(list)-1]
			if ip := net.ParseIP(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])); ip != nil {
				return ip.String()
			}
		}
	}
	host, _, err := net.SplitHostPort(r.http.RemoteAddr)
	if err != nil { // of a Unix socket
		return ""
	}
	return host
}

// Argument returns the first value of an argument of the query string.
func (r *request) Argument(name string) string {
	for a := range nginxuri.Arguments(r.http.URL.RawQuery) {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// Arguments calls f for each argument of the query string and each of its values, in the order of names. They are no more than
// the bound of the header allows.
func (r *request) Arguments(f func(name, value string)) {
	byName := func(a, b nginxuri.Argument) int { return strings.Compare(a.Name, b.Name) }
	for _, a := range slices.SortedStableFunc(nginxuri.Arguments(r.http.URL.RawQuery), byName) {
		f(a.Name, a.Value)
	}
}

// Header returns the first value of a header.
func (r *request) Header(name string) string {
	if name == "host" { // which net/http has taken out
		return r.http.Host
	}
	return r.http.Header.Get(name)
}

// Values returns all values of a header.
func (r *request) Values(name string) []string {
	if name == "host" && r.http.Host != "" {
		return []string{r.http.Host}
	}
	return r.http.Header[textproto.CanonicalMIMEHeaderKey(name)]
}

// Headers calls f for each header and value, in the order of names.
func (r *request) Headers(f func(name, value string)) {
	if host := r.Values("host"); host != nil {
		r.http.Header["Host"] = host
	}
	kafkaupstream.Each(r.http.Header, func(name, value string) { f(strings.ToLower(name), value) })
}

// HeadersMissing reports false: all are there.
func (r *request) HeadersMissing() bool { return false }

// Failed returns nil: nothing is asked of anybody.
func (r *request) Failed() error { return nil }

// Gone returns a channel that is closed when the connection has ended. net/http looks for that from the body's end on.
func (r *request) Gone() <-chan struct{} { return r.http.Context().Done() }

// cookiePrefix begins the name of a variable that is a cookie's value.
const cookiePrefix = "cookie_"

// Var returns the value of a variable, "" when there is none. What only the gateway can say counts only from it.
func (r *request) Var(name string) string {
	if of := requestVariables[name]; of != nil {
		return of(r)
	}
	if cookie, ok := strings.CutPrefix(name, cookiePrefix); ok {
		if c, err := r.http.Cookie(cookie); err == nil {
			return c.Value
		}
		return ""
	}
	if header := r.trust.Variables[name]; header != "" && r.proven {
		return r.http.Header.Get(header)
	}
	return ""
}

func (r *request) scheme() string {
	if r.http.TLS != nil {
		return "https"
	}
	return "http"
}

// Route returns the route's id.
func (r *request) Route() string {
	if r.route == nil { // no route takes the request
		return ""
	}
	return r.route.id
}

// Body returns the body. It has to come within the server's read timeout, which net/http ends with it.
func (r *request) Body(limit int, room kafkaupstream.Room) ([]byte, error) {
	length := r.http.ContentLength
	switch {
	case length == 0:
		return nil, nil
	case length > int64(limit):
		return nil, &kafkaupstream.BodyTooLarge{Size: length, Limit: limit}
	}
	if r.header > 0 { // which stays for as long as the client takes for the body
		if err := room.Hold(r.header); err != nil {
			return nil, err
		}
	}
	r.server.awaited.Add(1)
	body, err := r.read(int(length), limit, room)
	r.server.awaited.Add(-1)
	if err == nil && len(body) == 0 {
		return nil, nil
	}
	return body, err
}

// broken is the error of a body that could not be read to its end. The connection cannot be used again.
func (r *request) broken(err error) error {
	r.reply.Header().Set("Connection", "close")
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return kafkaupstream.ErrBodySlow
	}
	return kafkaupstream.ErrBodyCutOff
}

// read reads a body of so many bytes, -1 for an unknown number. It asks for room before it takes it, and in proportion to what has
// come: a client that promises much and sends nothing takes nothing. What has come counts too: there are two of it while it is copied.
func (r *request) read(length, limit int, room kafkaupstream.Room) ([]byte, error) {
	body := r.first[:0]
	for size := len(r.first); len(body) != length; {
		if len(body) == size {
			if size == len(r.first) {
				r.body = append(r.body[:0], body...)
			}
			if size *= 2; length >= 0 {
				size = min(length, 2*size) // which is copied half as often
			}
			if err := room.Hold(r.header + len(body) + size); err != nil {
				return body, err
			}
			r.body = slices.Grow(r.body[:len(body)], size-len(body))
			body = r.body
		}
		n, err := r.http.Body.Read(body[len(body):size])
		body = body[:len(body)+n]
		r.server.arrived.Add(1)
		switch {
		case len(body) > limit:
			return body, &kafkaupstream.BodyTooLarge{Size: int64(len(body)), Limit: limit}
		case errors.Is(err, io.EOF) && (length < 0 || len(body) == length):
			return body, nil
		case err != nil:
			return body, r.broken(err)
		}
	}
	return body, nil
}

func (r *request) write(reply kafkaupstream.Reply) {
	r.http.Header = nil // for as long as the client takes for what is left of its body, or to take the reply
	reply.SetHeader(r.reply.Header())
	r.reply.WriteHeader(reply.Status)
	r.text = reply.AppendBody(r.text[:0])
	if cap(r.body) > keptBytes { // its memory counts no more, and the client may take its time
		r.body = nil
	}
	_, _ = r.reply.Write(r.text) // a client that has gone learns nothing
}

// hostOf is the host that the client has asked for, as nginx has it in $host: in lower case, without a port and a dot at its end.
func hostOf(r *http.Request) string {
	host := r.Host
	if strings.Contains(host, ":") { // or SplitHostPort would make an error for each request
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
	}
	return routefile.Host(host)
}
