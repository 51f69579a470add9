package client

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"
)

// BrokerStats is what librdkafka reports about a broker, over its last interval.
type BrokerStats struct {
	ID          int64         // the broker's node id
	RTT, RTTp99 time.Duration // from a request to its reply: average and 99th percentile
	Throttle    time.Duration // the longest that the broker made the producer wait, for a quota
	Waiting     int64         // requests to be sent or answered
}

// maxBrokers bounds the brokers of a producer that are looked at.
const maxBrokers = 50

// statistics are the last ones of librdkafka.
type statistics struct {
	brokers atomic.Pointer[[]BrokerStats]
	breaks  int64 // connections that have broken so far; only the report loop uses it
}

// note takes librdkafka's statistics, and returns how many connections have broken since the
// ones before.
func (s *statistics) note(text string) (more int64) {
	brokers, breaks := brokerStats(text)
	s.brokers.Store(&brokers)
	if more = breaks - s.breaks; more <= 0 {
		return 0
	}
	s.breaks = breaks
	return more
}

// brokerStats reads what is wanted of librdkafka's statistics (STATISTICS.md). The
// brokers come before the topics, so that the length of those costs nothing. breaks is
// how many connections to brokers have broken so far.
func brokerStats(text string) (all []BrokerStats, breaks int64) {
	const microseconds = int64(time.Microsecond)
	gjson.Get(text, "brokers").ForEach(func(_, b gjson.Result) bool {
		breaks += b.Get("disconnects").Int()
		id := b.Get("nodeid").Int()
		if id < 0 || len(all) == maxBrokers { // a bootstrap server, or the group's coordinator
			return true
		}
		all = append(all, BrokerStats{
			ID:       id,
			RTT:      time.Duration(b.Get("rtt.avg").Int() * microseconds),
			RTTp99:   time.Duration(b.Get("rtt.p99").Int() * microseconds),
			Throttle: time.Duration(b.Get("throttle.max").Int()) * time.Millisecond,
			Waiting:  b.Get("outbuf_cnt").Int() + b.Get("waitresp_cnt").Int(),
		})
		return true
	})
	slices.SortFunc(all, func(a, b BrokerStats) int { return cmp.Compare(a.ID, b.ID) })
	return all, breaks
}
