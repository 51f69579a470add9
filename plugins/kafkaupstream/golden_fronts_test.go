package kafkaupstream_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/internal/httpfront"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/routefile"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

// The fronts differ in this:
//
//   - A route that is wrong ends `serve`, or a file with it is refused; APISIX's front answers 500, and its log has why.
//   - A variable of the gateway's comes in a header that a flag names; APISIX's front asks for it. Those that are part of
//     the request, such as $args, both know.
//   - A case with any other difference has a front's own outcome behind "---- http" or "---- ext-plugin".
//
// All else is the same: each case runs through each front, on a socket.
var fronts = map[string]func(*testing.T, *kafkaupstream.GoldenCase) string{
	"http":       throughHTTP,
	"ext-plugin": throughAPISIX,
}

func TestGoldenCasesAreTheSameThroughEachFront(t *testing.T) {
	for name, through := range fronts {
		t.Run(name, func(t *testing.T) {
			kafkaupstream.GoldenCases(t, func(t *testing.T, c *kafkaupstream.GoldenCase) {
				t.Parallel()
				want := c.Want
				if other, differs := c.Differs[name]; differs {
					want = other
				}
				if got := through(t, c); got != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		})
	}
}

// sourceIP is the client's address in all cases.
var sourceIP = net.IPv4(192, 0, 2, 7).To4()

// throughHTTP has the case's route in a file as YAML, in which JSON is valid, and the gateway's word in headers.
func throughHTTP(t *testing.T, c *kafkaupstream.GoldenCase) string {
	file := "routes:\n  - {id: r1, match: {path: /*}, " + strings.TrimPrefix(c.Conf, "{")
	list, err := routefile.Read([]byte(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	trust := &httpfront.Trust{Socket: true, Variables: map[string]string{}}
	if route, err := routeconf.ParseRoute([]byte(c.Conf), routeconf.Limits{}); err == nil {
		for _, name := range route.Variables() {
			trust.Variables[name] = variableHeader(name)
		}
	}
	handler := c.Handler()
	routes, _, err := httpfront.Build(list, handler, trust, nil)
	if err != nil {
		return strings.ReplaceAll(kafkaupstream.Invalid(err), "routes[0] (r1): ", "")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bounds := httpfront.Bounds{HeaderTimeout: time.Minute, ReadTimeout: time.Minute, IdleTimeout: time.Minute, HeaderBytes: 32 << 10, Connections: 10}
	server := httpfront.New(httpfront.Options{Handler: handler, Trust: trust, Bounds: bounds, Log: slog.New(slog.DiscardHandler)}, routes)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() {
		if _, err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	return askHTTP(t, c, l.Addr().String())
}

func variableHeader(name string) string {
	return http.CanonicalHeaderKey("x-variable-" + strings.ReplaceAll(name, "_", "-"))
}

// requestText is the case's request as it is sent.
func requestText(c *kafkaupstream.GoldenCase) string {
	target := url.URL{Path: c.Path, RawQuery: c.Query}
	headers := append([][2]string{{"X-Forwarded-For", sourceIP.String()}}, c.Headers...)
	if !slices.ContainsFunc(c.Headers, func(h [2]string) bool { return h[0] == "host" }) {
		headers = append(headers, [2]string{"Host", "h"})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Vars)) {
		value := c.Vars[name]
		switch cookie, isCookie := strings.CutPrefix(name, "cookie_"); {
		case isCookie:
			headers = append(headers, [2]string{"Cookie", cookie + "=" + value})
		case name == "args":
			target.RawQuery = value
		case name == "content_type":
			headers = append(headers, [2]string{"Content-Type", value})
		default:
			headers = append(headers, [2]string{variableHeader(name), value})
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nConnection: close\r\n", c.Method, target.RequestURI())
	for _, h := range headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	if slices.Contains(c.Headers, [2]string{"transfer-encoding", "chunked"}) {
		fmt.Fprintf(&b, "\r\n%x\r\n%s\r\n0\r\n\r\n", len(c.Body), c.Body)
	} else {
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(c.Body), c.Body)
	}
	return b.String()
}

func askHTTP(t *testing.T, c *kafkaupstream.GoldenCase, address string) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, requestText(c)); err != nil {
		t.Fatal(err)
	}
	reply, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: c.Method})
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	if c.Method == http.MethodHead { // whose reply is the header
		body = []byte("\n")
	}
	for _, own := range []string{"Date", "Content-Length", "Connection"} { // HTTP's own
		delete(reply.Header, own)
	}
	return c.Outcome(reply.StatusCode, reply.Header, body)
}

// throughAPISIX speaks APISIX's protocol.
func throughAPISIX(t *testing.T, c *kafkaupstream.GoldenCase) string {
	dir, err := os.MkdirTemp("", "t") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket, log, ctx := filepath.Join(dir, "s"), slog.New(slog.DiscardHandler), context.Background()
	server, err := extplugin.Listen(extplugin.Options{SocketPath: socket, Log: log}, apisix.New(c.Handler(), log))
	if err != nil {
		t.Fatal(err)
	}
	client := gateway.NewClient(socket, gateway.ClientOptions{})
	defer func() {
		client.Close()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}()
	token, err := client.PrepareConf(ctx, "route#r1", []gateway.ConfEntry{{Name: apisix.Name, Value: c.Conf}})
	if err != nil {
		t.Fatal(err)
	}
	r := &gateway.Request{Method: c.Method, Path: c.Path, SrcIP: sourceIP, Body: func() ([]byte, error) { return []byte(c.Body), nil },
		Var: func(name string) (string, bool) { value, ok := c.Vars[name]; return value, ok }}
	for _, h := range c.Headers {
		r.Headers = append(r.Headers, gateway.Entry{Name: h[0], Value: h[1]})
	}
	arguments, err := url.ParseQuery(c.Query)
	if err != nil {
		t.Fatal(err)
	}
	kafkaupstream.Each(arguments, func(name, value string) { r.Args = append(r.Args, gateway.Entry{Name: name, Value: value}) })
	reply, err := client.Call(ctx, token, r)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	for _, h := range reply.Headers {
		header.Add(h.Name, h.Value)
	}
	if strings.HasPrefix(c.Want, "invalid ") {
		if reply.Status == 500 && strings.Contains(string(reply.Body), "the route's configuration is invalid") {
			return c.Want
		}
	}
	return c.Outcome(reply.Status, header, reply.Body)
}
