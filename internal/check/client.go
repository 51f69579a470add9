package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
)

// client is a librdkafka producer that remembers what it complained of.
type client struct {
	*kafka.Producer
	admin     *kafka.AdminClient
	mechanism string // of the log-in

	calls sync.WaitGroup // that may outlast the step that made them

	mu   sync.Mutex
	seen map[kafka.ErrorCode]string // the last error of each code
}

// newClient makes a producer with the properties, which connects to the cluster on its
// own from now on.
func newClient(props kafkaconf.Properties) (*client, error) {
	logs := make(chan kafka.LogEvent, 100)
	conf := kafka.ConfigMap{
		"go.delivery.report.fields": "none",
		"go.events.channel.size":    256,
		"go.produce.channel.size":   0,
		"go.logs.channel.enable":    true,
		"go.logs.channel":           logs,
	}
	for name, value := range props {
		conf[name] = value
	}
	go func() {
		for range logs { // they say what the errors say, and could hold secrets
		}
	}()
	p, err := kafka.NewProducer(&conf)
	if err != nil {
		return nil, err
	}
	c := &client{Producer: p, mechanism: props["sasl.mechanisms"], seen: map[kafka.ErrorCode]string{}}
	if c.admin, err = kafka.NewAdminClientFromProducer(p); err != nil {
		return nil, err
	}
	go c.listen()
	return c, nil
}

// ask is await for a call of the client's: the client is not closed under it, which
// librdkafka would not survive.
func ask[T any](ctx context.Context, c *client, f func() (T, error)) (T, error) {
	c.calls.Add(1)
	return await(ctx, func() (T, error) {
		defer c.calls.Done()
		return f()
	})
}

// end closes the client in the background: that takes a second where no broker answers.
func (c *client) end() {
	go func() {
		c.calls.Wait()
		c.Close()
	}()
}

// delivered is what a record's report says.
type delivered struct {
	partition int32
	offset    int64
	err       error
	reported  bool // and not refused before it was queued
}

func (c *client) listen() {
	for event := range c.Events() {
		switch e := event.(type) {
		case *kafka.Message:
			e.Opaque.(chan delivered) <- delivered{e.TopicPartition.Partition, int64(e.TopicPartition.Offset), e.TopicPartition.Error, true}
		case kafka.Error:
			c.mu.Lock()
			c.seen[e.Code()] = e.Error()
			c.mu.Unlock()
		}
	}
}

// complaint returns the last error of the first of the codes that there was.
func (c *client) complaint(codes ...kafka.ErrorCode) (kafka.ErrorCode, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, code := range codes {
		if text, ok := c.seen[code]; ok {
			return code, text
		}
	}
	return kafka.ErrNoError, ""
}

// refused are the errors that no patience mends.
var refused = []kafka.ErrorCode{kafka.ErrSaslAuthenticationFailed, kafka.ErrAuthentication, kafka.ErrSsl}

// causes are those that explain why no broker answers, the most telling first.
var causes = append(slices.Clone(refused), kafka.ErrResolve, kafka.ErrTransport, kafka.ErrTimedOut)

// pollMillis is how often a wait for the cluster looks at the complaints.
const pollMillis = 250

// answer waits until the cluster answers a question about its brokers.
func (c *client) answer(ctx context.Context) (*kafka.Metadata, error) {
	for {
		m, err := ask(ctx, c, func() (*kafka.Metadata, error) { return c.GetMetadata(nil, false, pollMillis) })
		if err == nil {
			return m, nil
		}
		if code, _ := c.complaint(refused...); code != kafka.ErrNoError || ctx.Err() != nil {
			return nil, err
		}
	}
}

// why says what keeps the cluster from answering.
func (c *client) why() string {
	code, text := c.complaint(causes...)
	text = withoutPrefix(text)
	switch code {
	case kafka.ErrNoError:
		return "no broker answers"
	case kafka.ErrAuthentication, kafka.ErrSaslAuthenticationFailed:
		if c.mechanism == "OAUTHBEARER" {
			return "no token was got, or the cluster refuses it: " + text
		}
		return "the cluster refuses the log-in; wrong user or password: " + text
	case kafka.ErrSsl:
		return "the TLS handshake fails: " + text
	}
	return "no broker answers: " + text
}

// withoutPrefix takes off what librdkafka puts before a broker's error: its own name of
// the broker, whose address the step has.
func withoutPrefix(text string) string {
	if i := strings.Index(text, "/bootstrap: "); i >= 0 {
		text = text[i+len("/bootstrap: "):]
	}
	return text
}

