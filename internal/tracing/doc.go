// Package tracing follows a request into Kafka: it reads the place in a trace that a
// request has (W3C Trace Context and Baggage), makes a span of what is sent where the
// OTEL_* variables name a collector, and exports spans in the background.
//
// It is the only package that knows OpenTelemetry. It is not for what goes into a record:
// plugins/kafkaupstream asks it for a [Context] and puts that into headers.
// cmd/kafkaupstream makes the [Tracer].
//
// OpenTelemetry's SDK samples, batches and bounds; its OTLP/HTTP exporter, which brings
// gRPC into the binary (7 MB), is replaced by the few lines of client.go. The encoding is
// still OpenTelemetry's.
package tracing
