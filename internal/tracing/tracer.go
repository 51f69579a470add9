package tracing

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// none is the context of calls of the SDK that wait for nothing.
var none = context.Background()

const (
	defaultService = "kafkaupstream"
	scope          = "github.com/kafkaupstream/kafkaupstream"
	// operation is what a span is of.
	operation = "send"
)

type Options struct {
	Getenv  func(string) string
	Version string // of the program
	Log     *slog.Logger
}

// Tracer makes spans and exports them. A nil Tracer makes none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	client   *client
	recorded atomic.Int64
}

// New returns the tracer that the OTEL_* variables ask for, nil if they ask for none:
// where no endpoint is named, or the SDK or the exporter is turned off. What is wrong
// with them is logged and never stops the program. Sampler, batches and resource are
// read from the process's environment by OpenTelemetry's SDK.
func New(o Options) *Tracer {
	settings, err := readSettings(o.Getenv)
	if err != nil {
		o.Log.Error("tracing is off", "error", err)
		return nil
	}
	if settings == nil {
		return nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Log.Warn("OpenTelemetry SDK", "error", err) }))
	made, err := resource.New(none,
		resource.WithHost(),
		resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName(defaultService), semconv.ServiceVersion(o.Version)),
		resource.WithFromEnv(), // over the others
	)
	if err != nil {
		o.Log.Warn("some resource attributes of traces could not be detected", "error", err)
	}
	t := &Tracer{client: newClient(settings, o.Log)}
	t.provider = sdktrace.NewTracerProvider(
		sdktrace.WithResource(made), sdktrace.WithBatcher(otlptrace.NewUnstarted(t.client)))
	t.tracer = t.provider.Tracer(scope, trace.WithInstrumentationVersion(o.Version), trace.WithSchemaURL(semconv.SchemaURL))
	return t
}

// Close exports what there is, until ctx ends at the latest. Spans that end after it are
// lost.
func (t *Tracer) Close(ctx context.Context) {
	if t == nil {
		return
	}
	t.client.hurry()
	_ = t.provider.Shutdown(ctx) // what was lost is counted and logged by the client
}

// Stats is how many spans there were.
type Stats struct {
	Recorded, Exported, Failed int64 // what is recorded and neither is waiting, or was dropped
}

// Stats returns the tracer's numbers.
func (t *Tracer) Stats() Stats {
	return Stats{t.recorded.Load(), t.client.exported.Load(), t.client.failed.Load()}
}

// Message is what a span says of what is sent. There is no key, header or value in it.
type Message struct {
	Topic   string
	Records int // 1: one record, and no batch
	// Tombstone reports whether the one record has a null value.
	Tombstone bool
	// Delivery is the route's.
	Delivery string
}

// Result is what became of it.
type Result struct {
	Delivered string // as in the reply
	// Partition and Offset are of one record that was acknowledged.
	Acknowledged bool
	Partition    int32
	Offset       int64
	// Error is the reason why not all went well, of a fixed set; "": all did.
	Error string
}

// Span is something on its way to Kafka. The zero Span is none.
type Span struct {
	span trace.Span
	at   Context
	of   *Tracer
}

// Start begins a span below the request's, where there is a tracer. Whether it is
// recorded is as the request's was, and otherwise for OTEL_TRACES_SAMPLER to say.
func (t *Tracer) Start(request Context, m Message) Span {
	if t == nil {
		return Span{at: request}
	}
	s := Span{at: request, of: t}
	parent := none
	if request.span.IsValid() {
		parent = trace.ContextWithRemoteSpanContext(parent, request.span)
	}
	_, s.span = t.tracer.Start(parent, operation+" "+m.Topic,
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attributes(m)...))
	s.at.setSpan(s.span.SpanContext())
	return s
}

func attributes(m Message) []attribute.KeyValue {
	all := []attribute.KeyValue{
		semconv.MessagingSystemKafka, semconv.MessagingOperationName(operation), semconv.MessagingOperationTypeSend,
		semconv.MessagingDestinationName(m.Topic), attribute.String("kafkaupstream.delivery", m.Delivery),
	}
	if m.Records > 1 {
		all = append(all, semconv.MessagingBatchMessageCount(m.Records))
	}
	if m.Tombstone {
		all = append(all, semconv.MessagingKafkaMessageTombstone(true))
	}
	return all
}

// Context is what goes with the records: the span's place, or the request's where there
// is no span.
func (s *Span) Context() Context { return s.at }

func (s *Span) End(r Result) {
	if s.span == nil || !s.span.IsRecording() {
		return
	}
	s.span.SetAttributes(attribute.String("kafkaupstream.delivered", r.Delivered))
	if r.Acknowledged {
		s.span.SetAttributes(semconv.MessagingDestinationPartitionID(strconv.Itoa(int(r.Partition))), semconv.MessagingKafkaOffset(int(r.Offset)))
	}
	if r.Error != "" {
		s.span.SetAttributes(semconv.ErrorTypeKey.String(r.Error))
		s.span.SetStatus(codes.Error, "")
	}
	s.of.recorded.Add(1)
	s.span.End(trace.WithTimestamp(time.Now()))
}
