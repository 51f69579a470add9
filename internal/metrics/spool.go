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

// spoolLook is what is known of the durable queue, and up is 1 if that is current.
type spoolLook struct {
	durable.Stats
	up float64
}

// age is how long the oldest record has been on disk, in seconds.
func (s *spoolLook) age() float64 {
	if s.Oldest.IsZero() {
		return 0
	}
	return max(time.Since(s.Oldest).Seconds(), 0)
}

func (s *spool) numbers() prometheus.Collector {
	look := func() spoolLook {
		last, current := s.latest()
		if current && !last.Failing {
			return spoolLook{last, 1}
		}
		return spoolLook{last, 0}
	}
	return numbers[spoolLook]{look, []number[spoolLook]{
		gaugeOf("spool_records", "Records on disk that wait for Kafka.", nil, func(s *spoolLook) int64 { return s.Records }),
		gaugeOf("spool_records_under_way", "Of these, the ones that librdkafka has.", nil, func(s *spoolLook) int64 { return s.UnderWay }),
		gaugeOf("spool_oldest_record_age_seconds", "How long the first of them has been on disk; 0: none is.", nil, func(s *spoolLook) float64 { return s.age() }),
		gaugeOf("spool_bytes", "Size of the spool's files, dead letters included.", nil, func(s *spoolLook) int64 { return s.Bytes }),
		gaugeOf("spool_bytes_max", "The most that it may be: --spool-max-bytes.", nil, func(s *spoolLook) int64 { return s.MaxBytes }),
		gaugeOf("spool_dead_letters", "Records on disk that Kafka can never take.", nil, func(s *spoolLook) int64 { return s.DeadLetters }),
		gaugeOf("spool_dead_letters_bytes", "Size of their files.", nil, func(s *spoolLook) int64 { return s.DeadLetterBytes }),
		gaugeOf("spool_dead_letters_bytes_max", "The most that it may be: an eighth of --spool-max-bytes.", nil, func(s *spoolLook) int64 { return s.DeadLetterMaxBytes }),
		counterOf("spool_dead_letters_dropped_total", "Dead letters that were dropped to make room for new ones.", nil, func(s *spoolLook) int64 { return s.DeadLettersDropped }),
		gaugeOf("spool_streams", "Streams: sets of connection properties of durable routes.", nil, func(s *spoolLook) int64 { return s.Streams }),
		gaugeOf("spool_streams_suspended", "Streams that wait for an operator.", nil, func(s *spoolLook) int64 { return s.Suspended }),
		gaugeOf("spool_streams_unreadable", "Streams of which not all can be read, or none be sent.", nil, func(s *spoolLook) int64 { return s.Unreadable }),
		gaugeOf("spool_corrupt_bytes", "Damage that was set aside.", nil, func(s *spoolLook) int64 { return s.CorruptBytes }),
		gaugeOf("spool_up", "1 if the spool could be read within 2 s, and records can be kept there; 0: they cannot, or the other spool_* values are stale.", nil, func(s *spoolLook) float64 { return s.up }),
	}}
}

// latest takes a look, or shares one that is under way, and returns what is known when it
// has ended or the time is over. current reports whether that is from this look.
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
