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
func TestWhatDurableTransactionsNeedIsNamedWhereItIsMissing(t *testing.T) {
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
	a.route("r", fmt.Sprintf(`{"config":{"bootstrap.servers":%q,"security.protocol":"SASL_PLAINTEXT","sasl.mechanism":"PLAIN","sasl.username":"alice","sasl.password":"alices"},
		"topic":%q,"transactional":true,"delivery":"durable","timeout_ms":20000}`, k.Bootstrap(), topic))
	refused := func(says, want string) {
		t.Helper()
		a.post("r", nil, "refused").want(t, 500, "no")
		await.True(t, says, func() bool { return strings.Contains(r.log.String(), want) })
	}
	allow(kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTopic, topic)
	refused("the transactional id is named", "the right to WRITE with the transactional id kafkaupstream-")
	allow(kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, "*")
	refused("the group is named", "the right to READ the consumer group kafkaupstream-")
	allow(kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, "*")
	before := len(r.log.String())
	a.post("r", nil, "refused").want(t, 500, "no")
	await.True(t, "the topic is named", func() bool { return strings.Contains(r.log.String()[before:], "and the topic "+topic) })
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
}
