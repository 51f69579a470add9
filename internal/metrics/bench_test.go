package metrics

import (
	"context"
	"log/slog"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
)

// sender takes every record at once.
type sender struct{ kafkaupstream.Producers }

func (sender) Deliver(context.Context, *record.Batch)       {}
func (s sender) Way(*kafkaconf.Connection, bool) record.Way { return s }
func (sender) Warm(*kafkaconf.Connection)                   {}
func (sender) Hold(*kafkaconf.Connection, int) bool         { return true }
func (sender) Release(*kafkaconf.Connection, int)           {}

// request is a POST of a small JSON body.
type request struct{}

var body = []byte(`{"id":"a","value":1}`)

func (request) Method() string { return "POST" }
func (request) Path() string   { return "/" }
func (request) Header(name string) string {
	if name == "content-type" {
		return "application/json"
	}
	return ""
}
func (request) Headers(func(name, value string))             {}
func (request) Var(string) string                            { return "" }
func (request) Argument(string) string                       { return "" }
func (request) Arguments(func(name, value string))           {}
func (request) SourceIP() string                             { return "" }
func (request) Body(int, kafkaupstream.Room) ([]byte, error) { return body, nil }
func (request) Route() string                                { return "" }
func (request) Values(string) []string                       { return nil }
func (request) HeadersMissing() bool                         { return false }
func (request) Gone() <-chan struct{}                        { return nil }
func (request) Failed() error                                { return nil }

// BenchmarkHandle is a request's way through the plugin, without Kafka, with and
// without metrics.
func BenchmarkHandle(b *testing.B) {
	route, err := routeconf.ParseRoute([]byte(`{"config":{"bootstrap.servers":"a:1"},"topic":"t"}`), routeconf.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		observer kafkaupstream.Observer
	}{{"without", nil}, {"with", New(Build{}).Requests()}} {
		b.Run(c.name, func(b *testing.B) {
			h := kafkaupstream.NewHandler(kafkaupstream.HandlerOptions{Producers: sender{}, Log: slog.New(slog.DiscardHandler), Observer: c.observer})
			served, err := h.Prepare(route)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if reply := h.Handle(served, request{}); reply.Status != 200 {
					b.Fatal(reply.Status)
				}
			}
		})
	}
}
