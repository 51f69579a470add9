// Package complaint says in an operator's words why no broker answers a client of
// librdkafka, which tells it in events and not in the errors of its calls.
//
// It asks nobody anything. internal/check and internal/verify, whose clients wait for a
// cluster on behalf of a person, note the events in it.
package complaint

import (
	"slices"
	"strings"
	"sync"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Log is what a client has complained of: the last error of each code. Any number of
// goroutines may use it. The zero value is empty.
type Log struct {
	mu   sync.Mutex
	seen map[kafka.ErrorCode]string
}

// Note adds an error of which the client has told.
func (l *Log) Note(e kafka.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[kafka.ErrorCode]string{}
	}
	l.seen[e.Code()] = e.Error()
}

// Last returns the last error of the first of the codes that there was.
func (l *Log) Last(codes ...kafka.ErrorCode) (kafka.ErrorCode, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, code := range codes {
		if text, ok := l.seen[code]; ok {
			return code, text
		}
	}
	return kafka.ErrNoError, ""
}

// refused are the errors that no patience mends.
var refused = []kafka.ErrorCode{kafka.ErrSaslAuthenticationFailed, kafka.ErrAuthentication, kafka.ErrSsl}

// causes are those that explain why no broker answers, the most telling first.
var causes = append(slices.Clone(refused), kafka.ErrResolve, kafka.ErrTransport, kafka.ErrTimedOut)

// Hopeless reports whether there was an error that no patience mends, and no broker is left to try.
func (l *Log) Hopeless() bool {
	code, _ := l.Last(refused...)
	down, _ := l.Last(kafka.ErrAllBrokersDown)
	return code != kafka.ErrNoError && down != kafka.ErrNoError
}

// Any reports whether there was an error that explains why no broker answers.
func (l *Log) Any() bool {
	code, _ := l.Last(causes...)
	return code != kafka.ErrNoError
}

// Why says what keeps the cluster from answering a client that logs in by the mechanism
// (sasl.mechanisms).
func (l *Log) Why(mechanism string) string {
	code, text := l.Last(causes...)
	text = withoutPrefix(text)
	switch code {
	case kafka.ErrNoError:
		return "no broker answers"
	case kafka.ErrAuthentication, kafka.ErrSaslAuthenticationFailed:
		if mechanism == "OAUTHBEARER" {
			return "no token was got, or the cluster refuses it: " + text
		}
		if strings.Contains(text, notOffered) {
			return "this port takes no log-in: set security.protocol to plaintext or ssl, or use the port of another listener: " + text
		}
		return "the cluster refuses the log-in; wrong user or password: " + text
	case kafka.ErrSsl:
		return "the TLS handshake fails: " + text
	}
	return "no broker answers: " + text
}

// notOffered is in librdkafka's error about a broker that knows no log-in.
const notOffered = "SASL Handshake not supported by broker"

// withoutPrefix takes off what librdkafka puts before a broker's error: its own name of
// the broker, whose address its reader knows.
func withoutPrefix(text string) string {
	if i := strings.Index(text, "/bootstrap: "); i >= 0 {
		text = text[i+len("/bootstrap: "):]
	}
	return text
}

// Text is an error without the code that kafka.Error writes into it.
func Text(err error) string {
	if e, ok := err.(kafka.Error); ok {
		return e.String()
	}
	return err.Error()
}
