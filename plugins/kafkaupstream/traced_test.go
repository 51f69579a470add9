package kafkaupstream

import (
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

const (
	oneTrace     = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	anotherTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

func TestTraceIsNoReasonToRefuseARecord(t *testing.T) {
	route, err := routeconf.ParseRoute([]byte(`{"config":{"bootstrap.servers":"a:1","message.max.bytes":1000},"topic":"t"}`), routeconf.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	const traceparentBytes = len("traceparent") + len(oneTrace)
	for _, c := range []struct {
		value   int // bytes
		headers int
	}{
		{1000, 0},
		{1000 - traceparentBytes + 1, 0},
		{1000 - traceparentBytes, 1},
		{100, 2},
	} {
		sender := &fakeSender{}
		reply := serve(t, newHandler(sender, nil), route, &fakeRequest{
			method: "POST", body: strings.Repeat("x", c.value),
			headers: h{"traceparent": oneTrace, "baggage": "a=" + strings.Repeat("b", 500)},
		})
		if reply.Status != 200 {
			t.Errorf("%d bytes: %d %s", c.value, reply.Status, reply.Message)
			continue
		}
		if n := len(sender.sent[0].Headers); n != c.headers {
			t.Errorf("%d bytes: %d headers, want %d", c.value, n, c.headers)
		}
	}
}

func TestTraceDoesNotMakeARepetitionAnotherRequest(t *testing.T) {
	route, err := routeconf.ParseRoute([]byte(`{`+brokers+`,"topic":"t","idempotency":{}}`), routeconf.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	sender := &fakeSender{}
	handler := newHandler(sender, nil)
	for _, trace := range []string{oneTrace, anotherTrace} {
		reply := serve(t, handler, route, &fakeRequest{
			method: "POST", body: "v", headers: h{"idempotency-key": `"k"`, "traceparent": trace},
		})
		if reply.Status != 200 {
			t.Fatalf("%d %s", reply.Status, reply.AppendJSON(nil))
		}
	}
	if len(sender.sent) != 1 || string(sender.sent[0].Headers[0].Value) != oneTrace {
		t.Errorf("sent: %v", sender.sent)
	}
}
