package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// change has a broker answer a request that changes something, and waits
// until the change is in force everywhere.
func (c *Cluster) change(what string, do func(context.Context, *broker) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), changeTimeout)
	defer cancel()
	n, err := c.anyBroker()
	if err != nil {
		return err
	}
	if err := do(ctx, n); err != nil {
		return fmt.Errorf("kafkatest: %s: %w", what, err)
	}
	return c.settle(ctx)
}

// CreateTopic creates a topic, with topic properties such as
// min.insync.replicas in config (may be nil). When it returns, every running
// broker takes records for it: no UNKNOWN_TOPIC_OR_PARTITION, no
// NOT_LEADER_OR_FOLLOWER.
func (c *Cluster) CreateTopic(name string, partitions, replication int, config map[string]string) error {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.NumPartitions, topic.ReplicationFactor = int32(partitions), int16(replication)
	return c.createTopic(name, topic, config)
}

// CreateTopicOn creates a topic with one partition for each element of
// replicas, on the nodes it names, the preferred leader first. A node may be
// dead, so a topic on all three with min.insync.replicas=3 is how to get
// NOT_ENOUGH_REPLICAS.
func (c *Cluster) CreateTopicOn(name string, replicas [][]int, config map[string]string) error {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.NumPartitions, topic.ReplicationFactor = -1, -1 // the assignment says both
	for partition, nodes := range replicas {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition = int32(partition)
		for _, node := range nodes {
			a.Replicas = append(a.Replicas, int32(node))
		}
		topic.ReplicaAssignment = append(topic.ReplicaAssignment, a)
	}
	return c.createTopic(name, topic, config)
}

func (c *Cluster) createTopic(name string, topic kmsg.CreateTopicsRequestTopic, config map[string]string) error {
	topic.Topic = name
	for key, value := range config {
		entry := kmsg.NewCreateTopicsRequestTopicConfig()
		entry.Name, entry.Value = key, &value
		topic.Configs = append(topic.Configs, entry)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = int32(changeTimeout.Milliseconds())
	req.Topics = append(req.Topics, topic)
	return c.change("create topic "+name, func(ctx context.Context, n *broker) error {
		_, missing := c.metadata(ctx, name)
		resp, err := req.RequestWith(ctx, n)
		if err != nil {
			return err
		}
		err = failure(resp.Topics[0].ErrorCode, resp.Topics[0].ErrorMessage)
		// A request whose answer does not come in time is sent again.
		if errors.Is(err, kerr.TopicAlreadyExists) && errors.Is(missing, kerr.UnknownTopicOrPartition) {
			return nil
		}
		return err
	})
}

// DeleteTopic deletes a topic and its records.
func (c *Cluster) DeleteTopic(name string) error {
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = int32(changeTimeout.Milliseconds())
	req.TopicNames, req.Topics = []string{name}, append(req.Topics, topic)
	return c.change("delete topic "+name, func(ctx context.Context, n *broker) error {
		resp, err := req.RequestWith(ctx, n)
		if err != nil {
			return err
		}
		return failure(resp.Topics[0].ErrorCode, resp.Topics[0].ErrorMessage)
	})
}

// AddPartitions gives a topic more partitions, total altogether.
func (c *Cluster) AddPartitions(topic string, total int) error {
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = topic, int32(total)
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = int32(changeTimeout.Milliseconds())
	req.Topics = append(req.Topics, t)
	return c.change("add partitions to "+topic, func(ctx context.Context, n *broker) error {
		resp, err := req.RequestWith(ctx, n)
		if err != nil {
			return err
		}
		return failure(resp.Topics[0].ErrorCode, resp.Topics[0].ErrorMessage)
	})
}

// AlterTopicConfig sets properties of a topic and leaves its others alone.
func (c *Cluster) AlterTopicConfig(topic string, config map[string]string) error {
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	for key, value := range config {
		entry := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		entry.Name, entry.Value, entry.Op = key, &value, kmsg.IncrementalAlterConfigOpSet
		resource.Configs = append(resource.Configs, entry)
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, resource)
	return c.change("alter topic "+topic, func(ctx context.Context, n *broker) error {
		resp, err := req.RequestWith(ctx, n)
		if err != nil {
			return err
		}
		return failure(resp.Resources[0].ErrorCode, resp.Resources[0].ErrorMessage)
	})
}

// TopicLeader is the node that leads a partition, as the brokers know it: for
// up to 3 s after a Kill that can be the dead one. It is an error if none does.
func (c *Cluster) TopicLeader(topic string, partition int) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), changeTimeout)
	defer cancel()
	meta, err := c.metadata(ctx, topic)
	if err != nil {
		return 0, err
	}
	for _, p := range meta.Partitions {
		if int(p.Partition) == partition {
			return int(p.Leader), partitionError(topic, p)
		}
	}
	return 0, fmt.Errorf("kafkatest: topic %s has no partition %d", topic, partition)
}

// WaitInSync waits until every partition of the topic has a leader and
// exactly n replicas in sync, and every running broker acts on it. After a
// Kill it tells when the dead node is out, after a Restart when it is back.
func (c *Cluster) WaitInSync(ctx context.Context, topic string, n int) error {
	err := poll(ctx, func() (bool, error) {
		meta, err := c.metadata(ctx, topic)
		if err != nil {
			return false, err
		}
		for _, p := range meta.Partitions {
			if err := partitionError(topic, p); err != nil {
				return false, err
			}
			if len(p.ISR) != n {
				return false, fmt.Errorf("kafkatest: partition %d of topic %s has %v in sync", p.Partition, topic, p.ISR)
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	return c.settle(ctx)
}

func partitionError(topic string, p kmsg.MetadataResponseTopicPartition) error {
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		return fmt.Errorf("kafkatest: partition %d of topic %s: %w", p.Partition, topic, err)
	}
	return nil
}

// metadata is what a running broker knows of a topic, its partitions in order.
func (c *Cluster) metadata(ctx context.Context, topic string) (kmsg.MetadataResponseTopic, error) {
	var none kmsg.MetadataResponseTopic
	n, err := c.anyBroker()
	if err != nil {
		return none, err
	}
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &topic
	req := kmsg.NewPtrMetadataRequest() // its default creates no topic
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, n)
	if err != nil {
		return none, fmt.Errorf("kafkatest: topic %s: %w", topic, err)
	}
	meta := resp.Topics[0]
	if err := kerr.ErrorForCode(meta.ErrorCode); err != nil {
		return none, fmt.Errorf("kafkatest: topic %s: %w", topic, err)
	}
	slices.SortFunc(meta.Partitions, func(a, b kmsg.MetadataResponseTopicPartition) int {
		return int(a.Partition) - int(b.Partition)
	})
	return meta, nil
}
