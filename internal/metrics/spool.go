package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
)

// spoolWait is how long the disk may take to say what is on it: a scrape gets what
// was known before, and the rest of the metrics, when it takes longer.
const spoolWait = 2 * time.Second

// spool collects what the durable queue says of itself, which reads from the disk.
type spool struct {
	look func() (durable.Stats, error)
	wait time.Duration

	mu      sync.Mutex
	running chan struct{} // closed when the look that is under way has ended; nil: none is
	last    durable.Stats
	failed  bool
}

func newSpool(look func() (durable.Stats, error)) *spool {
	return &spool{look: look, wait: spoolWait, failed: true}
}

var (
	spoolRecords    = describe("spool_records", "Records on disk that wait for Kafka.")
	spoolUnderWay   = describe("spool_records_under_way", "Of these, the ones that librdkafka has.")
	spoolOldest     = describe("spool_oldest_record_age_seconds", "How long the first of them has been on disk; 0: none is.")
	spoolBytes      = describe("spool_bytes", "Size of the spool's files, dead letters included.")
	spoolBytesMax   = describe("spool_bytes_max", "The most that it may be: --spool-max-bytes.")
	deadLetters     = describe("spool_dead_letters", "Records on disk that Kafka can never take.")
	letterBytes     = describe("spool_dead_letters_bytes", "Size of their files.")
	letterBytesMax  = describe("spool_dead_letters_bytes_max", "The most that it may be: an eighth of --spool-max-bytes.")
	lettersDropped  = describe("spool_dead_letters_dropped_total", "Dead letters that were dropped to make room for new ones.")
	spoolStreams    = describe("spool_streams", "Streams: sets of connection properties of durable routes.")
	spoolSuspended  = describe("spool_streams_suspended", "Streams that wait for an operator.")
	spoolUnreadable = describe("spool_streams_unreadable", "Streams of which not all can be read, or none be sent.")
	spoolCorrupt    = describe("spool_corrupt_bytes", "Damage that was set aside.")
	spoolUp         = describe("spool_up", "1 if the spool could be read within 2 s; 0 if the other spool_* values are stale.")
)

// Describe names the metrics.
func (*spool) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		spoolRecords, spoolUnderWay, spoolOldest, spoolBytes, spoolBytesMax, deadLetters, letterBytes, letterBytesMax, lettersDropped,
		spoolStreams, spoolSuspended, spoolUnreadable, spoolCorrupt, spoolUp,
	} {
		out <- d
	}
}

// Collect takes a look.
func (s *spool) Collect(out chan<- prometheus.Metric) {
	last, current := s.latest()
	age, up := 0.0, 0.0
	if !last.Oldest.IsZero() {
		age = max(time.Since(last.Oldest).Seconds(), 0)
	}
	if current {
		up = 1
	}
	out <- gauge(spoolRecords, float64(last.Records))
	out <- gauge(spoolUnderWay, float64(last.UnderWay))
	out <- gauge(spoolOldest, age)
	out <- gauge(spoolBytes, float64(last.Bytes))
	out <- gauge(spoolBytesMax, float64(last.MaxBytes))
	out <- gauge(deadLetters, float64(last.DeadLetters))
	out <- gauge(letterBytes, float64(last.DeadLetterBytes))
	out <- gauge(letterBytesMax, float64(last.DeadLetterMaxBytes))
	out <- count(lettersDropped, last.DeadLettersDropped)
	out <- gauge(spoolStreams, float64(last.Streams))
	out <- gauge(spoolSuspended, float64(last.Suspended))
	out <- gauge(spoolUnreadable, float64(last.Unreadable))
	out <- gauge(spoolCorrupt, float64(last.CorruptBytes))
	out <- gauge(spoolUp, up)
}

// latest takes a look, or shares one that is under way, and returns what is known when it
// has ended or the time is over. current tells that this is what the look has seen.
func (s *spool) latest() (_ durable.Stats, current bool) {
	s.mu.Lock()
	done := s.running
	if done == nil {
		done = make(chan struct{})
		s.running = done
		go s.run(done)
	}
	s.mu.Unlock()
	timer := time.NewTimer(s.wait)
	defer timer.Stop()
	inTime := false
	select {
	case <-done:
		inTime = true
	case <-timer.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, inTime && !s.failed
}

func (s *spool) run(done chan struct{}) {
	stats, err := s.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed = err != nil; !s.failed {
		s.last = stats
	}
	s.running = nil
	close(done)
}
