package client

import (
	"maps"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
)

const (
	// stuckGrace is how long a producer has to find the cluster that another client
	// has found.
	stuckGrace = 3 * time.Second
	// otherWait bounds the other client's question.
	otherWait = 2 * time.Second
)

// absence is how long a cluster has not answered. The goroutine of watch uses it.
type absence struct {
	since  time.Time      // zero: it answers
	looked time.Time      // when another client was last sent to look
	answer chan time.Time // capacity 1: when the cluster answered another client
	found  time.Time      // the last of these
}

// note notes that the cluster does not answer, and reports whether the producer is to be
// replaced: librdkafka (2.15) can stop to connect for good after all brokers were away
// at once, which the ledger in test/chaos met in two of about ninety such outages.
func (a *absence) note(now time.Time, after time.Duration, look func(answer chan<- time.Time)) (stuck bool) {
	if a.since.IsZero() {
		*a = absence{since: now, looked: now, answer: make(chan time.Time, 1)}
	}
	select {
	case a.found = <-a.answer:
	default:
	}
	if !a.found.IsZero() {
		return now.Sub(a.found) > stuckGrace
	}
	if now.Sub(a.looked) > after {
		a.looked = now
		look(a.answer)
	}
	return false
}

// over notes that the cluster answers.
func (a *absence) over() { a.since = time.Time{} }

// answersAnother reports whether the cluster answers another client than the producer.
func answersAnother(props kafkaconf.Properties, log func(librdkafka.LogLine)) bool {
	conf := maps.Clone(props)
	delete(conf, "transactional.id") // whose owner it is not
	conf["client.id"] = ProbeID
	other, err := librdkafka.NewProducer(conf, librdkafka.Handler{Log: log})
	if err != nil {
		return false
	}
	defer other.Close()
	_, err = other.Metadata(nil, false, otherWait)
	return err == nil
}
