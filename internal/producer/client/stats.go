package client

import "github.com/kafkaupstream/kafkaupstream/internal/record"

// State says whether a client's cluster answers.
type State string

const (
	StateConnecting State = "connecting" // nothing is known yet
	StateUp         State = "up"
	StateDown       State = "down"
	StateInvalid    State = "invalid" // librdkafka refuses the properties, or a secret is missing
)

// Stats is a look at a client, or at all those of one connection's transactions.
type Stats struct {
	ID      string // of the connection, as in log lines
	Brokers string // bootstrap.servers
	Mode    record.Mode
	State   State
	Reason  string // why it is not up
	// Records and Bytes are what is queued: given to librdkafka and not reported yet.
	Records, Bytes int64
	// BrokerStats is empty without Shared.StatsInterval, and until it has passed.
	BrokerStats []BrokerStats
}

// Add counts another client of the same connection in. One that is up shows that the
// cluster answers.
func (s *Stats) Add(other Stats) {
	s.Records += other.Records
	s.Bytes += other.Bytes
	if other.State == StateUp && s.State != StateUp {
		s.State, s.Reason, s.BrokerStats = other.State, "", other.BrokerStats
	}
}

// Stats returns a look at the client. It costs no request anything.
func (c *Client) Stats() Stats {
	s := Stats{
		ID: c.name, Brokers: c.Conn.Value("bootstrap.servers"), Mode: c.Conn.Mode(),
		Records: c.load.outstanding.Load(), Bytes: c.load.bytes.Load(),
	}
	s.State, s.Reason = c.state()
	if brokers := c.stats.brokers.Load(); brokers != nil {
		s.BrokerStats = *brokers
	}
	return s
}

// state says whether the cluster answers, and why not.
func (c *Client) state() (State, string) {
	if !isClosed(c.ready) {
		return StateConnecting, ""
	}
	if c.broken != nil {
		return StateInvalid, c.Redact(c.broken.Reason)
	}
	switch state, cause := c.link.look(); state {
	case linkUp, linkSuspect: // an idle connection that is gone is no reason to doubt yet
		return StateUp, ""
	case linkDown:
		return StateDown, c.Redact(cause)
	default:
		return StateConnecting, ""
	}
}
