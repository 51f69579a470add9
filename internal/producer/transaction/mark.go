package transaction

import (
	"context"
	"fmt"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// errUnstable: a transaction that has the group's offsets in it has not ended.
var errUnstable = &record.Error{Kind: record.KindUnavailable, Reason: "the stream's mark: a transaction has not ended yet"}

// mark is what a transaction leaves beside its records.
type mark struct{ group, topic, text string }

// read returns the texts of the group's marks, one for each topic.
func (m *mark) read(ctx context.Context, c *client.Client, insist bool) ([]string, *record.Error) {
	admin, end, err := m.admin(c.Properties())
	if err != nil {
		return nil, m.explain(err, c.Redact)
	}
	defer end()
	// The client library does not report an error that is about the group as a whole. So
	// it is first asked for a partition that must be in the answer.
	asked, e := m.list(ctx, admin, []kafka.TopicPartition{{Topic: &m.topic, Partition: 0}}, insist, c)
	if e != nil {
		return nil, e
	}
	if len(asked) == 0 {
		return nil, m.explain(kafka.NewError(kafka.ErrGroupAuthorizationFailed, "the group's offsets cannot be read", false), c.Redact)
	}
	all, e := m.list(ctx, admin, nil, insist, c)
	if e != nil {
		return nil, e
	}
	var texts []string
	for _, p := range all {
		if p.Metadata != nil {
			texts = append(texts, *p.Metadata)
		}
	}
	return texts, nil
}

// list asks for the group's offsets: of these partitions, or all for nil.
func (m *mark) list(ctx context.Context, admin *kafka.AdminClient, of []kafka.TopicPartition, insist bool, c *client.Client) ([]kafka.TopicPartition, *record.Error) {
	question := []kafka.ConsumerGroupTopicPartitions{{Group: m.group, Partitions: of}}
	result, err := admin.ListConsumerGroupOffsets(ctx, question, kafka.SetAdminRequireStableOffsets(insist))
	for coordinatorComes(err) && deadline.Sleep(ctx, callPause, nil) { // as when a cluster is asked for a group for the first time
		result, err = admin.ListConsumerGroupOffsets(ctx, question, kafka.SetAdminRequireStableOffsets(insist))
	}
	var found []kafka.TopicPartition
	for _, g := range result.ConsumerGroupsTopicPartitions {
		found = append(found, g.Partitions...)
	}
	for i := range found { // that a topic is gone, or not to be seen, says that its group may be looked at
		e := found[i].Error
		if e != nil && err == nil && librdkafka.Classify(e).Kind != record.KindTopicNotFound && !librdkafka.HasCode(e, kafka.ErrTopicAuthorizationFailed) {
			err = e
		}
	}
	if librdkafka.HasCode(err, kafka.ErrGroupIDNotFound) {
		return of, nil // it has never committed anything
	}
	if librdkafka.HasCode(err, kafka.ErrUnstableOffsetCommit) {
		return nil, errUnstable
	}
	if err != nil {
		return nil, m.explain(err, c.Redact)
	}
	return found, nil
}

// admin returns a client with which the group's offsets can be read. It is made of a
// consumer, which consumes nothing: asked for offsets, librdkafka 2.15 uses the consumer's
// group where the coordinator is just moving or loading, and ends the process where there
// is none (rd_kafka_cgrp_op with a null pointer, in rd_kafka_handle_OffsetFetch).
func (m *mark) admin(props kafkaconf.Properties) (_ *kafka.AdminClient, end func(), _ error) {
	conf := client.BesideConfig(props)
	conf["group.id"] = m.group
	consumer, err := kafka.NewConsumer(&conf)
	if err != nil {
		return nil, nil, err
	}
	admin, err := kafka.NewAdminClientFromConsumer(consumer)
	if err != nil {
		_ = consumer.Close()
		return nil, nil, err
	}
	return admin, func() {
		admin.Close()
		_ = consumer.Close() // it has no subscription that could fail to end
	}, nil
}

// coordinatorComes reports whether an error is that the group has no coordinator yet.
func coordinatorComes(err error) bool {
	return librdkafka.HasCode(err, kafka.ErrCoordinatorLoadInProgress, kafka.ErrCoordinatorNotAvailable, kafka.ErrNotCoordinator)
}

// explain returns the outcome of the records for an error about the mark. A missing right is the
// route's fault, and never that of a record.
func (m *mark) explain(err error, redact func(string) string) *record.Error {
	kind, reason := record.KindUnavailable, redact(err.Error())
	if librdkafka.HasCode(err) { // otherwise it is a context's
		switch librdkafka.Classify(err).Kind {
		case record.KindForbidden:
			return &record.Error{Kind: record.KindConfig, Reason: fmt.Sprintf("durable transactions need the right to READ the consumer group %s and the topic %s, where they mark what was committed: %s", m.group, m.topic, reason)}
		case record.KindConfig:
			kind = record.KindConfig
		}
	}
	return &record.Error{Kind: kind, Reason: "the stream's mark: " + reason}
}
