// Package apisix is the adapter between the plugin's core and the plugin contract
// of apisix-go-plugin-runner (pkg/plugin.Plugin), so that the core runs under this
// project's host as well as under the stock runner. It decides nothing about
// records. cmd/kafkaupstream makes the plugin.
package apisix

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	pkghttp "github.com/apache/apisix-go-plugin-runner/pkg/http"

	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
)

// Name is the plugin's name in a route's configuration.
const Name = "kafkaupstream"

// Limits are APISIX's: its protocol carries no larger body, and it gives a call up after 60 s.
var Limits = routeconf.Limits{Body: 16777188, Timeout: 55 * time.Second}

// Plugin implements the contract of pkg/plugin.Plugin.
type Plugin struct {
	handler *kafkaupstream.Handler
	log     *slog.Logger
}

// New returns the plugin. It logs what the stock runner cannot be told.
func New(handler *kafkaupstream.Handler, log *slog.Logger) *Plugin { return &Plugin{handler, log} }

func (p *Plugin) Name() string { return Name }

// invalid is the conf of a text that cannot be used: its requests are answered 500.
type invalid struct{}

// Parse reads a route's configuration. This project's host calls it, and logs its
// warnings and its error together with the route's name. It does not wait for Kafka:
// APISIX holds a lock over all routes meanwhile. conf is usable with an error, too.
func (p *Plugin) Parse(in []byte) (conf any, warnings []error, err error) {
	parsed, findings := routeconf.Lint(in, Limits)
	for _, w := range findings.Warnings {
		warnings = append(warnings, w)
	}
	var served *kafkaupstream.Served
	if err = findings.Err(); err == nil {
		served, err = p.handler.Prepare(parsed)
	}
	if err != nil {
		return invalid{}, warnings, err
	}
	return served, warnings, nil
}

// ParseConf is Parse for the stock runner, which knows no route's name. It logs the
// findings and never returns an error: APISIX would skip the plugin and let the request pass.
func (p *Plugin) ParseConf(in []byte) (any, error) {
	conf, warnings, err := p.Parse(in)
	for _, w := range warnings {
		p.log.Warn("a route's configuration is doubtful", "warning", w)
	}
	if err != nil {
		p.log.Error("a route's configuration is invalid; its requests are answered 500", "error", err)
	}
	return conf, nil
}

// RequestFilter answers the request: there is no upstream behind this plugin.
func (p *Plugin) RequestFilter(conf any, w http.ResponseWriter, r pkghttp.Request) {
	c := calls.Get().(*call)
	c.Request = r
	c.cut = lines(r.Header()) >= fewestCut
	if served, ok := conf.(*kafkaupstream.Served); ok {
		reply := p.handler.Handle(served, c)
		c.write(w, reply)
		reply.Release()
	} else {
		c.write(w, p.handler.InvalidRoute(c))
	}
	c.Request, c.failed = nil, nil
	if cap(c.body) > keptBytes {
		return
	}
	calls.Put(c)
}

// keptBytes is how large memory for a reply's body may be to be used again.
const keptBytes = 64 << 10

// ResponseFilter leaves the upstream's response as it is.
func (p *Plugin) ResponseFilter(any, pkghttp.Response) {}

// fewestCut is from how many header lines on some may be missing. APISIX hands over the first 100 (ngx.req.get_headers, of
// OpenResty), and its plugins may have taken some out of these, as key-auth does with hide_credentials.
const fewestCut = 90

// frameHeader is the header of this project's host, which needs no map of all headers.
type frameHeader interface {
	Values(name string) []string
	Lines() int
}

// lines counts the headers that were handed over.
func lines(h pkghttp.Header) (n int) {
	if h, ok := h.(frameHeader); ok {
		return h.Lines()
	}
	for _, values := range h.View() {
		n += len(values)
	}
	return n
}

// call is a request as the core sees it, and memory for the reply's body.
type call struct {
	pkghttp.Request
	cut    bool  // header lines may be missing
	failed error // why a variable could not be had; nil: all could
	body   []byte
}

var calls = sync.Pool{New: func() any { return &call{body: make([]byte, 0, 256)} }}

