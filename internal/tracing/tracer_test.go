package tracing

import (
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// env is a process's environment.
type env map[string]string

func (e env) get(name string) string { return e[name] }

// collector keeps the spans that it gets.
type collector struct {
	*httptest.Server
	spans  chan *tracepb.Span
	posts  atomic.Int64
	status func(post int64) int
	header http.Header
}

func collect(t *testing.T, status func(post int64) int) *collector {
	t.Helper()
	c := &collector{spans: make(chan *tracepb.Span, 100), status: status}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := c.posts.Add(1)
		code := 200
		if c.status != nil {
			code = c.status(n)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(code)
		if code != 200 {
			return
		}
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(body)
		}
		text, err := io.ReadAll(body)
		var data tracepb.TracesData
		if err != nil || proto.Unmarshal(text, &data) != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: not OTLP: %q, %v", r.URL.Path, text, err)
		}
		c.header = r.Header.Clone()
		for _, of := range data.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				for _, span := range scope.Spans {
					select {
					case c.spans <- span:
					default: // nobody wants to see so many
					}
				}
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func start(t *testing.T, e env) (*Tracer, *await.Log) {
	t.Helper()
	log := &await.Log{}
	tracer := New(Options{Getenv: e.get, Version: "v1", Log: slog.New(slog.NewTextHandler(log, nil))})
	if tracer == nil {
		t.Fatalf("no tracer: %s", log)
	}
	t.Cleanup(func() {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		tracer.Close(over)
	})
	return tracer, log
}

func TestSpanReachesTheCollector(t *testing.T) {
	c := collect(t, nil)
	tracer, _ := start(t, env{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x,b=c", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
	})
	request := Extract(headers{{"traceparent", parent}, {"tracestate", "a=1"}, {"baggage", "b=2"}})
	s := tracer.Start(request, Message{Topic: "t", Records: 3, Delivery: "sync"})
	at := s.Context()
	if at.Traceparent == parent || at.Traceparent[:36] != parent[:36] || at.Tracestate != "a=1" || at.Baggage != "b=2" {
		t.Errorf("the span is at %+v", at)
	}
	s.End(Result{Delivered: "yes", Acknowledged: true, Partition: 2, Offset: 41})
	tracer.Close(context.Background())
	span := <-c.spans
	if span.Name != "send t" || span.Kind != tracepb.Span_SPAN_KIND_PRODUCER {
		t.Errorf("%v", span)
	}
	if c.header.Get("Authorization") != "Bearer x" || c.header.Get("B") != "c" || c.header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("headers: %v", c.header)
	}
	if got := tracer.Stats(); got != (Stats{1, 1, 0}) {
		t.Errorf("%+v", got)
	}
}

func TestParentDecidesWhatIsRecorded(t *testing.T) {
	c := collect(t, nil)
	tracer, _ := start(t, env{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL})
	s := tracer.Start(Extract(headers{{"traceparent", strings.TrimSuffix(parent, "1") + "0"}}), Message{Topic: "t", Records: 1})
	s.End(Result{})
	if at := s.Context().Traceparent; at[:36] != parent[:36] || !strings.HasSuffix(at, "-00") || strings.Contains(at, parent[36:52]) {
		t.Errorf("the span is at %s", at)
	}
	if got := tracer.Stats().Recorded; got != 0 {
		t.Errorf("%d spans were recorded", got)
	}
}

func TestRecordsCarryTheRequestsTraceparentWithoutATracer(t *testing.T) {
	var none *Tracer
	at := Context{Traceparent: parent, Baggage: "a=1"}
	s := none.Start(at, Message{})
	s.End(Result{})
	if got := s.Context(); got.Traceparent != parent || got.Baggage != "a=1" {
		t.Errorf("%+v", got)
	}
	none.Close(context.Background())
}

func TestCollectorThatIsBusyIsAskedAgain(t *testing.T) {
	c := collect(t, func(post int64) int {
		if post == 1 {
			return 503
		}
		return 200
	})
	tracer, _ := start(t, env{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL})
	s := tracer.Start(Context{}, Message{Topic: "t"})
	s.End(Result{Error: "no_broker"})
	_ = tracer.provider.ForceFlush(context.Background())
	if span := <-c.spans; span.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("%v", span)
	}
}

