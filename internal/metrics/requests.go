package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
)

// outcomes are what a reply says of a record, as the label has them, and told is which of
// them the replies of a delivery can say.
var (
	outcomes = [...]kafkaupstream.Delivered{
		kafkaupstream.DeliveredYes, kafkaupstream.DeliveredPending, kafkaupstream.DeliveredUnknown, kafkaupstream.DeliveredNo,
	}
	told = [modes][len(outcomes)]bool{
		record.Async:   {2: true, 3: true},
		record.Sync:    {0: true, 2: true, 3: true},
		record.Durable: {true, true, true, true},
		transactional:  {true, true, true, true},
	}
)

// modes is how many modes have series of their own: the deliveries, and after them all that
// are transactional.
const (
	transactional = int(record.Deliveries)
	modes         = transactional + 1
)

func modeIndex(mode record.Mode) int {
	if mode.Transactional {
		return transactional
	}
	return int(mode.Delivery)
}

// statuses are those of the replies; any other counts as otherStatus.
var statuses = [...]int{200, 202, 207, 400, 403, 404, 405, 409, 410, 413, 415, 422, 431, 500, 503, 504}

const otherStatus = "other"

const (
	lowestStatus  = 200
	highestStatus = 599
)

// requestBuckets go from what an asynchronous request takes to the longest timeout_ms, in
// seconds.
var requestBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// Requests are the metrics of requests. All series that can move are made at the
// beginning: to count is an atomic addition, and a rate is right from the first request
// on. Should another one be needed all the same, it is made then.
type Requests struct {
	inFlight prometheus.Gauge
	bytes    prometheus.Counter
	byStatus [highestStatus - lowestStatus + 1]prometheus.Counter // nil: otherStatus
	other    *prometheus.CounterVec
	duration [modes]prometheus.Observer
	records  [modes][len(outcomes)]prometheus.Counter // nil: not foreseen
	more     *prometheus.CounterVec
	failures [record.Kinds]prometheus.Counter
}

var _ kafkaupstream.Observer = (*Requests)(nil)

func newRequests(to prometheus.Registerer) *Requests {
	r := &Requests{
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "requests_in_flight", Help: "Requests being answered."}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "request_body_bytes_total", Help: "Bytes of the bodies that were fetched from the gateway."}),
	}
	byStatus := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "requests_total", Help: "Requests answered, by the reply's HTTP status."}, []string{"code"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "request_duration_seconds", Help: "Time from a request's beginning to its reply, by the route's delivery.",
		Buckets: requestBuckets}, []string{"delivery"})
	records := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "records_total",
		Help: "Records by the reply's delivered and by the route's delivery."}, []string{"delivery", "delivered"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "record_failures_total",
		Help: "Records that were answered with an error, by the reason."}, []string{"reason"})
	to.MustRegister(r.inFlight, r.bytes, byStatus, duration, records, failures)

	r.other, r.more = byStatus, records
	for _, status := range statuses {
		r.byStatus[status-lowestStatus] = byStatus.WithLabelValues(strconv.Itoa(status))
	}
	for mode := range modes {
		name := record.Mode{Delivery: record.Delivery(mode % transactional), Transactional: mode == transactional}.String()
		r.duration[mode] = duration.WithLabelValues(name)
		for i, outcome := range outcomes {
			if told[mode][i] {
				r.records[mode][i] = records.WithLabelValues(name, string(outcome))
			}
		}
	}
	for kind := range record.Kinds {
		r.failures[kind] = failures.WithLabelValues(kind.String())
	}
	return r
}

func (r *Requests) Began() { r.inFlight.Inc() }

// Ended counts a request out.
func (r *Requests) Ended(mode record.Mode, status int, took time.Duration, body int) {
	r.inFlight.Dec()
	r.Refused(status)
	r.bytes.Add(float64(body))
	r.duration[modeIndex(mode)].Observe(took.Seconds())
}

// Refused counts a reply.
func (r *Requests) Refused(status int) {
	if status >= lowestStatus && status <= highestStatus {
		if counter := r.byStatus[status-lowestStatus]; counter != nil {
			counter.Inc()
			return
		}
	}
	r.other.WithLabelValues(otherStatus).Inc()
}

func (r *Requests) Record(mode record.Mode, delivered kafkaupstream.Delivered) {
	for i, outcome := range outcomes {
		if outcome != delivered {
			continue
		}
		if counter := r.records[modeIndex(mode)][i]; counter != nil {
			counter.Inc()
		} else {
			r.more.WithLabelValues(mode.String(), string(outcome)).Inc()
		}
	}
}

// Failed counts why a record was not acknowledged.
func (r *Requests) Failed(kind record.Kind) { r.failures[kind].Inc() }
