package kafka

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// Durable transactions leave a mark, for which their credentials need rights that others
// do not: without them nothing is in Kafka or on disk, and the log names them.
func TestDurableTransactionsNameTheRightThatIsMissing(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{SASL: true, Users: map[string]string{"alice": "alices"}})
	topic := topicOf(t, k, 1, nil)
	allow := func(operation kmsg.ACLOperation, resource kmsg.ACLResourceType, name string) {
		t.Helper()
		if err := k.Allow(kafkatest.ACL{User: "alice", Operation: operation, Resource: resource, Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	r := startRunner(t, "", "KAFKAUPSTREAM_SPOOL_DIR="+t.TempDir())
	a := startGateway(t, r.socket)
	route := func(name, topic string) {
		a.route(name, fmt.Sprintf(`{"config":{"bootstrap.servers":%q,"security.protocol":"SASL_PLAINTEXT","sasl.mechanism":"PLAIN","sasl.username":"alice","sasl.password":"alices"},
			"topic":%q,"transactional":true,"delivery":"durable","timeout_ms":20000}`, k.Bootstrap(), topic))
	}
	route("r", topic)
	allow(kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTopic, topic)
	allow(kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, "*")
	a.post("r", nil, "refused").want(t, 500, "no")
	await.True(t, "the log names the group and the topic", func() bool {
		return strings.Contains(r.log.String(), "the right to READ the consumer group kafkaupstream-") && strings.Contains(r.log.String(), "and the topic "+topic)
	})
	allow(kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, "*")
	a.post("r", nil, "refused").want(t, 500, "no")
	allow(kmsg.ACLOperationRead, kmsg.ACLResourceTypeTopic, topic)
	await.True(t, "it is committed", func() bool { return a.post("r", nil, "taken").Status == 200 })
	topicNow, err := k.Records(t.Context(), topic, kafkatest.ReadCommitted)
	if err != nil || len(topicNow) == 0 {
		t.Errorf("%d records: %v", len(topicNow), err)
	}
	for _, rec := range topicNow {
		if string(rec.Value) != "taken" {
			t.Errorf("%s is in the topic", rec.Value)
		}
	}
	readable, hidden := topicOf(t, k, 1, nil), topicOf(t, k, 1, nil)
	allow(kmsg.ACLOperationRead, kmsg.ACLResourceTypeTopic, readable)
	route("readable", readable)
	route("hidden", hidden)
	a.post("readable", nil, "refused").want(t, 403, "no")
	a.post("hidden", nil, "refused").want(t, 403, "no") // by a producer that asks for the mark of this topic first
	a.post("r", nil, "taken").want(t, 200, "yes")
}
