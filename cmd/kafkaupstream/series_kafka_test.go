package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

func eventsOfKafka() []event {
	queued := map[string]float64{requests(200): 1, told("async", "unknown"): 1}
	acknowledged := map[string]float64{requests(200): 1, told("sync", "yes"): 1, reports("acknowledged"): 1}
	return []event{
		{name: "a broker answers", do: func(_ *testing.T, o *observed) {
			o.sends(o.route(`,"statistics.interval.ms":1000`, syncRest), 200, "v") // what an interval had stays for one more
		}, shows: with(acknowledged, map[string]float64{
			producerIs("up"): 1, producerUp("sync"): 1, "kafkaupstream_producers_started_total": 1,
			ofBroker("broker_round_trip_average_seconds"): some, ofBroker("broker_round_trip_p99_seconds"): some,
		})},
		{name: "a broker makes its clients wait", do: func(_ *testing.T, o *observed) {
			o.broker().ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) { return throttled(r), nil, true })
			o.sends(o.route(`,"statistics.interval.ms":1000`, syncRest+`,"timeout_ms":20000`), 200, "v")
		}, shows: with(acknowledged, map[string]float64{ofBroker("broker_throttle_max_seconds"): 0.3})},
		{name: "a broker takes a connection and says nothing", do: func(t *testing.T, o *observed) {
			o.prepared(fmt.Sprintf(`{"config":{"bootstrap.servers":%q},"topic":"t"}`, program.SilentAddress(t)))
		}, shows: map[string]float64{producerIs("connecting"): 1}},
		{name: "a broker goes away", do: func(_ *testing.T, o *observed) {
			o.sends(o.route("", syncRest), 200, "v")
			o.broker().Close()
		}, shows: with(acknowledged, map[string]float64{producerIs("down"): 1})},
		{name: "a connection to one of three brokers breaks", do: func(t *testing.T, o *observed) {
			c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(3, "t"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("it breaks"), true })
			o.sends(o.prepared(route(c, `,"statistics.interval.ms":20`, syncRest+`,"timeout_ms":20000`)), 200, "v")
		}, shows: with(acknowledged, map[string]float64{"kafkaupstream_broker_connection_breaks_total": 1})},
		{name: "a broker has lost track of an idempotent producer", do: func(_ *testing.T, o *observed) {
			a := o.route("", syncRest+`,"idempotency":{},"timeout_ms":20000`)
			o.sends(a, 200, "v")
			o.broker().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.OutOfOrderSequenceNumber, Count: 1})
			o.sends(a, 504, "v", "idempotency-key", "k")
			o.sends(a, 410, "v", "idempotency-key", "k") // nobody will ever know
		}, shows: with(acknowledged, map[string]float64{
			"kafkaupstream_producer_fatal_errors_total": 1,
			requests(504): 1, requests(410): 1, told("sync", "unknown"): 1, failures("unconfirmed"): 1, reports("unconfirmed"): 1,
		})},
		{name: "a topic is deleted before its records are sent", do: func(t *testing.T, o *observed) {
			o.sends(o.route(`,"linger.ms":60000,"topic.metadata.refresh.interval.ms":20,"topic.metadata.propagation.max.ms":0`, ``), 200, "v")
			o.deleteTopic(t, "t")
		}, shows: with(queued, map[string]float64{reports("partition_not_found"): 1})},
	}
}

// deleteTopic deletes a topic as an administrator does.
func (o *observed) deleteTopic(t *testing.T, name string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(o.broker().ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Topics, req.TopicNames = append(req.Topics, topic), []string{name}
	if _, err := cl.Request(t.Context(), req); err != nil {
		t.Fatal(err)
	}
}

// throttled answers a Produce request as a broker whose quota is reached.
func throttled(r kmsg.Request) kmsg.Response {
	req := r.(*kmsg.ProduceRequest)
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	resp.ThrottleMillis = 300
	for _, rt := range req.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = rt.Topic, rt.TopicID
		for _, rp := range rt.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition = rp.Partition
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}
