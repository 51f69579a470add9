package client

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
)

const (
	// ProbeID is the client.id of clients that ask the cluster something beside a producer.
	ProbeID = "kafkaupstream-probe"
	// autoWait bounds each step of the question whether the cluster creates topics.
	autoWait = 10 * time.Second
)

// answering returns the ID of the broker that has answered. librdkafka does not know the
// ID of one that it has by its address only, from bootstrap.servers.
func answering(md *kafka.Metadata) int32 {
	if md.OriginatingBroker.ID >= 0 {
		return md.OriginatingBroker.ID
	}
	for _, b := range md.Brokers {
		if strings.HasPrefix(md.OriginatingBroker.Host, net.JoinHostPort(b.Host, strconv.Itoa(b.Port))+"/") {
			return b.ID
		}
	}
	if len(md.Brokers) > 0 {
		return md.Brokers[0].ID
	}
	return -1
}

// BesideConfig returns the configuration of another kind of librdkafka client, for one that a
// producer has beside it.
func BesideConfig(props kafkaconf.Properties) kafka.ConfigMap {
	conf := kafka.ConfigMap{}
	for name, value := range props {
		conf[name] = value
	}
	delete(conf, "transactional.id") // whose owner it is not
	conf["log_level"] = 0            // it would log to stderr, past ours
	return conf
}

// createsTopics asks a broker, with a client of its own, whether the cluster creates
// topics on demand. The credentials may lack the right to know.
func (c *credentials) createsTopics() (creates, known bool) {
	props, err := c.resolve()
	if err != nil {
		return false, false
	}
	conf := BesideConfig(props)
	conf["client.id"] = ProbeID
	admin, err := kafka.NewAdminClient(&conf)
	if err != nil {
		return false, false
	}
	defer admin.Close()
	md, err := admin.GetMetadata(nil, false, int(autoWait/time.Millisecond))
	if err != nil {
		return false, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), autoWait)
	defer cancel()
	broker := kafka.ConfigResource{Type: kafka.ResourceBroker, Name: strconv.Itoa(int(answering(md)))}
	results, err := admin.DescribeConfigs(ctx, []kafka.ConfigResource{broker}, kafka.SetAdminRequestTimeout(autoWait))
	if err != nil || len(results) != 1 {
		return false, false
	}
	entry, ok := results[0].Config["auto.create.topics.enable"]
	return entry.Value == "true", ok
}
