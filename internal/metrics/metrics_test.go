package metrics

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/extplugin"
	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
)

// watching returns metrics of sources that say nothing but what look does.
func watching(look producer.Stats) *Metrics {
	m := New(Build{"v1", "abc", "2.x"})
	m.Watch(Sources{
		Producers: func() producer.Stats { return look },
		Host:      func() extplugin.Stats { return extplugin.Stats{Tokens: 3, Configurations: 2, Invalid: 1} },
		Spool: func() (durable.Stats, error) {
			return durable.Stats{Records: 7, Oldest: time.Now().Add(-time.Hour),
				DeadLetterBytes: 8, DeadLetterMaxBytes: 9, DeadLettersDropped: 10}, nil
		},
		LogLinesDropped: func() int64 { return 1 },
		AdminAttempts:   func() int64 { return 2 },
	})
	return m
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text, _ := io.ReadAll(w.Body)
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, text)
	}
	return string(text)
}

func want(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			t.Errorf("there is no line %s; there are", line)
			for _, l := range strings.Split(text, "\n") {
				if strings.HasPrefix(l, name) {
					t.Log(l)
				}
			}
		}
	}
}

func TestObserverCounts(t *testing.T) {
	m := watching(producer.Stats{InflightBytes: 10, MaxInflightBytes: 20, Fatal: 1, Producers: []producer.ProducerStats{{
		ID: "0123abcd", Mode: record.Mode{Delivery: record.Sync}, State: producer.StateUp, Records: 4, Bytes: 5,
		BrokerStats: []producer.BrokerStats{{ID: 1, RTT: time.Millisecond, RTTp99: 2 * time.Millisecond, Throttle: time.Second}},
	}}})
	r, a := m.Requests(), m.Acknowledgements()
	r.Began()
	r.Began()
	r.Ended(record.Mode{Delivery: record.Sync}, 200, 3*time.Millisecond, 100)
	r.Record(record.Mode{Delivery: record.Sync}, kafkaupstream.DeliveredYes)
	r.Refused(500)
	r.Failed(record.KindNoBroker)
	a.Outcome(20*time.Millisecond, nil)
	a.Outcome(time.Minute, &record.Error{Kind: record.KindTooLarge})
	want(t, scrape(t, m),
		`kafkaupstream_requests_in_flight 1`,
		`kafkaupstream_requests_total{code="200"} 1`,
		`kafkaupstream_requests_total{code="500"} 1`,
		`kafkaupstream_requests_total{code="503"} 0`,
		`kafkaupstream_request_body_bytes_total 100`,
		`kafkaupstream_request_duration_seconds_bucket{delivery="sync",le="0.0025"} 0`,
		`kafkaupstream_request_duration_seconds_bucket{delivery="sync",le="0.005"} 1`,
		`kafkaupstream_records_total{delivered="yes",delivery="sync"} 1`,
		`kafkaupstream_record_failures_total{reason="no_broker"} 1`,
		`kafkaupstream_acknowledgement_duration_seconds_count 1`,
		`kafkaupstream_delivery_reports_total{result="acknowledged"} 1`,
		`kafkaupstream_delivery_reports_total{result="too_large"} 1`,
		`kafkaupstream_inflight_bytes 10`,
		`kafkaupstream_inflight_bytes_max 20`,
		`kafkaupstream_producer_fatal_errors_total 1`,
		`kafkaupstream_producers{state="up"} 1`,
		`kafkaupstream_producers{state="down"} 0`,
		`kafkaupstream_producer_up{delivery="sync",producer="0123abcd"} 1`,
		`kafkaupstream_producer_queue_records{producer="0123abcd"} 4`,
		`kafkaupstream_broker_round_trip_average_seconds{broker="1",producer="0123abcd"} 0.001`,
		`kafkaupstream_broker_round_trip_p99_seconds{broker="1",producer="0123abcd"} 0.002`,
		`kafkaupstream_broker_throttle_max_seconds{broker="1",producer="0123abcd"} 1`,
		`kafkaupstream_configurations{state="valid"} 1`,
		`kafkaupstream_configurations{state="invalid"} 1`,
		`kafkaupstream_apisix_tokens 3`,
		`kafkaupstream_spool_records 7`,
		`kafkaupstream_spool_dead_letters_bytes 8`,
		`kafkaupstream_spool_dead_letters_bytes_max 9`,
		`kafkaupstream_spool_dead_letters_dropped_total 10`,
		`kafkaupstream_spool_up 1`,
		`kafkaupstream_log_lines_dropped_total 1`,
		`kafkaupstream_admin_listen_failures_total 2`,
		`kafkaupstream_build_info{commit="abc",librdkafka="2.x",version="v1"} 1`,
	)
}

func TestNamesFollowPrometheusConventions(t *testing.T) {
	m := watching(producer.Stats{Producers: []producer.ProducerStats{{ID: "a", BrokerStats: []producer.BrokerStats{{}}}}})
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	many := producer.Stats{}
	for i := range 1000 {
		many.Producers = append(many.Producers, producer.ProducerStats{ID: fmt.Sprintf("%08x", i), Records: 1, State: producer.StateDown})
	}
	m := watching(many)
	for status := range 10000 {
		m.Requests().Refused(status)
	}
	m.Requests().Record(record.Mode{Delivery: record.Sync}, "made up")
	for delivery := range record.Deliveries {
		for _, outcome := range outcomes {
			m.Requests().Record(record.Mode{Delivery: delivery}, outcome)
			m.Requests().Record(record.Mode{Delivery: delivery, Transactional: true}, outcome)
		}
	}
	for kind := range record.Kinds {
		m.Acknowledgements().Outcome(0, &record.Error{Kind: kind})
	}
	text := scrape(t, m)
	want(t, text, `kafkaupstream_producer_queue_records{producer="others"} 900`, `kafkaupstream_producers{state="down"} 1000`)
	for name, most := range map[string]int{
		"kafkaupstream_requests_total": len(statuses) + 1, "kafkaupstream_records_total": modes * len(outcomes),
		"kafkaupstream_producer_queue_records": maxProducers + 1, "kafkaupstream_producer_up": maxProducers,
		"kafkaupstream_delivery_reports_total": int(record.Kinds) + 1,
	} {
		if n := strings.Count(text, "\n"+name+"{"); n != most {
			t.Errorf("%s has %d series, want %d", name, n, most)
		}
	}
}

func TestToCountAllocatesNothing(t *testing.T) {
	m := New(Build{})
	r, a := m.Requests(), m.Acknowledgements()
	failure := &record.Error{Kind: record.KindUnconfirmed}
	if n := testing.AllocsPerRun(100, func() {
		r.Began()
		r.Ended(record.Mode{Delivery: record.Durable}, 202, time.Second, 10)
		r.Record(record.Mode{Delivery: record.Durable}, kafkaupstream.DeliveredPending)
		r.Failed(record.KindNoBroker)
		a.Outcome(time.Second, nil)
		a.Outcome(time.Second, failure)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