// Header returns the first value of a header.
func (c *call) Header(name string) string {
	value := c.Request.Header().Get(name)
	if value == "" && c.cut {
		return c.askedHeader(name)
	}
	return value
}

// askedHeader asks APISIX for a header, all values of it in one: nginx has it whichever line it is in.
func (c *call) askedHeader(name string) string {
	return c.Var("http_" + strings.ReplaceAll(name, "-", "_"))
}

// Values returns all values of a header.
func (c *call) Values(name string) []string {
	if c.cut {
		if value := c.askedHeader(name); value != "" {
			return []string{value}
		}
		return nil
	}
	h := c.Request.Header()
	if h, ok := h.(frameHeader); ok {
		return h.Values(name)
	}
	return h.View().Values(name)
}

// HeadersMissing reports whether Headers may leave some out.
func (c *call) HeadersMissing() bool { return c.cut }

func (c *call) Path() string { return string(c.Request.Path()) }

// SourceIP returns the client's address.
func (c *call) SourceIP() string {
	if ip := c.Request.SrcIP(); ip != nil {
		return ip.String()
	}
	return ""
}

// Argument returns the first value of an argument of the query string.
func (c *call) Argument(name string) string { return c.Request.Args().Get(name) }

// Arguments calls f for each argument of the query string and each of its values.
func (c *call) Arguments(f func(name, value string)) { kafkaupstream.Each(c.Request.Args(), f) }

func (c *call) Headers(f func(name, value string)) {
	kafkaupstream.Each(c.Request.Header().View(), func(name, value string) { f(strings.ToLower(name), value) })
}

// Failed returns why APISIX did not say the value of a variable: the connection is lost.
func (c *call) Failed() error { return c.failed }

// Gone returns nil: APISIX does not say it.
func (c *call) Gone() <-chan struct{} { return nil }

// Var returns the value of a variable, "" when there is none or it cannot be had.
func (c *call) Var(name string) string {
	value, err := c.Request.Var(name)
	if err != nil {
		c.failed = err
		return ""
	}
	return string(value)
}

// Body returns the body. It takes memory when APISIX hands the body over, and not when a client promises it: APISIX reads it meanwhile.
// The stock runner has read it when it knows how long it is.
func (c *call) Body(limit int, room kafkaupstream.Room) ([]byte, error) {
	promised := contentLength(c.Header("content-length"))
	if promised > int64(limit) {
		return nil, &kafkaupstream.BodyTooLarge{Size: promised, Limit: limit}
	}
	body, err := c.read(room)
	switch {
	case err != nil:
		return body, err
	case len(body) == 0 && c.lost(promised):
		return body, kafkaupstream.ErrBodyLost
	case len(body) > limit:
		return body, &kafkaupstream.BodyTooLarge{Size: int64(len(body)), Limit: limit}
	}
	return body, room.Hold(len(body))
}

func (c *call) read(room kafkaupstream.Room) ([]byte, error) {
	if r, ok := c.Request.(interface {
		BodyWithin(kafkaupstream.Room) ([]byte, error)
	}); ok {
		return r.BodyWithin(room)
	}
	return c.Request.Body()
}

// lost reports whether an empty body is one that APISIX had and could not read: it hands an empty
// one over then, and an empty record would be a loss answered with 200. Where no header says how long it was (chunked, HTTP/2), the variable does once
// APISIX has read it.
func (c *call) lost(promised int64) bool {
	if promised < 0 {
		promised = contentLength(c.Var("content_length"))
	}
	return promised > 0
}

// contentLength reads a Content-Length in bytes; -1: there is none.
func contentLength(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// Route returns the route's id: this project's host knows it, the stock runner has to ask.
func (c *call) Route() string {
	if r, ok := c.Request.(interface{ Route() string }); ok {
		return r.Route()
	}
	return c.Var("route_id")
}

func (c *call) write(w http.ResponseWriter, reply kafkaupstream.Reply) {
	reply.SetHeader(w.Header())
	w.WriteHeader(reply.Status)
	c.body = reply.AppendBody(c.body[:0])
	_, _ = w.Write(c.body) // a reply writer's Write cannot fail
}
