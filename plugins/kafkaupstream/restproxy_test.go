package kafkaupstream

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

const v2JSON = "application/vnd.kafka.json.v2+json"

func TestProxyCodesAreCompleteAndOfTheirStatus(t *testing.T) {
	for kind := range record.Kinds {
		code := proxyCodes[kind.String()]
		status := outcomes[kind].status
		again := status >= 503 // another attempt may have another outcome
		if code != status && code/100 != status && (code != codeRetriable || !again) && (code != codeKafka || again) {
			t.Errorf("%v: the status is %d, the code %d", kind, status, code)
		}
	}
	if len(proxyCodes) != int(record.Kinds) {
		t.Errorf("%d kinds have a code, %d there are", len(proxyCodes), record.Kinds)
	}
}

func TestProxyClientThatRepeatsAKeyGetsTheFirstReply(t *testing.T) {
	const yes = `{"offsets":[{"partition":1,"offset":7,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`
	sender := sending(unknown)
	handler := newHandler(sender, nil)
	route := mustParse(t, `{`+brokers+`,"dialects":["confluent"],"delivery":"sync","idempotency":{}}`)
	for i, want := range []string{
		`504 {"error_code":50003,"message":"Kafka did not acknowledge the record in time"}`,
		`409 {"error_code":409,"message":"the first request with this idempotency key is still under way"}`,
		`200 ` + yes,
		`200 ` + yes,
	} {
		if i == 2 {
			sender.late[0]([]record.Outcome{acked(7)})
		}
		reply := serve(t, handler, route, &fakeRequest{method: "POST", path: "/topics/t",
			headers: h{"idempotency-key": "k", "content-type": v2JSON}, body: `{"records":[{"value":1}]}`})
		if got := fmt.Sprintf("%d %s", reply.Status, reply.AppendJSON(nil)); got != want || reply.ContentType != "application/vnd.kafka.v2+json" {
			t.Errorf("request %d: got %s %s, want %s", i+1, reply.ContentType, got, want)
		}
	}
}

func TestProxyClientThatRepeatsAKeyGetsALargeReplyInShort(t *testing.T) {
	const n = 2000
	sender := &fakeSender{}
	handler := newHandler(sender, nil)
	route := mustParse(t, `{`+brokers+`,"dialects":["confluent"],"delivery":"sync","idempotency":{}}`)
	post := func() Reply {
		return serve(t, handler, route, &fakeRequest{method: "POST", path: "/topics/t",
			headers: h{"idempotency-key": "k", "content-type": v2JSON}, body: `{"records":[{"value":1}` + strings.Repeat(`,{"value":1}`, n-1) + `]}`})
	}
	first, again := post(), post()
	if text := string(first.AppendJSON(nil)); first.Status != 200 || strings.Count(text, `"offset":`) != n {
		t.Errorf("the first: %d %.200s", first.Status, text)
	}
	const short = `{"code":200,"message":"written to Kafka","delivered":"yes"}`
	if text := string(again.AppendJSON(nil)); again.Status != 200 || text != short || len(sender.sent) != n {
		t.Errorf("again, with %d records: %d %.200s", len(sender.sent), again.Status, text)
	}
}

// committed is a disk that knows of a unit that it was committed before.
type committed struct{}

func (committed) Way(*kafkaconf.Connection, durable.Policy) record.Way { return committed{} }

func (committed) Deliver(_ context.Context, b *record.Batch) { b.Outcomes = nil }

func TestProxyClientOfAUnitThatWasCommittedBefore(t *testing.T) {
	route := mustParse(t, `{`+brokers+`,"dialects":["confluent"],"delivery":"durable","transactional":true}`)
	reply := serve(t, newHandler(&fakeSender{}, committed{}), route, &fakeRequest{method: "POST", path: "/v3/clusters/c/topics/t/records",
		body: `{"value":{"type":"JSON","data":1}} {"partition_id":3,"value":{"type":"JSON","data":2}}`})
	const want = `{"error_code":200,"cluster_id":"c","topic_name":"t","partition_id":-1,"offset":-1,"value":{"type":"JSON","size":1}}` +
		`{"error_code":200,"cluster_id":"c","topic_name":"t","partition_id":3,"offset":-1,"value":{"type":"JSON","size":1}}`
	if got := string(reply.AppendJSON(nil)); reply.Status != 200 || got != want {
		t.Errorf("got %d %s", reply.Status, got)
	}
}

func TestRequestsThatAreNotTheProxysCostNothingMore(t *testing.T) {
	handler := newHandler(discardSender{}, nil)
	served := mustPrepare(t, handler, mustParse(t, `{`+brokers+`,"topic":"t"}`))
	w, req := &work{}, &fakeRequest{method: "POST", path: "/topics/t", headers: h{"content-type": "application/json"}}
	if n := testing.AllocsPerRun(100, func() { served.understand(req, w) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
