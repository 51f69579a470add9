package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/check/complaint"
	"github.com/kafkaupstream/kafkaupstream/internal/check/port"
)

// numbered is how librdkafka's complaints about a broker begin that the cluster told it of.
var numbered = regexp.MustCompile(`^(?:\w+://)?([^/\s]+):(\d+)/(\d+): `)

// advertisedWait bounds the look at a broker that may be why the cluster does not answer.
const advertisedWait = 2 * time.Second

// noAnswer says why the cluster does not answer. As soon as it has told its brokers'
// addresses, librdkafka asks there, and one of them may be the cause.
func (w *way) noAnswer() outcome {
	_, text := w.kafka.complaints.Last(kafka.ErrResolve, kafka.ErrSsl, kafka.ErrTransport)
	if m := numbered.FindStringSubmatch(text); m != nil {
		a := port.Address{Host: port.Printable(m[1]), Port: m[2]}
		if !slices.Contains(w.bootstrap(), a) {
			ctx, cancel := context.WithTimeout(w.interrupt, advertisedWait)
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
		return fail("librdkafka refuses the configuration: %s", complaint.Text(err))
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
	return ok("cluster %s, %s: %s", port.Printable(id), plural(len(w.brokers), "broker"), strings.Join(names, ", "))
}

func brokerAddress(b kafka.BrokerMetadata) port.Address {
	return port.Address{Host: port.Printable(b.Host), Port: strconv.Itoa(b.Port)}
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

func (w *way) advertisedBroker(ctx context.Context, id string, a port.Address) outcome {
	_, err := w.ports.Connect(ctx, a)
	if err == nil && w.props.UsesTLS() {
		_, err = w.ports.Handshake(ctx, a)
	}
	if _, doubtful := errors.AsType[port.Doubt](err); err == nil || doubtful {
		return ok("broker %s is reached where the cluster says it is", id)
	}
	return fail("the cluster says that broker %s is at %s, where its records go (advertised.listeners): %s", id, a, err)
}
