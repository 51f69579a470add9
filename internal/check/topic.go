package check

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/check/port"
)

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
		config[name] = port.Printable(entry.Value)
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
	body := w.config.Route.MaxBody
	if limit, err := strconv.Atoi(config["max.message.bytes"]); err == nil && limit < body+recordOverhead {
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
	if most := w.config.Route.Conn.MessageMaxBytes; err != nil || size > most {
		return most
	}
	return size
}