// numbered is how librdkafka's complaints about a broker begin that the cluster told it of.
var numbered = regexp.MustCompile(`^(?:\w+://)?([^/\s]+):(\d+)/(\d+): `)

// noAnswer says why the cluster does not answer. As soon as it has told its brokers'
// addresses, librdkafka asks there, and one of them may be the cause.
func (w *way) noAnswer() outcome {
	_, text := w.kafka.complaint(kafka.ErrResolve, kafka.ErrSsl, kafka.ErrTransport)
	if m := numbered.FindStringSubmatch(text); m != nil {
		a := address{printable([]byte(m[1])), m[2]}
		if !slices.Contains(w.bootstrap(), a) {
			ctx, cancel := context.WithTimeout(w.interrupt, probeWait)
			defer cancel()
			if o := w.advertisedBroker(ctx, m[3], a); o.status == Problem {
				return o
			}
		}
	}
	return fail("%s", w.kafka.why())
}

// open makes the producer.
func (w *way) open(ctx context.Context) outcome {
	c, err := await(ctx, func() (*client, error) { return newClient(w.props) })
	if err != nil {
		return fail("librdkafka refuses the configuration: %s", errorText(err))
	}
	w.kafka = c
	_, version := kafka.LibraryVersion()
	return ok("version %s takes the configuration", version)
}

// close ends the producer, if there is one.
func (w *way) close() {
	if w.kafka != nil {
		w.kafka.end()
	}
}

// login waits until the cluster has taken the credentials.
func (w *way) login(ctx context.Context) outcome {
	if _, err := w.kafka.answer(ctx); err != nil {
		return w.noAnswer()
	}
	return ok("logged in, by %s", w.props["sasl.mechanisms"])
}

// metadata asks for the cluster's brokers.
func (w *way) metadata(ctx context.Context) outcome {
	m, err := w.kafka.answer(ctx)
	if err != nil {
		return w.noAnswer()
	}
	w.brokers = m.Brokers
	id, err := w.kafka.admin.ClusterID(ctx)
	if err != nil {
		id = "unknown"
	}
	slices.SortFunc(w.brokers, func(a, b kafka.BrokerMetadata) int { return cmp.Compare(a.ID, b.ID) })
	var names []string
	for _, b := range w.brokers[:min(len(w.brokers), maxAddresses)] {
		names = append(names, fmt.Sprintf("%d (%s)", b.ID, brokerAddress(b)))
	}
	return ok("cluster %s, %s: %s", printable([]byte(id)), plural(len(w.brokers), "broker"), strings.Join(names, ", "))
}

func brokerAddress(b kafka.BrokerMetadata) address {
	return address{printable([]byte(b.Host)), strconv.Itoa(b.Port)}
}

// advertised tries the addresses that the cluster gives for its brokers: records go
// there, and not to those of bootstrap.servers.
func (w *way) advertised(ctx context.Context) {
	if w.blocked != "" {
		w.step(ctx, "brokers", "", nil)
		return
	}
	known := w.bootstrap()
	for _, b := range w.brokers[:min(len(w.brokers), maxAddresses)] {
		a := brokerAddress(b)
		if slices.Contains(known, a) {
			continue
		}
		w.step(ctx, "brokers", a.String(), func(ctx context.Context) outcome { return w.advertisedBroker(ctx, fmt.Sprint(b.ID), a) })
	}
}

func (w *way) advertisedBroker(ctx context.Context, id string, a address) outcome {
	why := ""
	conn, err := dial(ctx, a, w.props)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		why = "the name does not resolve here"
	case err != nil:
		why = dialCause(err, a)
	default:
		conn.Close()
	}
	if why == "" && usesTLS(w.props) {
		if o := w.handshake(ctx, a); o.status == Problem {
			why = o.message
		}
	}
	if why == "" {
		return ok("broker %s is reached where the cluster says it is", id)
	}
	return fail("the cluster says that broker %s is at %s, where its records go (advertised.listeners): %s", id, a, why)
}

// millisOf is what is left of a step, for librdkafka.
func millisOf(ctx context.Context) int {
	deadline, _ := ctx.Deadline()
	return max(int(time.Until(deadline)/time.Millisecond), 1)
}

// errorText is an error without the code that kafka.Error writes into it.
func errorText(err error) string {
	if e, ok := err.(kafka.Error); ok {
		return e.String()
	}
	return err.Error()
}
