package check

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
)

// topics looks at the topic, and writes to it where that is wanted.
func (w *way) topics(ctx context.Context) {
	topic := w.opts.Topic
	if topic == "" && w.config.Route != nil {
		topic = w.config.Route.Topic()
	}
	if topic == "" && w.blocked == "" {
		w.step(ctx, "topic", "", func(context.Context) outcome {
			return skip("it depends on the request; --topic names one to look at")
		})
	} else {
		w.needs(ctx, "topic", topic, func(ctx context.Context) outcome { return w.describe(ctx, topic) })
	}
	if w.opts.Topic == "" {
		w.roundTrips(ctx, "")
		return
	}
	w.needs(ctx, "record", topic, func(ctx context.Context) outcome { return w.record(ctx, topic) })
	if w.opts.Large {
		w.step(ctx, "large", topic, func(ctx context.Context) outcome { return w.large(ctx, topic) })
	}
	if w.opts.Transactions || w.config.Route != nil && w.config.Route.Transactional() {
		w.step(ctx, "transaction", topic, func(ctx context.Context) outcome { return w.transaction(ctx, topic) })
	}
	w.roundTrips(ctx, topic)
}

// describe asks what the topic is like. Unlike a producer's question for metadata it
// makes no cluster create a topic.
func (w *way) describe(ctx context.Context, topic string) outcome {
	if !w.hasController(ctx) {
		return w.find(ctx, topic)
	}
	described, err := w.kafka.admin.DescribeTopics(ctx, kafka.NewTopicCollectionOfTopicNames([]string{topic}),
		kafka.SetAdminOptionIncludeAuthorizedOperations(true), kafka.SetAdminRequestTimeout(w.opts.Timeout))
	if err != nil {
		return fail("%s", w.kafka.cause(err))
	}
	if len(described.TopicDescriptions) != 1 {
		return fail("the cluster says nothing of it")
	}
	t := described.TopicDescriptions[0]
	switch t.Error.Code() {
	case kafka.ErrNoError:
	case kafka.ErrTopicAuthorizationFailed:
		return fail("the route's credentials may not see this topic, or there is none of this name; they need WRITE on it, which includes DESCRIBE")
	default:
		return fail("%s", w.kafka.cause(t.Error))
	}
	config, known := w.topicConfig(ctx, topic)
	if why := w.partitions(t, config); why != "" {
		return fail("%s", why)
	}
	if t.AuthorizedOperations != nil && !mayWrite(t.AuthorizedOperations) {
		return fail("the route's credentials may see this topic, but not write to it; they need WRITE on it")
	}
	message := fmt.Sprintf("%s, %s", plural(len(t.Partitions), "partition"), plural(replicas(t), "replica"))
	if !known {
		return ok("%s; its settings are not known, since that needs DESCRIBE_CONFIGS", message)
	}
	message += fmt.Sprintf(", min.insync.replicas=%s, max.message.bytes=%s", config["min.insync.replicas"], config["max.message.bytes"])
	if doubts := w.doubts(t, config); len(doubts) > 0 {
		return warn("%s; %s", message, strings.Join(doubts, "; "))
	}
	return ok("%s", message)
}

// controllerWait is how long a cluster may take to name its controller, which it has
// done with the first metadata if it has one.
const controllerWait = time.Second

// hasController reports whether one of the brokers answers questions of administration. Not
// everything has one that speaks Kafka's protocol.
func (w *way) hasController(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, controllerWait)
	defer cancel()
	id, err := w.kafka.admin.ControllerID(ctx)
	return err == nil && slices.ContainsFunc(w.brokers, func(b kafka.BrokerMetadata) bool { return b.ID == id })
}

// find looks for the topic in the list of all topics, which creates none either.
func (w *way) find(ctx context.Context, topic string) outcome {
	m, err := ask(ctx, w.kafka, func() (*kafka.Metadata, error) { return w.kafka.GetMetadata(nil, true, millisOf(ctx)) })
	if err != nil {
		return fail("%s", w.kafka.cause(err))
	}
	t, found := m.Topics[topic]
	if !found {
		return fail("%s", noTopic)
	}
	return ok("%s; its settings are not known, since the cluster names no controller", plural(len(t.Partitions), "partition"))
}

// noTopic is what is said where a topic is missing.
const noTopic = "there is no such topic, and a check creates none"

// topicConfig returns the topic's settings, if they may be seen.
func (w *way) topicConfig(ctx context.Context, topic string) (map[string]string, bool) {
	if !w.hasController(ctx) {
		return nil, false
	}
	results, err := w.kafka.admin.DescribeConfigs(ctx, []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: topic}},
		kafka.SetAdminRequestTimeout(w.opts.Timeout))
	if err != nil || len(results) != 1 || results[0].Error.Code() != kafka.ErrNoError {
		return nil, false
	}
	config := map[string]string{}
	for name, entry := range results[0].Config {
		config[name] = printable([]byte(entry.Value))
	}
	return config, true
}

func mayWrite(operations []kafka.ACLOperation) bool {
	return slices.Contains(operations, kafka.ACLOperationWrite) || slices.Contains(operations, kafka.ACLOperationAll)
}

func replicas(t kafka.TopicDescription) int {
	if len(t.Partitions) == 0 {
		return 0
	}
	return len(t.Partitions[0].Replicas)
}

// partitions returns what keeps a partition from taking records.
func (w *way) partitions(t kafka.TopicDescription, config map[string]string) string {
	enough := 1
	if n, err := strconv.Atoi(config["min.insync.replicas"]); err == nil && w.acksAll() {
		enough = min(n, max(replicas(t), 1))
	}
	for _, p := range t.Partitions {
		switch {
		case p.Leader == nil || p.Leader.ID < 0:
			return fmt.Sprintf("partition %d has no leader: its broker is away", p.Partition)
		case len(p.Isr) < enough:
			return fmt.Sprintf("partition %d has %s in sync and min.insync.replicas=%d: records are refused with 503", p.Partition, plural(len(p.Isr), "replica"), enough)
		}
	}
	return ""
}

