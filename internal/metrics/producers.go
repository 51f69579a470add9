package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kafkaupstream/kafkaupstream/internal/producer"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

const (
	// maxProducers is how many producers have series of their own. What others have in
	// their queues counts as otherProducers'.
	maxProducers   = 100
	otherProducers = "others"
)

// Acknowledgements are the metrics of what becomes of the records that producers have.
type Acknowledgements struct {
	duration     prometheus.Observer
	acknowledged prometheus.Counter
	failed       [record.Kinds]prometheus.Counter // nil: not foreseen
	more         *prometheus.CounterVec
}

// reported are the reasons that a report can have. The others are those of records that
// librdkafka has not had, or reports as something else (a topic that was deleted as a
// partition that is not there). One of them that comes all the same has a series from then
// on.
var reported = [...]record.Kind{
	record.KindUnconfirmed, record.KindPartitionNotFound, record.KindTopicInvalid, record.KindForbidden,
	record.KindTooLarge, record.KindRejected, record.KindConfig, record.KindTooFewReplicas,
	record.KindUnavailable, record.KindInternal,
}

var _ producer.Observer = (*Acknowledgements)(nil)

func newAcknowledgements(to prometheus.Registerer) *Acknowledgements {
	duration := prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: "acknowledgement_duration_seconds",
		Help: "Time from a record's being queued with librdkafka to Kafka's acknowledgement.", Buckets: requestBuckets})
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "delivery_reports_total",
		Help: "Records that librdkafka had, by what became of them: acknowledged, or the reason why not."}, []string{"result"})
	to.MustRegister(duration, results)
	a := &Acknowledgements{duration: duration, acknowledged: results.WithLabelValues("acknowledged"), more: results}
	for _, kind := range reported {
		a.failed[kind] = results.WithLabelValues(kind.String())
	}
	return a
}

func (a *Acknowledgements) Outcome(took time.Duration, err *record.Error) {
	if err == nil {
		a.acknowledged.Inc()
		a.duration.Observe(took.Seconds())
	} else if counter := a.failed[err.Kind]; counter != nil {
		counter.Inc()
	} else {
		a.more.WithLabelValues(err.Kind.String()).Inc()
	}
}

// producers collects what the pool says of itself.
type producers func() producer.Stats

var (
	inflightBytes    = describe("inflight_bytes", "Memory that requests and queued records take.")
	inflightBytesMax = describe("inflight_bytes_max", "The most that it may be: --max-inflight-bytes.")
	producerCount    = describe("producers", "Connections to clusters, by whether the cluster answers.", "state")
	producersStarted = describe("producers_started_total", "Producers made: at first use, and again after a failure or ten idle minutes.")
	producersFailed  = describe("producer_fatal_errors_total", "Producers that failed for good and were replaced.")
	connectionBreaks = describe("broker_connection_breaks_total", "Connections to brokers that broke or timed out, as of librdkafka's last statistics.")
	producerUp       = describe("producer_up", "1: the connection's cluster answers; 0: it does not, or nothing is known of it, or the connection cannot be made.", "producer", "delivery")
	queueRecords     = describe("producer_queue_records", "Records given to librdkafka and not reported yet.", "producer")
	queueBytes       = describe("producer_queue_bytes", "Memory that they take.", "producer")
	roundTripAverage = describe("broker_round_trip_average_seconds", "Time from a request to the broker's reply: average of librdkafka's last interval.", "producer", "broker")
	roundTripP99     = describe("broker_round_trip_p99_seconds", "The same: 99th percentile.", "producer", "broker")
	throttle         = describe("broker_throttle_max_seconds", "The longest that the broker made the producer wait for a quota, in librdkafka's last interval.", "producer", "broker")
	waitingRequests  = describe("broker_requests_waiting", "Requests to the broker that are to be sent or answered.", "producer", "broker")
)

// states are a producer's, as the label has them.
var states = [...]producer.State{producer.StateUp, producer.StateDown, producer.StateConnecting, producer.StateInvalid}

// Describe names the metrics.
func (producers) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		inflightBytes, inflightBytesMax, producerCount, producersStarted, producersFailed, connectionBreaks,
		producerUp, queueRecords, queueBytes, roundTripAverage, roundTripP99, throttle, waitingRequests,
	} {
		out <- d
	}
}

func (look producers) Collect(out chan<- prometheus.Metric) {
	s := look()
	out <- gauge(inflightBytes, float64(s.InflightBytes))
	out <- gauge(inflightBytesMax, float64(s.MaxInflightBytes))
	out <- count(producersStarted, s.Started)
	out <- count(producersFailed, s.Fatal)
	out <- count(connectionBreaks, s.ConnectionBreaks)
	byState := map[producer.State]int{}
	var others producer.ProducerStats
	for i, p := range s.Producers {
		byState[p.State]++
		if i >= maxProducers {
			others.Records += p.Records
			others.Bytes += p.Bytes
			continue
		}
		collectProducer(&p, out)
	}
	for _, state := range states {
		out <- gauge(producerCount, float64(byState[state]), string(state))
	}
	if len(s.Producers) > maxProducers {
		collectQueue(otherProducers, &others, out)
	}
}

func collectProducer(p *producer.ProducerStats, out chan<- prometheus.Metric) {
	up := 0.0
	if p.State == producer.StateUp {
		up = 1
	}
	out <- gauge(producerUp, up, p.ID, p.Mode.String())
	collectQueue(p.ID, p, out)
	for _, b := range p.BrokerStats {
		broker := strconv.FormatInt(b.ID, 10)
		out <- gauge(roundTripAverage, b.RTT.Seconds(), p.ID, broker)
		out <- gauge(roundTripP99, b.RTTp99.Seconds(), p.ID, broker)
		out <- gauge(throttle, b.Throttle.Seconds(), p.ID, broker)
		out <- gauge(waitingRequests, float64(b.Waiting), p.ID, broker)
	}
}

func collectQueue(id string, p *producer.ProducerStats, out chan<- prometheus.Metric) {
	out <- gauge(queueRecords, float64(p.Records), id)
	out <- gauge(queueBytes, float64(p.Bytes), id)
}
