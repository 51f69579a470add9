package durable

import (
	"encoding/json"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// Policy is what happens to a record on disk that Kafka can never take.
type Policy bool

const (
	// DeadLetter puts it aside; the other records of the stream are sent.
	DeadLetter Policy = false
	// Suspend stops the stream until an operator resumes it.
	Suspend Policy = true
)

// String is the policy's name in a configuration.
func (p Policy) String() string {
	if p == Suspend {
		return "suspend"
	}
	return "deadletter"
}

// Target is where a stream's records are sent, without their route: connection.json has it, and a
// replay to another configuration.
type Target struct {
	Config           kafkaconf.Properties `json:"config"`
	OnPermanentError string               `json:"on_permanent_error,omitempty"` // "deadletter", the default, or "suspend"
	Transactional    bool                 `json:"transactional,omitempty"`
}

// Connection returns the target's connection. The error is kafkaconf's.
func (t *Target) Connection() (*kafkaconf.Connection, error) {
	return kafkaconf.New(t.Config, modeOf(t.Transactional))
}

func (t *Target) Policy() Policy { return Policy(t.OnPermanentError == Suspend.String()) }

// targetOf returns connection.json of a stream.
func targetOf(conn *kafkaconf.Connection, policy Policy) []byte {
	t := Target{Config: conn.Route(), Transactional: conn.Transactional()}
	if policy == Suspend {
		t.OnPermanentError = policy.String()
	}
	text, _ := json.Marshal(t) // of strings: cannot fail
	return text
}

// modeOf returns how the records of a stream are produced.
func modeOf(transactional bool) record.Mode {
	return record.Mode{Delivery: record.Durable, Transactional: transactional}
}

// streamID names a stream: the connection's origin is enough of it to be unique. The origin has all of the
// route's properties in it, the password too: records of a route with another password must not be
// sent under this one's name.
func streamID(conn *kafkaconf.Connection, policy Policy) string {
	id := conn.Origin()[:20]
	if conn.Transactional() {
		id += "-t"
	}
	if policy == Suspend {
		id += "-s"
	}
	return id
}
