package metrics

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
	"github.com/kafkaupstream/kafkaupstream/internal/httpfront"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/tracing"
)

// namespace begins every name.
const namespace = "kafkaupstream"

// Build is what is known of the binary.
type Build struct{ Version, Commit, Librdkafka string }

// Metrics are the program's.
type Metrics struct {
	registry *prometheus.Registry
	requests *Requests
	acks     *Acknowledgements
}

// New makes the metrics that do not depend on what runs.
func New(build Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": build.Version, "commit": build.Commit, "librdkafka": build.Librdkafka},
	})
	info.Set(1)
	m.registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.requests = newRequests(m.registry)
	m.acks = newAcknowledgements(m.registry)
	return m
}

// Requests observes requests and records; see kafkaupstream.Observer.
func (m *Metrics) Requests() *Requests { return m.requests }

// Acknowledgements observes the outcomes of the records that producers have; see
// producer.Observer.
func (m *Metrics) Acknowledgements() *Acknowledgements { return m.acks }

// Sources are where numbers are taken from, each time that somebody asks for them.
type Sources struct {
	Producers func() producer.Stats
	// Host and Front are nil for what is not the program's front.
	Host  func() extplugin.Stats
	Front func() httpfront.Stats
	// Spool is nil where there is none.
	Spool func() (durable.Stats, error)
	// LogLinesDropped is since the beginning.
	LogLinesDropped func() int64
	// AdminAttempts is how often the admin's address could not be listened on.
	AdminAttempts func() int64
	// Spans is nil where there are no traces.
	Spans func() tracing.Stats
}

// Watch begins to take numbers from the sources.
func (m *Metrics) Watch(s Sources) {
	m.registry.MustRegister(producers(s.Producers))
	if s.Host != nil {
		m.registry.MustRegister(host(s.Host))
	}
	if s.Front != nil {
		m.registry.MustRegister(front(s.Front))
	}
	if s.Spool != nil {
		m.registry.MustRegister(spool(s.Spool))
	}
	if s.Spans != nil {
		m.registry.MustRegister(spans(s.Spans))
	}
	m.counter("log_lines_dropped_total", "Log lines that could not be written in time.", s.LogLinesDropped)
	m.counter("admin_listen_failures_total", "Attempts to listen on --admin that failed, as while an earlier runner has it.", s.AdminAttempts)
}

func (m *Metrics) counter(name, help string, value func() int64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(
		prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, func() float64 { return float64(value()) }))
}

const (
	// maxScrapes is how many may be answered at a time.
	maxScrapes = 4
	// scrapeTimeout bounds one.
	scrapeTimeout = 8 * time.Second
)

func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes, Timeout: scrapeTimeout,
	})
}

// describe names a metric that a collector makes.
func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func count(desc *prometheus.Desc, value int64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
}

// numbers is a collector of numbers that are all taken from one look at a package.
type numbers[S any] struct {
	look func() S
	each []number[S]
}

// number is one of them.
type number[S any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*S) float64
}

// Describe names the metrics.
func (n numbers[S]) Describe(out chan<- *prometheus.Desc) {
	for _, one := range n.each {
		out <- one.desc
	}
}

// Collect takes a look.
func (n numbers[S]) Collect(out chan<- prometheus.Metric) {
	s := n.look()
	for _, one := range n.each {
		out <- prometheus.MustNewConstMetric(one.desc, one.kind, one.value(&s))
	}
}

// gaugeOf is a number that rises and falls.
func gaugeOf[S any, N int64 | float64](name, help string, labels prometheus.Labels, value func(*S) N) number[S] {
	return number[S]{constant(name, help, labels), prometheus.GaugeValue, func(s *S) float64 { return float64(value(s)) }}
}

// counterOf is a number that only rises.
func counterOf[S any](name, help string, labels prometheus.Labels, value func(*S) int64) number[S] {
	return number[S]{constant(name, help, labels), prometheus.CounterValue, func(s *S) float64 { return float64(value(s)) }}
}

func constant(name, help string, labels prometheus.Labels) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, nil, labels)
}
