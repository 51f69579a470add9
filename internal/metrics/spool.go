package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kafkaupstream/kafkaupstream/internal/diskfile"
	"github.com/kafkaupstream/kafkaupstream/internal/durable"
)

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

// spool collects what the durable queue says of itself, which reads from the disk.
func spool(stats func() (durable.Stats, error)) prometheus.Collector {
	disk := diskfile.NewLook(stats)
	look := func() spoolLook {
		last, err := disk.Latest()
		if err == nil && !last.Failing {
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
