package durable

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/spool"
)

// StreamInfo is what `kafkaupstream spool ls` shows of a stream. Of its connection's
// properties it has bootstrap.servers only.
type StreamInfo struct {
	Stream  string `json:"stream"`
	Brokers string `json:"brokers"`
	// OnPermanentError is "deadletter" or "suspend".
	OnPermanentError string `json:"on_permanent_error"`
	Transactional    bool   `json:"transactional,omitempty"`
	Pending          int64  `json:"pending"`   // records; of a transactional stream, units
	UnderWay         int64  `json:"under_way"` // of them, those that librdkafka has
	Bytes            int64  `json:"bytes"`     // of files, those of dead letters included
	// Oldest is when the first record that waits was kept.
	Oldest      time.Time   `json:"oldest,omitzero"`
	Suspension  *Suspension `json:"suspension,omitempty"` // nil: not suspended
	DeadLetters int64       `json:"dead_letters"`
	// CorruptBytes is the damage that was set aside, in bytes.
	CorruptBytes int64 `json:"corrupt_bytes"`
	// LastResolved is the receipt of the last record that was acknowledged, or
	// otherwise done with, since this process began.
	LastResolved string `json:"last_resolved,omitempty"`
	// Problem says why not all of it can be read, or none of it be sent.
	Problem string `json:"problem,omitempty"`
}

// Streams returns the streams, by name: those on disk, and those that requests have
// used since this process began.
func (q *Queue) Streams() ([]StreamInfo, error) {
	all, err := q.stored()
	if err != nil {
		return nil, err
	}
	infos := make([]StreamInfo, 0, len(all))
	for _, s := range all {
		infos = append(infos, s.info())
	}
	return infos, nil
}

func (s stored) info() StreamInfo {
	info := StreamInfo{Stream: s.id, Suspension: s.suspension()}
	if s.stream != nil {
		info.Brokers, info.OnPermanentError = brokers(s.stream.conn), "deadletter"
		if s.stream.policy == Suspend {
			info.OnPermanentError = suspendWord
		}
		info.UnderWay = s.stream.underWay()
		info.Transactional = s.stream.conn.Transactional()
	}
	stats, err := s.disk.Stats()
	dead, deadErr := s.disk.Dead().Stats()
	info.Pending, info.Oldest, info.LastResolved = stats.Pending, stats.Oldest, stats.LastResolved
	info.DeadLetters = dead.Pending
	info.Bytes, info.CorruptBytes = stats.Bytes+dead.Bytes, stats.Corrupt+dead.Corrupt
	if err := errors.Join(s.problem, err, deadErr); err != nil {
		info.Problem = err.Error()
	}
	return info
}

// suspension returns why the stream has stopped, nil when it has not.
func (s stored) suspension() *Suspension {
	if s.stream != nil {
		return s.stream.suspension.Load()
	}
	return readSuspension(s.disk)
}

// readSuspension reads the mark on disk.
func readSuspension(disk *spool.Stream) *Suspension {
	text, ok := disk.Suspended()
	if !ok {
		return nil
	}
	s := &Suspension{}
	if json.Unmarshal(text, s) != nil {
		s = &Suspension{Reason: "what says why is unreadable"}
	}
	return s
}

// underWay returns how many of the records on disk librdkafka has.
func (st *stream) underWay() (n int64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, f := range st.flights {
		if f.err == nil {
			n++
		}
	}
	return n
}
