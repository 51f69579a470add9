package kafkaupstream

import (
	"context"
	"fmt"
	"runtime"
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

// What is read of a record is bounded, and the copies of a body of v3 are counted.
func TestProxyRecordAllocatesWhatItHolds(t *testing.T) {
	var nulls strings.Builder
	for i := range 8000 {
		fmt.Fprintf(&nulls, `,"%x":null`, i)
	}
	const v2, v3, batch = "/topics/t", "/v3/clusters/c/topics/t/records", "/v3/clusters/c/topics/t/records:batch"
	headers := func(called string) string {
		return `,"headers":[` + strings.Repeat(`{"`+called+`":"a"},`, 8000) + `{"` + called + `":"a"}]`
	}
	const tooMany = "the record would have 101 headers, the limit is 100"
	for says, c := range map[string]struct{ path, body, want string }{
		"a large value":           {v3, `{"value": {"type":"STRING","data":"` + strings.Repeat("x", 98_000) + `"}}`, ""},
		"headers":                 {v3, `{"value":{"type":"JSON","data":1}` + headers("name") + `}`, tooMany},
		"headers of an entry":     {batch, `{"entries":[{"id":"1"` + headers("name") + `}]}`, "record 1: " + tooMany},
		"headers of v2":           {v2, `{"records":[{"value":1` + headers("key") + `}]}`, "record 1: " + tooMany},
		"nulls":                   {v3, `{"value":{"type":"JSON","data":1}` + nulls.String() + `}`, "the record: it has more than 100 members"},
		"nulls of a value":        {v3, `{"value":{"type":"JSON","data":1` + nulls.String() + `}}`, "value: it has more than 100 members"},
		"nulls of v2":             {v2, `{"records":[{"value":1` + nulls.String() + `}]}`, "record 1: the record: it has more than 100 members"},
		"nulls of a body":         {v2, `{"records":[{"value":1}]` + nulls.String() + `}`, "the body: it has more than 100 members"},
		"nulls beside entries":    {batch, `{"entries":[{"id":"1"}]` + nulls.String() + `}`, "the body: it has more than 100 members"},
		"nulls of a header":       {v3, `{"headers":[{"name":"a"` + nulls.String() + `}]}`, "headers[0]: it has more than 100 members"},
		"what may be there, null": {v3, `{"value":{"type":"JSON","data":1},"headers":null,"a":null,"b":null}`, ""},
	} {
		t.Run(says, func(t *testing.T) {
			sender := &mostHeld{}
			handler := newHandler(sender, nil)
			served := mustPrepare(t, handler, mustParse(t, `{`+brokers+`,"dialects":["confluent"],"timeout_ms":50000}`))
			req := &fakeRequest{method: "POST", path: c.path, headers: h{"content-type": "application/json"}, body: c.body}
			if c.path == v2 {
				req.headers["content-type"] = v2JSON
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			reply := handler.Handle(served, req)
			runtime.ReadMemStats(&after)
			switch {
			case c.want == "" && reply.Status != 200:
				t.Errorf("got %d %s", reply.Status, reply.AppendJSON(nil))
			case c.want != "" && (reply.Status != 400 || !strings.HasSuffix(reply.Message, c.want)):
				t.Errorf("got %d %s, want %s", reply.Status, reply.Message, c.want)
			}
			if n := int(after.TotalAlloc - before.TotalAlloc); n > 2*sender.most+64<<10 {
				t.Errorf("%d bytes were allocated, and %d held", n, sender.most)
			}
		})
	}
}