func TestSpansThatACollectorRefusesAreCountedAndLogged(t *testing.T) {
	for name, status := range map[string]int{"it refuses": 400, "it sends elsewhere": 302} {
		t.Run(name, func(t *testing.T) {
			c := collect(t, func(int64) int { return status })
			tracer, log := start(t, env{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.URL + "/planted-path?planted=query", "OTEL_EXPORTER_OTLP_HEADERS": "k=planted"})
			s := tracer.Start(Context{}, Message{Topic: "t"})
			s.End(Result{})
			tracer.Close(context.Background())
			if got := tracer.Stats(); got != (Stats{1, 0, 1}) || c.posts.Load() != 1 {
				t.Errorf("%+v after %d posts", got, c.posts.Load())
			}
			if text := log.String(); strings.Count(text, "spans could not be exported") != 1 || strings.Contains(text, "planted") {
				t.Errorf("the log: %s", text)
			}
		})
	}
}

func TestCollectorThatHangsHoldsNobodyUp(t *testing.T) {
	release := make(chan struct{})
	c := collect(t, func(int64) int { <-release; return 200 })
	defer close(release)
	tracer, log := start(t, env{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL})
	const spans = 10000 // far more than are kept
	for range spans {
		s := tracer.Start(Context{}, Message{Topic: "t"})
		s.End(Result{})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	tracer.Close(ctx)
	if ctx.Err() == nil {
		t.Error("the collector did not hang")
	}
	if got := tracer.Stats(); got.Recorded != spans || got.Exported != 0 {
		t.Errorf("%+v; log: %s", got, log)
	}
}

func TestCollectorThatIsAwayEndsWithTheProgram(t *testing.T) {
	tracer, log := start(t, env{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://user:planted@127.0.0.1:1"})
	s := tracer.Start(Context{}, Message{Topic: "t"})
	s.End(Result{})
	tracer.Close(context.Background()) // it would try for ten seconds
	if got := tracer.Stats().Failed; got != 1 || strings.Contains(log.String(), "planted") {
		t.Errorf("%d failed; log: %s", got, log)
	}
}

func TestVariables(t *testing.T) {
	const endpoint, base = "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"
	for _, c := range []struct {
		says string
		env  env
		url  string // "": no traces
		err  string
	}{
		{"none", env{}, "", ""},
		{"an endpoint", env{endpoint: base}, base + "/v1/traces", ""},
		{"one with a path", env{endpoint: base + "/otlp/"}, base + "/otlp/v1/traces", ""},
		{"the traces' own is taken as it is", env{endpoint: base, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://d/x"}, "https://d/x", ""},
		{"turned off", env{endpoint: base, "OTEL_SDK_DISABLED": "True"}, "", ""},
		{"no exporter", env{endpoint: base, "OTEL_TRACES_EXPORTER": "none"}, "", ""},
		{"another exporter", env{endpoint: base, "OTEL_TRACES_EXPORTER": "zipkin"}, "", "OTEL_TRACES_EXPORTER: expected otlp or none"},
		{"no URL", env{endpoint: "planted:4317"}, "", "OTEL_EXPORTER_OTLP_ENDPOINT: expected a URL"},
		{"gRPC", env{endpoint: base, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", "OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf"},
		{"a timeout", env{endpoint: base, "OTEL_EXPORTER_OTLP_TIMEOUT": "planted"}, "", "OTEL_EXPORTER_OTLP_TIMEOUT: expected milliseconds"},
		{"headers", env{endpoint: base, "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "planted"}, "", "OTEL_EXPORTER_OTLP_TRACES_HEADERS: expected name=value"},
		{"headers that break out", env{endpoint: base, "OTEL_EXPORTER_OTLP_HEADERS": "a=b%0d%0aplanted: x"}, "", "OTEL_EXPORTER_OTLP_HEADERS"},
		{"compression", env{endpoint: base, "OTEL_EXPORTER_OTLP_COMPRESSION": "planted"}, "", "expected gzip or none"},
		{"a certificate", env{endpoint: base, "OTEL_EXPORTER_OTLP_CERTIFICATE": "/planted"}, "", "OTEL_EXPORTER_OTLP_CERTIFICATE: expected a file"},
		{"a client's certificate", env{endpoint: base, "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/planted"}, "", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and"},
	} {
		s, err := readSettings(c.env.get)
		switch {
		case c.err != "":
			if err == nil || !strings.HasPrefix(err.Error(), c.err) && !strings.HasSuffix(err.Error(), c.err) || strings.Contains(err.Error(), "planted") {
				t.Errorf("%s: %v", c.says, err)
			}
			if New(Options{Getenv: c.env.get, Log: slog.New(slog.DiscardHandler)}) != nil {
				t.Errorf("%s: there is a tracer", c.says)
			}
		case err != nil:
			t.Errorf("%s: %v", c.says, err)
		case c.url == "" && s != nil, c.url != "" && (s == nil || s.url.String() != c.url):
			t.Errorf("%s: %+v", c.says, s)
		}
	}
}
