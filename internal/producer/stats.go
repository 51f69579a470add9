package producer

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/tidwall/gjson"
)

// Observer is told of the outcome of each record that librdkafka had: how long it
// took from being queued, and the error, nil for an acknowledgement. It is called on
// the goroutine that reads the reports and must not hold that up.
type Observer interface {
	Outcome(took time.Duration, err *record.Error)
}

// Stats is a look at a pool. It costs no request anything to take one.
type Stats struct {
	InflightBytes    int64 // of requests and queued records
	MaxInflightBytes int64 // their bound
	Started          int64 // producers made since the pool began
	Fatal            int64 // of these, those that failed for good
	ConnectionBreaks int64 // connections to brokers that broke; 0 without [Options.BrokerStatsInterval]
	// Producers are those that take records, by ID.
	Producers []ProducerStats
}

// State says whether a producer's cluster answers.
type State string

const (
	StateConnecting State = "connecting" // nothing is known yet
	StateUp         State = "up"
	StateDown       State = "down"
	StateInvalid    State = "invalid" // librdkafka refuses the properties, or a secret is missing
)

// ProducerStats is a look at a producer. Those for one connection's transactions
// count as one.
type ProducerStats struct {
	ID      string // of the connection, as in log lines
	Brokers string // bootstrap.servers
	Mode    record.Mode
	State   State
	Reason  string // why it is not up
	// Records and Bytes are what is queued: given to librdkafka and not reported yet.
	Records, Bytes int64
	// BrokerStats is empty without [Options.BrokerStatsInterval], and until it has passed.
	BrokerStats []BrokerStats
}

// BrokerStats is what librdkafka says of a broker, over its last interval.
type BrokerStats struct {
	ID          int64         // the broker's node id
	RTT, RTTp99 time.Duration // from a request to its reply: average and 99th percentile
	Throttle    time.Duration // the longest that the broker made the producer wait, for a quota
	Waiting     int64         // requests to be sent or answered
}

// maxBrokers bounds the brokers of a producer that are looked at.
const maxBrokers = 50

// Stats returns the pool's numbers.
func (p *Pool) Stats() Stats {
	s := Stats{
		InflightBytes: p.budget.total.Load(), MaxInflightBytes: p.budget.limit,
		Started: p.started.Load(), Fatal: p.fatal.Load(), ConnectionBreaks: p.breaks.Load(),
	}
	p.mu.RLock()
	clients := slices.Collect(maps.Values(p.clients))
	clients = slices.AppendSeq(clients, maps.Keys(p.inTx))
	p.mu.RUnlock()
	byID := map[string]int{}
	for _, c := range clients {
		one := c.stats()
		if i, ok := byID[one.ID]; ok {
			s.Producers[i].add(one)
			continue
		}
		byID[one.ID] = len(s.Producers)
		s.Producers = append(s.Producers, one)
	}
	slices.SortFunc(s.Producers, func(a, b ProducerStats) int { return cmp.Compare(a.ID, b.ID) })
	return s
}

// add counts another producer of the same connection in. One that is up shows that the
// cluster answers.
func (s *ProducerStats) add(other ProducerStats) {
	s.Records += other.Records
	s.Bytes += other.Bytes
	if other.State == StateUp && s.State != StateUp {
		s.State, s.Reason, s.BrokerStats = other.State, "", other.BrokerStats
	}
}

func (c *client) stats() ProducerStats {
	s := ProducerStats{
		ID: c.name, Brokers: c.conn.Value("bootstrap.servers"), Mode: c.conn.Mode(),
		Records: c.outstanding.Load(), Bytes: c.queued.Load(),
	}
	s.State, s.Reason = c.state()
	if brokers := c.brokers.Load(); brokers != nil {
		s.BrokerStats = *brokers
	}
	return s
}

// state says whether the cluster answers, and why not.
func (c *client) state() (State, string) {
	select {
	case <-c.ready:
	default:
		return StateConnecting, ""
	}
	if c.broken != nil {
		return StateInvalid, c.redact(c.broken.Reason)
	}
	switch state, cause := c.link.look(); state {
	case linkUp, linkSuspect: // an idle connection that is gone is no reason to doubt yet
		return StateUp, ""
	case linkDown:
		return StateDown, c.redact(cause)
	default:
		return StateConnecting, ""
	}
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
