package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// otlpCollector keeps what it gets, as text and decoded.
type otlpCollector struct {
	*httptest.Server
	mu       sync.Mutex
	raw      strings.Builder
	spans    []*tracepb.Span
	resource map[string]string
}

func startCollector(t *testing.T) *otlpCollector {
	t.Helper()
	c := &otlpCollector{resource: map[string]string{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		var data tracepb.TracesData
		if err := proto.Unmarshal(text, &data); err != nil {
			t.Errorf("not OTLP: %v", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw.Write(text)
		for _, of := range data.ResourceSpans {
			for _, a := range of.Resource.Attributes {
				c.resource[a.Key] = anyText(a.Value)
			}
			for _, scope := range of.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *otlpCollector) wait(t *testing.T, n int) []*tracepb.Span {
	t.Helper()
	var got []*tracepb.Span
	program.Until(t, "the spans arrive", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		got = c.spans
		return len(got) >= n
	})
	if len(got) != n {
		t.Fatalf("%d spans arrived, want %d", len(got), n)
	}
	return got
}

func anyText(v *commonpb.AnyValue) string { return v.String() }

func attributesOf(s *tracepb.Span) map[string]string {
	all := map[string]string{}
	for _, a := range s.Attributes {
		all[a.Key] = strings.TrimSpace(anyText(a.Value))
	}
	return all
}

// recordsOf returns what is in the topic t, when there are n records.
func recordsOf(t *testing.T, c *kfake.Cluster, n int) (all []*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), program.Patience)
	defer cancel()
	for len(all) < n && ctx.Err() == nil {
		all = append(all, cl.PollFetches(ctx).Records()...)
	}
	if len(all) != n {
		t.Fatalf("%d records, want %d", len(all), n)
	}
	return all
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// send posts with headers and returns the status.
func (a *caller) send(t *testing.T, body string, headers ...gateway.Entry) int {
	t.Helper()
	r, err := a.Call(context.Background(), a.token, &gateway.Request{
		Method: "POST", Path: "/", Headers: headers, Body: func() ([]byte, error) { return []byte(body), nil }})
	if err != nil {
		t.Fatal(err)
	}
	return r.Status
}

const (
	sampled   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

func TestTracesGoThroughKafka(t *testing.T) {
	t.Parallel()
	otlp, c, socket := startCollector(t), startBroker(t), socketPath(t)
	p := startRun(t, socket, program.Options{Env: []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + otlp.URL, "OTEL_SERVICE_NAME=orders-gateway", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test",
		"OTEL_BSP_SCHEDULE_DELAY=20", "OTEL_EXPORTER_OTLP_HEADERS=authorization=planted-token",
		"KAFKAUPSTREAM_LOG_LEVEL=debug", "KAFKAUPSTREAM_LOG_FORMAT=json",
	}})
	a := connect(t, socket, route(c, `,"sasl.password":"planted-password","debug":"all","log_level":7`, `,"delivery":"sync","key":"planted-key"`))
	if got := a.send(t, "planted-payload", gateway.Entry{Name: "traceparent", Value: sampled}, gateway.Entry{Name: "baggage", Value: "user=planted"},
		gateway.Entry{Name: "authorization", Value: "Bearer planted"}); got != 200 {
		t.Fatalf("status %d", got)
	}
	span := otlp.wait(t, 1)[0]
	record := recordsOf(t, c, 1)[0]
	if hex.EncodeToString(span.TraceId) != sampled[3:35] || hex.EncodeToString(span.ParentSpanId) != sampled[36:52] {
		t.Errorf("the span is not below the request's: %v", span)
	}
	if got, want := header(record, "traceparent"), sampled[:36]+hex.EncodeToString(span.SpanId)+"-01"; got != want {
		t.Errorf("the record has %s, the span is %s", got, want)
	}
	if got := header(record, "baggage"); got != "user=planted" {
		t.Errorf("baggage %q", got)
	}
	if span.Name != "send t" || span.Kind != tracepb.Span_SPAN_KIND_PRODUCER || span.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR ||
		span.EndTimeUnixNano <= span.StartTimeUnixNano {
		t.Errorf("%v", span)
	}
	got := attributesOf(span)
	for name, value := range map[string]string{
		"messaging.system": `string_value:"kafka"`, "messaging.operation.name": `string_value:"send"`, "messaging.operation.type": `string_value:"send"`,
		"messaging.destination.name": `string_value:"t"`, "messaging.destination.partition.id": `string_value:"0"`, "messaging.kafka.offset": "int_value:0",
		"kafkaupstream.delivery": `string_value:"sync"`, "kafkaupstream.delivered": `string_value:"yes"`,
	} {
		if got[name] != value {
			t.Errorf("%s is %s, want %s", name, got[name], value)
		}
	}
	for name, value := range map[string]string{
		"service.name": `string_value:"orders-gateway"`, "deployment.environment.name": `string_value:"test"`, "service.version": `string_value:"v1.2.3"`,
	} {
		if otlp.resource[name] != value {
			t.Errorf("%s is %s, want %s", name, otlp.resource[name], value)
		}
	}

	// Not sampled by the parent: the record is in the trace, and no span is exported.
	if got := a.send(t, "v", gateway.Entry{Name: "traceparent", Value: unsampled}); got != 200 {
		t.Fatalf("status %d", got)
	}
	// No trace: this one begins it. What is waiting at SIGTERM is exported before the end.
	a.prepare(t, route(c, "", `,"delivery":"sync","partition":7,"timeout_ms":3000`))
	if got := a.send(t, "v"); got != 404 {
		t.Fatalf("status %d", got)
	}
	p.Signal(syscall.SIGTERM)
	if code := p.Exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	second := recordsOf(t, c, 2)[1]
	if got := header(second, "traceparent"); got[:36] != unsampled[:36] || !strings.HasSuffix(got, "-00") {
		t.Errorf("the record has %s", got)
	}
	failed := otlp.wait(t, 2)[1]
	if got := attributesOf(failed); failed.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR || got["error.type"] != `string_value:"partition_not_found"` || len(failed.ParentSpanId) > 0 {
		t.Errorf("%v", failed)
	}
	for _, line := range p.Stderr.Lines() {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	if !strings.Contains(p.Stderr.String(), `"msg":"librdkafka"`) {
		t.Error("the log is not at its loudest")
	}
	if strings.Contains(otlp.raw.String(), "planted") || strings.Contains(p.Stderr.String(), "planted") {
		t.Error("a secret, a key or a payload went to the collector, or to the log")
	}
}

func TestCollectorThatHangsHoldsUpNoRequestAndNoEnd(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hangs.Close()
	defer close(release)
	c, socket := startBroker(t), socketPath(t)
	p := startRun(t, socket, program.Options{Env: []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + hangs.URL, "OTEL_BSP_SCHEDULE_DELAY=1", "OTEL_BSP_MAX_QUEUE_SIZE=2"}})
	a := connect(t, socket, route(c, "", `,"delivery":"sync"`))
	for range 50 {
		a.mustPost(t, "v", 200)
	}
	before := time.Now()
	p.Signal(syscall.SIGTERM)
	if code := p.Exit(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.Stderr)
	}
	t.Logf("the end took %v", time.Since(before))
	recordsOf(t, c, 50)
}

func TestRecordsAreInTheRequestsTraceWithoutACollector(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	if got := program.Send(t, "POST", d.URL+"/", "v", "traceparent", sampled); got.Status != 200 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	d.waitForRecord(t, "header traceparent="+sampled, "value=v")
	d.interrupt(t)
}
