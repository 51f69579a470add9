package chaos

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// moveLeaders makes the next replica of each of the topic's partitions its leader,
// as an operator does who balances a cluster: it turns the list of replicas around
// and has the first of the list elected. The election is decided when it returns,
// which is some milliseconds before all brokers act on it.
func moveLeaders(ctx context.Context, client *kgo.Client, topic string) error {
	partitions, err := replicas(ctx, client, topic)
	if err != nil {
		return fmt.Errorf("move the leaders of %s: %w", topic, err)
	}
	if err := reassign(ctx, client, topic, partitions); err != nil {
		return fmt.Errorf("reassign %s: %w", topic, err)
	}
	if err := elect(ctx, client, topic, len(partitions)); err != nil {
		return fmt.Errorf("elect leaders of %s: %w", topic, err)
	}
	return nil
}

// replicas is, by partition, the list of replicas with the present leader last.
func replicas(ctx context.Context, client *kgo.Client, topic string) ([][]int32, error) {
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &topic
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		return nil, err
	}
	lists := make([][]int32, len(resp.Topics[0].Partitions))
	for _, p := range resp.Topics[0].Partitions {
		leader := slices.Index(p.Replicas, p.Leader)
		if leader < 0 {
			return nil, fmt.Errorf("partition %d has no leader", p.Partition)
		}
		lists[p.Partition] = append(slices.Clone(p.Replicas[leader+1:]), p.Replicas[:leader+1]...)
	}
	return lists, nil
}

func reassign(ctx context.Context, client *kgo.Client, topic string, lists [][]int32) error {
	t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	t.Topic = topic
	for i, list := range lists {
		p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
		p.Partition, p.Replicas = int32(i), list
		t.Partitions = append(t.Partitions, p)
	}
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

func elect(ctx context.Context, client *kgo.Client, topic string, partitions int) error {
	t := kmsg.NewElectLeadersRequestTopic()
	t.Topic = topic
	for i := range partitions {
		t.Partitions = append(t.Partitions, int32(i))
	}
	req := kmsg.NewPtrElectLeadersRequest()
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("partition %d: %w", p.Partition, err)
			}
		}
	}
	return nil
}
