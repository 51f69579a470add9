package spool

import (
	"maps"
	"slices"
)

// Lost is how many records of Write were lost for one topic, and why the last of them was.
type Lost struct {
	Records int64
	Err     error
}

// maxLost bounds the topics that are counted apart.
const maxLost = 100

// losses are by topic.
type losses map[string]Lost

func (l *losses) add(topic string, n int64, err error) {
	if *l == nil {
		*l = losses{}
	}
	if _, known := (*l)[topic]; !known && len(*l) >= maxLost {
		topic = "(others)"
	}
	(*l)[topic] = Lost{(*l)[topic].Records + n, err}
}

// addAll adds what was lost for one reason.
func (l *losses) addAll(more losses, err error) {
	for topic, lost := range more {
		l.add(topic, lost.Records, err)
	}
}

// Lost returns, by topic, how many records Write has taken that did not reach the disk.
// After Close it is final. Where the error is ErrUncertain, they may be there after all.
func (s *Spool) Lost() map[string]Lost {
	s.mu.Lock()
	streams := slices.Collect(maps.Values(s.streams))
	s.mu.Unlock()
	var all losses
	for _, st := range streams {
		st.writer.mu.Lock()
		for topic, lost := range st.lost {
			all.add(topic, lost.Records, lost.Err)
		}
		st.writer.mu.Unlock()
	}
	return all
}
