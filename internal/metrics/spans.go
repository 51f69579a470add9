package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kafkaupstream/kafkaupstream/internal/tracing"
)

// spans collects what became of traces.
type spans func() tracing.Stats

var spansTotal = describe("spans_total", "Spans recorded, and what became of them: recorded - exported - failed = waiting, or dropped (queue full).", "result")

// Describe names the metric.
func (spans) Describe(out chan<- *prometheus.Desc) { out <- spansTotal }

// Collect takes a look.
func (look spans) Collect(out chan<- prometheus.Metric) {
	s := look()
	out <- count(spansTotal, s.Recorded, "recorded")
	out <- count(spansTotal, s.Exported, "exported")
	out <- count(spansTotal, s.Failed, "failed")
}
