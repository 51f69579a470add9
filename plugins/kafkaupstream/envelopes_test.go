package kafkaupstream

import (
	"strings"
	"testing"
)

func TestEnvelopesIdsDoNotMakeARepetitionAnotherRequest(t *testing.T) {
	sender := &fakeSender{}
	handler := newHandler(sender, nil)
	route := mustParse(t, `{`+brokers+`,"topic":"t","envelope":"oslo","batch":true,"idempotency":{}}`)
	post := func(body string) string {
		req := &fakeRequest{method: "POST", path: "/", body: body, headers: h{"content-type": "application/json", "idempotency-key": `"k"`}}
		reply := serve(t, handler, route, req)
		return string(reply.AppendJSON(nil))
	}
	body := `[{"event_type":"e","publisher_id":"p","payload":1},{"event_type":"e","publisher_id":"p","payload":2}]`
	first := post(body)
	if again := post(body); again != first || len(sender.sent) != 2 {
		t.Errorf("%d records; first\n%s\nthen\n%s", len(sender.sent), first, again)
	}
	if other := post(strings.Replace(body, "2", "3", 1)); !strings.Contains(other, "belongs to another request") {
		t.Errorf("got %s", other)
	}
}

func TestEnvelopesGrowthIsCountedAsMemory(t *testing.T) {
	body := `{"event_type":"e","publisher_id":"p","payload":"` + strings.Repeat("é", 1000) + `"}` // 2 bytes, then 7
	for room, status := range map[int]int{8000: 503, 12000: 200} {
		sender := &fakeSender{room: room}
		req := &fakeRequest{method: "POST", body: body, headers: h{"content-type": "application/json"}}
		reply := serve(t, newHandler(sender, nil), mustParse(t, `{`+brokers+`,"topic":"t","envelope":"oslo"}`), req)
		if reply.Status != status || sender.held != 0 {
			t.Errorf("with room for %d bytes: %+v, and %d are still held", room, reply, sender.held)
		}
	}
}