func (w *way) acksAll() bool {
	acks := w.props["acks"]
	return acks == "" || acks == "-1"
}

// recordOverhead is what a batch of one record has beside the value and the key, at most.
const recordOverhead = 100

// doubts are what will go wrong later.
func (w *way) doubts(t kafka.TopicDescription, config map[string]string) (doubts []string) {
	body := w.config.Route.MaxBodyBytes()
	if limit, err := strconv.Atoi(config["max.message.bytes"]); err == nil && limit < min(body, kafkaupstream.MaxBody)+recordOverhead {
		doubts = append(doubts, fmt.Sprintf("the route takes bodies of %d bytes, the topic none of more than about %d (before compression): set max_body_bytes, or raise max.message.bytes",
			body, max(limit-recordOverhead, 0)))
	}
	if limit, err := strconv.Atoi(config["max.message.bytes"]); err == nil && limit < w.batchBytes() {
		doubts = append(doubts, fmt.Sprintf("the producer makes batches of up to %d bytes, and the topic takes none of more than %d (before compression): a batch of small records is refused as a whole; set batch.size to %d",
			w.batchBytes(), limit, limit))
	}
	if n, err := strconv.Atoi(config["min.insync.replicas"]); err == nil && n >= replicas(t) && n > 1 && w.acksAll() {
		doubts = append(doubts, "min.insync.replicas is the number of replicas: one broker away stops writing")
	}
	return doubts
}

// batchBytes is the size of the producer's largest batch of several records.
func (w *way) batchBytes() int {
	size, err := strconv.Atoi(w.props["batch.size"])
	if most := w.config.Route.Connection().MessageMaxBytes; err != nil || size > most {
		return most
	}
	return size
}

// trips is how many round trips are timed.
const trips = 10

// roundTrips times acknowledged records, or questions where nothing may be written.
func (w *way) roundTrips(ctx context.Context, topic string) {
	w.step(ctx, "roundtrip", topic, func(ctx context.Context) outcome {
		what := "metadata requests"
		trip := func() error {
			_, err := ask(ctx, w.kafka, func() (*kafka.Metadata, error) { return w.kafka.GetMetadata(nil, false, millisOf(ctx)) })
			return err
		}
		if topic != "" {
			what = "acknowledged records"
			if w.props["acks"] == "0" {
				return skip("with acks=0 nothing is acknowledged")
			}
			trip = func() error {
				_, err := w.send(ctx, w.kafka, topic, note())
				return err
			}
		}
		var took []time.Duration
		for range trips {
			start := time.Now()
			if err := trip(); err != nil {
				return fail("%s", w.kafka.cause(err))
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		linger := ""
		if topic != "" && w.props["linger.ms"] != "0" {
			linger = ", linger.ms=" + w.props["linger.ms"] + " of it waiting for more records"
		}
		return ok("%d %s: median %s, longest %s%s", trips, what, millis(took[trips/2]), millis(took[trips-1]), linger)
	})
}

// cause says in an operator's words why Kafka refused something.
func (c *client) cause(err error) string {
	if err == context.DeadlineExceeded {
		if code, _ := c.complaint(causes...); code != kafka.ErrNoError {
			return "no answer in time; " + c.why()
		}
		return "no answer in time"
	}
	kerr, isKafka := err.(kafka.Error)
	if !isKafka {
		return err.Error()
	}
	switch kerr.Code() {
	case kafka.ErrUnknownTopicOrPart, kafka.ErrUnknownTopic:
		return noTopic
	case kafka.ErrTopicException:
		return "the cluster refuses the topic's name"
	case kafka.ErrTopicAuthorizationFailed:
		return "the route's credentials may not write to this topic; they need WRITE on it"
	case kafka.ErrClusterAuthorizationFailed:
		return "the route's credentials may not produce with enable.idempotence on this cluster; they need WRITE on a topic, or IDEMPOTENT_WRITE on the cluster"
	case kafka.ErrTransactionalIDAuthorizationFailed:
		return "the route's credentials may not use transactions; they need WRITE on transactional ids that begin with " + transactionPrefix
	case kafka.ErrNotEnoughReplicas, kafka.ErrNotEnoughReplicasAfterAppend:
		return "too few replicas are in sync for acks=all (min.insync.replicas)"
	case kafka.ErrMsgSizeTooLarge:
		return "it is larger than the topic takes (max.message.bytes), or the producer (message.max.bytes)"
	case kafka.ErrMsgTimedOut, kafka.ErrTimedOut:
		if code, _ := c.complaint(causes...); code != kafka.ErrNoError {
			return c.why()
		}
		return "no acknowledgement in time"
	}
	return kerr.String()
}

// transactionPrefix is how the plugin's transactional ids begin.
const transactionPrefix = "kafkaupstream-"

// transactional returns the properties for a transactional producer.
func (w *way) transactional(id string) (kafkaconf.Properties, error) {
	route := w.config.Route.Connection().Route()
	if err := kafkaconf.Check(route, record.Mode{Transactional: true}); err != nil {
		return nil, err
	}
	conn, err := kafkaconf.New(route, record.Mode{Transactional: true})
	if err != nil {
		return nil, err
	}
	props, err := conn.Resolve(w.opts.Resolve)
	if err != nil {
		return nil, err
	}
	props["transactional.id"] = id
	return props, nil
}
