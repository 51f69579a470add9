package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kafkaupstream/kafkaupstream/internal/tracing"
)

// spans collects what became of traces.
func spans(look func() tracing.Stats) prometheus.Collector {
	type stats = tracing.Stats
	of := func(result string, value func(*stats) int64) number[stats] {
		return counterOf("spans_total", "Spans recorded, and what became of them: recorded - exported - failed = waiting, or dropped (queue full).",
			prometheus.Labels{"result": result}, value)
	}
	return numbers[stats]{look, []number[stats]{
		of("recorded", func(s *stats) int64 { return s.Recorded }),
		of("exported", func(s *stats) int64 { return s.Exported }),
		of("failed", func(s *stats) int64 { return s.Failed }),
	}}
}
