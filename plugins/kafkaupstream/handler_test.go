package kafkaupstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/idempotency"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/schema"
)

// fakeSender keeps what it was given.
type fakeSender struct {
	send func(rec *record.Record, wait bool) (record.Ack, *record.Error)

	sent     []record.Record
	deadline time.Time
	held     int
	room     int // for Hold; 0: any

	late []func([]record.Outcome) // of batches that are followed, to be called with what came too late
}

type fakeWay struct {
	*fakeSender
	wait, together bool
}

func (s *fakeSender) Way(_ *kafkaconf.Connection, acknowledged bool) record.Way {
	return fakeWay{s, acknowledged, false}
}

func (s *fakeSender) Together(*kafkaconf.Connection) record.Way { return fakeWay{s, true, true} }

func (w fakeWay) Deliver(ctx context.Context, b *record.Batch) {
	w.deadline, _ = ctx.Deadline()
	for i := range b.Records {
		rec := &b.Records[i]
		kept := *rec
		kept.Key, kept.Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
		w.sent = append(w.sent, kept)
		if w.send != nil {
			b.Outcomes[i].Ack, b.Outcomes[i].Err = w.send(rec, w.wait)
		}
	}
	for _, o := range b.Outcomes {
		switch {
		case o.Err != nil && o.Err.Unconfirmed && b.Follow: // it is not known in time
			b.Late = func(then func([]record.Outcome)) { w.late = append(w.late, then) }
		case o.Err != nil && w.together && b.Err == nil:
			b.Err = o.Err
		}
	}
	if b.Err != nil {
		for i := range b.Outcomes {
			if b.Outcomes[i].Err == nil {
				b.Outcomes[i] = record.Outcome{Err: &record.Error{Kind: record.KindAborted}}
			}
		}
	}
}

func (s *fakeSender) Transactions() bool { return true }

func (s *fakeSender) Warm(*kafkaconf.Connection) {}

func (s *fakeSender) Hold(_ *kafkaconf.Connection, n int) bool {
	if s.room > 0 && s.held+n > s.room {
		return false
	}
	s.held += n
	return true
}

func (s *fakeSender) Release(_ *kafkaconf.Connection, n int) { s.held -= n }

// fakeDisk gives each record one answer.
type fakeDisk struct {
	outcome record.Outcome
	policy  durable.Policy
	rec     record.Record

	together bool
	unit     [16]byte
	again    bool
	replied  [16]byte
}

func (d *fakeDisk) Way(conn *kafkaconf.Connection, policy durable.Policy) record.Way {
	d.policy, d.together = policy, conn.Transactional()
	return d
}

func (d *fakeDisk) Deliver(_ context.Context, b *record.Batch) {
	d.rec, d.unit, d.again = b.Records[0], b.Unit, b.Again
	for i := range b.Outcomes {
		b.Outcomes[i] = d.outcome
	}
	if d.together && d.outcome.Err != nil {
		b.Outcomes, b.Err = nil, d.outcome.Err
	}
	if b.Unit != [16]byte{} {
		b.Replied = func() { d.replied = b.Unit }
	}
}

type fakeRequest struct {
	method  string
	headers map[string]string
	more    []string // further values of each header
	body    string
	noBody  bool // nil from Body
	bodyErr error
	vars    map[string]string
	args    map[string]string
	path    string
	asked   int
	read    bool // there was room
	cut     bool // headers are missing:
	missing string
}

func (r *fakeRequest) Path() string { return r.path }

func (r *fakeRequest) SourceIP() string { return "192.0.2.7" }

func (r *fakeRequest) Argument(name string) string { return r.args[name] }

func (r *fakeRequest) Arguments(f func(name, value string)) {
	for _, name := range slices.Sorted(maps.Keys(r.args)) {
		f(name, r.args[name])
	}
}

func (r *fakeRequest) Headers(f func(name, value string)) {
	for _, name := range slices.Sorted(maps.Keys(r.headers)) {
		if name != r.missing {
			f(name, r.headers[name])
		}
	}
}

func (r *fakeRequest) Values(name string) []string {
	if value, ok := r.headers[name]; ok {
		return append([]string{value}, r.more...)
	}
	return nil
}

func (r *fakeRequest) HeadersMissing() bool { return r.cut }

func (r *fakeRequest) Failed() error { return nil }

func (r *fakeRequest) Gone() <-chan struct{} { return nil }

func (r *fakeRequest) Var(name string) string { return r.vars[name] }

func (r *fakeRequest) Method() string            { return r.method }
func (r *fakeRequest) Header(name string) string { return r.headers[name] }
func (r *fakeRequest) Route() string             { return "r1" }

func (r *fakeRequest) Body(limit int, room Room) ([]byte, error) {
	r.asked++
	switch {
	case r.bodyErr != nil:
		return nil, r.bodyErr
	case len(r.body) > limit:
		return []byte(r.body), &BodyTooLarge{int64(len(r.body)), limit}
	}
	if err := room.Hold(len(r.body)); err != nil {
		return nil, err
	}
	r.read = true
	if r.noBody {
		return nil, nil
	}
	return []byte(r.body), nil
}

type h = map[string]string

const jsonType = "application/json"

func TestRequestMakesARecord(t *testing.T) {
	const full = `{` + brokers + `,"headerprefix":"X-","topic":"conf","partition":3,"key":"conf-key","jsonkey":"id"}`
	cases := []struct {
		says, conf string
		req        fakeRequest
		topic      string
		partition  int32
		key        string // "null"
		value      string
	}{
		{"the body goes to the route's topic as it is", `{` + brokers + `,"topic":"t"}`,
			fakeRequest{body: "a  b"}, "t", -1, "null", "a  b"},
		{"JSON is compacted", `{` + brokers + `,"topic":"t"}`,
			fakeRequest{headers: h{"content-type": jsonType}, body: "{ \"a\" : 1 }\n"}, "t", -1, "null", `{"a":1}`},
		{"+json is JSON too, whatever its parameters", `{` + brokers + `,"topic":"t"}`,
			fakeRequest{headers: h{"content-type": "Application/LD+JSON; charset=utf-8"}, body: `[ 1 ]`}, "t", -1, "null", `[1]`},
		{"what is called something else is not touched", `{` + brokers + `,"topic":"t"}`,
			fakeRequest{headers: h{"content-type": "text/plain"}, body: `[ 1 ]`}, "t", -1, "null", `[ 1 ]`},
		{"an empty body is an empty value, not null", `{` + brokers + `,"topic":"t"}`,
			fakeRequest{noBody: true}, "t", -1, "null", ""},
		{"so is one that the gateway says is empty", `{` + brokers + `,"topic":"t"}`,
			fakeRequest{noBody: true, vars: h{"content_length": "0"}}, "t", -1, "null", ""},
		{"the configuration's partition and jsonkey", full,
			fakeRequest{headers: h{"content-type": jsonType}, body: `{"id":"body-key"}`}, "conf", 3, "body-key", `{"id":"body-key"}`},
		{"key where the body has no jsonkey", full,
			fakeRequest{headers: h{"content-type": jsonType}, body: `{"x":1}`}, "conf", 3, "conf-key", `{"x":1}`},
		{"key where it is null", full,
			fakeRequest{headers: h{"content-type": jsonType}, body: `{"id":null}`}, "conf", 3, "conf-key", `{"id":null}`},
		{"key where it is empty", full,
			fakeRequest{headers: h{"content-type": jsonType}, body: `{"id":""}`}, "conf", 3, "conf-key", `{"id":""}`},
		{"key where the body is not JSON", full,
			fakeRequest{body: `{"id":"x"}`}, "conf", 3, "conf-key", `{"id":"x"}`},
		{"a key that is an object is its compact text", full,
			fakeRequest{headers: h{"content-type": jsonType}, body: `{"id": {"a": [1, 2]}}`}, "conf", 3, `{"a":[1,2]}`, `{"id":{"a":[1,2]}}`},
		{"a key that is a number keeps its digits", full,
			fakeRequest{headers: h{"content-type": jsonType}, body: `{"id":12345678901234567890}`}, "conf", 3, "12345678901234567890", `{"id":12345678901234567890}`},
		{"a key that is a string is unescaped", full,
			fakeRequest{headers: h{"content-type": jsonType}, body: `{"id":"a\"\u00e9"}`}, "conf", 3, `a"é`, `{"id":"a\"\u00e9"}`},
		{"headers win over all", full,
			fakeRequest{headers: h{"content-type": jsonType, "x-topic": "head", "x-key": "head-key", "x-partition": "-1"}, body: `{"id":"body-key"}`},
			"head", -1, "head-key", `{"id":"body-key"}`},
		{"headers without the prefix are ordinary", full,
			fakeRequest{headers: h{"topic": "head", "key": "head-key", "partition": "1"}, body: "x"}, "conf", 3, "conf-key", "x"},
		{"an empty header is none", full,
			fakeRequest{headers: h{"x-topic": "", "x-key": "", "x-partition": ""}, body: "x"}, "conf", 3, "conf-key", "x"},
		{"an empty key is null", `{` + brokers + `,"topic":"t","key":""}`, fakeRequest{body: "x"}, "t", -1, "null", "x"},
		{"a topic from the header alone", `{` + brokers + `,"topics":["a*"]}`, fakeRequest{headers: h{"topic": "abc"}, body: "x"}, "abc", -1, "null", "x"},
		{"PUT produces", `{` + brokers + `,"topic":"t"}`, fakeRequest{method: "PUT", body: "x"}, "t", -1, "null", "x"},
		{"PATCH produces", `{` + brokers + `,"topic":"t"}`, fakeRequest{method: "PATCH", body: "x"}, "t", -1, "null", "x"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			if c.req.method == "" {
				c.req.method = "POST"
			}
			sender := &fakeSender{}
			handler := newHandler(sender, nil)
			route := mustParse(t, c.conf)
			for range 2 { // the second in the memory of the first
				reply := serve(t, handler, route, &c.req)
				if reply.Status != 200 {
					t.Fatalf("got %+v", reply)
				}
				rec := sender.sent[len(sender.sent)-1]
				key := "null"
				if rec.Key != nil {
					key = string(rec.Key)
				}
				if rec.Topic != c.topic || rec.Partition != c.partition || key != c.key || string(rec.Value) != c.value {
					t.Errorf("got %s %d key %s value %s", rec.Topic, rec.Partition, key, rec.Value)
				}
				if rec.Value == nil {
					t.Error("the value is null")
				}
				if rec.Key != nil && len(rec.Key) == 0 {
					t.Error("the key is empty")
				}
			}
		})
	}
}

func TestRefusalProducesNothingAndSaysWhy(t *testing.T) {
	const plain = `{` + brokers + `,"topic":"t"}`
	cases := []struct {
		says, conf string
		req        fakeRequest
		status     int
		message    string
		unread     bool // the body was not asked for
	}{
		{"GET", plain, fakeRequest{method: "GET"}, 405, "allowed are POST, PUT, PATCH", true},
		{"DELETE", plain, fakeRequest{method: "DELETE"}, 405, "produces nothing", true},
		{"invalid JSON", plain, fakeRequest{headers: h{"content-type": jsonType}, body: `{"a":1,}`}, 400, "invalid JSON at byte 7", false},
		{"no JSON at all", plain, fakeRequest{headers: h{"content-type": jsonType}}, 400, "invalid JSON at byte 0", false},
		{"sixteen megabytes of [", `{"config":{"bootstrap.servers":"a","message.max.bytes":20000000},"topic":"t","jsonkey":"a"}`,
			fakeRequest{headers: h{"content-type": jsonType}, body: strings.Repeat("[", 16<<20-200)}, 400, "invalid JSON at byte 10000", false},
		{"no topic", `{` + brokers + `}`, fakeRequest{body: "x"}, 400, "no topic: the route has none, and the header topic is not set", true},
		{"a topic header that is no topic", plain, fakeRequest{headers: h{"topic": "a b"}}, 400, "header topic: a topic's name has letters", true},
		{"a topic header too long", plain, fakeRequest{headers: h{"topic": strings.Repeat("x", 600)}}, 400, "at most 249 characters, this one has 600", true},
		{"a topic header of dots", plain, fakeRequest{headers: h{"topic": ".."}}, 400, "cannot be . or ..", true},
		{"a topic that the route does not allow", `{` + brokers + `,"topics":["a*"]}`, fakeRequest{headers: h{"topic": "b"}}, 403, "does not allow this topic", true},
		{"no topics allowed at all", `{` + brokers + `,"topics":[]}`, fakeRequest{headers: h{"topic": "b"}}, 403, "does not allow this topic", true},
		{"a header that the route does not allow", `{` + brokers + `,"topic":"t","overrides":["topic"],"headerprefix":"p-"}`, fakeRequest{headers: h{"p-key": "k"}}, 403, "does not let the header p-key be set", true},
		{"a partition that is no number", plain, fakeRequest{headers: h{"partition": "one"}}, 400, "header partition: expected an integer from -1", true},
		{"a partition too large", plain, fakeRequest{headers: h{"partition": "2147483648"}}, 400, "header partition", true},
		{"a partition too small", plain, fakeRequest{headers: h{"partition": "-2"}}, 400, "header partition", true},
		{"a body that is too large", `{` + brokers + `,"topic":"t","max_body_bytes":3}`, fakeRequest{body: "1234"}, 413, "the body has 4 bytes, the limit is 3", false},
		{"a key that makes the record too large", `{"config":{"bootstrap.servers":"a","message.max.bytes":1000},"topic":"t"}`,
			fakeRequest{headers: h{"key": "k"}, body: strings.Repeat("x", 1000)}, 413, "the record has 1001 bytes, the limit is 1000", false},
		{"what is not JSON where JSON is required", `{` + brokers + `,"topic":"t","require":["json"]}`, fakeRequest{headers: h{"content-type": "text/plain"}, body: "x"}, 415, "JSON only", true},
		{"no content-type where JSON is required", `{` + brokers + `,"topic":"t","require":["json"]}`, fakeRequest{body: "x"}, 415, "JSON only", true},
		{"no key where one is required", `{` + brokers + `,"topic":"t","require":["key"]}`, fakeRequest{body: "x"}, 400, "records with a key only", false},
		{"a body that the gateway has lost", plain, fakeRequest{bodyErr: ErrBodyLost}, 503, "could not read the body", false},
		{"a body that the gateway does not hand over", plain, fakeRequest{bodyErr: errors.New("gone")}, 503, "did not hand the body over", false},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			if c.req.method == "" {
				c.req.method = "POST"
			}
			sender := &fakeSender{}
			reply := serve(t, newHandler(sender, nil), mustParse(t, c.conf), &c.req)
			if reply.Status != c.status || !strings.Contains(reply.Message, c.message) || reply.Delivered != DeliveredNo {
				t.Errorf("got %+v", reply)
			}
			if len(sender.sent) != 0 {
				t.Error("something was produced")
			}
			if (c.req.asked == 0) != c.unread {
				t.Errorf("the body was asked for %d times", c.req.asked)
			}
			if (reply.Allow == "POST, PUT, PATCH") != (c.status == 405) || (reply.RetryAfter > 0) != (c.status == 503) {
				t.Errorf("Allow %q, Retry-After %d", reply.Allow, reply.RetryAfter)
			}
		})
	}
}

func TestReplySaysWhatBecameOfTheRecord(t *testing.T) {
	const secret = "broker-7.internal:9092"
	when := time.UnixMilli(1795341600123)
	cases := []struct {
		says string
		conf string
		ack  record.Ack
		err  *record.Error
		want string
	}{
		{"queued", "async", record.Ack{}, nil, `{"code":200,"message":"queued for Kafka","delivered":"unknown"}`},
		{"acknowledged", "sync", record.Ack{Partition: 2, Offset: 41, Timestamp: when}, nil,
			`{"code":200,"message":"written to Kafka","delivered":"yes","topic":"t","partition":2,"offset":41,"timestamp":1795341600123}`},
		{"not in time", "sync", record.Ack{}, &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true, Reason: secret},
			`{"code":504,"message":"Kafka did not acknowledge the record in time","delivered":"unknown"}`},
		{"no such topic", "sync", record.Ack{}, &record.Error{Kind: record.KindTopicNotFound, Reason: secret},
			`{"code":404,"message":"the topic does not exist","delivered":"no"}`},
		{"no such partition", "sync", record.Ack{}, &record.Error{Kind: record.KindPartitionNotFound, Reason: secret},
			`{"code":404,"message":"the topic does not have this partition","delivered":"no"}`},
		{"no broker", "async", record.Ack{}, &record.Error{Kind: record.KindNoBroker, Reason: secret},
			`{"code":503,"message":"no Kafka broker can be reached","delivered":"no"}`},
		{"a configuration that librdkafka refuses", "async", record.Ack{}, &record.Error{Kind: record.KindConfig, Reason: secret},
			`{"code":500,"message":"the route's configuration is invalid","delivered":"no"}`},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			sender := &fakeSender{send: func(*record.Record, bool) (record.Ack, *record.Error) { return c.ack, c.err }}
			route := mustParse(t, `{`+brokers+`,"topic":"t","delivery":"`+c.conf+`","timeout_ms":1500}`)
			before := time.Now()
			reply := serve(t, newHandler(sender, nil), route, &fakeRequest{method: "POST", body: "x"})
			if got := string(reply.AppendJSON(nil)); got != c.want {
				t.Errorf("got %s", got)
			}
			if d := sender.deadline.Sub(before); d < 1500*time.Millisecond || d > 2500*time.Millisecond {
				t.Errorf("the deadline is after %v", d)
			}
		})
	}
}

func TestDurableRouteSaysWhereTheRecordIs(t *testing.T) {
	when := time.UnixMilli(1795341600123)
	cases := []struct {
		says    string
		outcome record.Outcome
		want    string
	}{
		{"in Kafka", record.Outcome{Ack: record.Ack{Partition: 2, Offset: 41, Timestamp: when}},
			`{"code":200,"message":"written to Kafka","delivered":"yes","topic":"t","partition":2,"offset":41,"timestamp":1795341600123}`},
		{"on disk", record.Outcome{Receipt: "18a-1-0"},
			`{"code":202,"message":"on the gateway's disk until Kafka takes it","delivered":"pending","receipt":"18a-1-0"}`},
		{"nowhere: the spool is full", record.Outcome{Err: &record.Error{Kind: record.KindSpoolFull}},
			`{"code":503,"message":"Kafka cannot take the record now, and the gateway's disk queue is full","delivered":"no"}`},
		{"in neither for sure", record.Outcome{Err: record.Unknown},
			`{"code":504,"message":"Kafka did not acknowledge the record in time","delivered":"unknown"}`},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			sender, keeper := &fakeSender{}, &fakeDisk{outcome: c.outcome}
			route := mustParse(t, `{`+brokers+`,"topic":"t","delivery":"durable","on_permanent_error":"suspend"}`)
			reply := serve(t, newHandler(sender, keeper), route, &fakeRequest{method: "POST", body: "x"})
			if got := string(reply.AppendJSON(nil)); got != c.want {
				t.Errorf("got %s", got)
			}
			if len(sender.sent) != 0 || string(keeper.rec.Value) != "x" || keeper.policy != durable.Suspend {
				t.Errorf("sent %v; kept %+v with policy %v", sender.sent, keeper.rec, keeper.policy)
			}
		})
	}
}

func TestRequestForWhichThereIsNoMemoryIsRefused(t *testing.T) {
	cases := []struct {
		says    string
		body    string
		refused bool
	}{
		{"if there is too little", strings.Repeat("x", 101), true},
		{"not if there is enough", strings.Repeat("x", 100), false},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			sender := &fakeSender{room: 100}
			req := &fakeRequest{method: "POST", body: c.body}
			reply := serve(t, newHandler(sender, nil), mustParse(t, `{`+brokers+`,"topic":"t"}`), req)
			if c.refused != (reply.Status == 503 && reply.Delivered == DeliveredNo && reply.RetryAfter > 0) || req.read == c.refused {
				t.Errorf("got %+v; the body was read: %v", reply, req.read)
			}
			if c.refused && reply.Message != "too many requests are in flight" {
				t.Errorf("the message is %q", reply.Message)
			}
			if sender.held != 0 {
				t.Errorf("%d bytes are still held", sender.held)
			}
		})
	}
}

func TestHeadersOfABatchsRecordTakeMemory(t *testing.T) {
	const headers = 50
	event, given := `[{"specversion":"1.0","id":"1","source":"/","type":"t"`, `{"value":{"type":"STRING","data":"x"},"headers":[`
	for i := range headers {
		event += fmt.Sprintf(`,"a%d":1`, i)
		given += fmt.Sprintf(`{"name":"%d"},`, i)
	}
	for says, c := range map[string]struct {
		conf string
		req  fakeRequest
	}{
		"an event's": {`"topic":"t","cloudevents":true`, fakeRequest{method: "POST", headers: h{"content-type": "application/cloudevents-batch+json"}, body: event + "}]"}},
		"the REST Proxy's": {`"dialects":["confluent"]`, fakeRequest{method: "POST", path: "/v3/clusters/c/topics/t/records",
			headers: h{"content-type": jsonType}, body: strings.TrimSuffix(given, ",") + "]}"}},
	} {
		t.Run(says, func(t *testing.T) {
			route := mustParse(t, `{`+brokers+`,`+c.conf+`}`)
			without := 2*len(c.req.body) + recordMemory
			if reply := serve(t, newHandler(&fakeSender{room: without + headers*headerMemory/2}, nil), route, &c.req); reply.Status != 503 {
				t.Errorf("without room for them: %+v", reply)
			}
			if reply := serve(t, newHandler(&fakeSender{room: without + 2*headers*headerMemory}, nil), route, &c.req); reply.Status != 200 {
				t.Errorf("with room for them: %+v", reply)
			}
		})
	}
}

func TestDryRunOfABatchIsBounded(t *testing.T) {
	route := mustParse(t, `{`+brokers+`,"topic":"t","batch":true,"overrides":["headers","dry-run"]}`)
	req := fakeRequest{method: "POST", headers: h{"content-type": jsonType, "dry-run": "true", "header-a": strings.Repeat("a", 8<<10)}, body: "[" + strings.Repeat("1,", 2000) + "1]"}
	if reply := serve(t, newHandler(&fakeSender{}, nil), route, &req); reply.Status != 413 || len(reply.Detail) > 0 {
		t.Errorf("%d, %d bytes: %s", reply.Status, len(reply.Detail), reply.Message)
	}
}

func TestDryRunShowsWholeCharacters(t *testing.T) {
	route := mustParse(t, `{`+brokers+`,"topic":"t","overrides":["dry-run"]}`)
	for before := range 4 {
		text := strings.Repeat("a", before) + strings.Repeat("€", maxShown/2)
		reply := serve(t, newHandler(&fakeSender{}, nil), route, &fakeRequest{method: "POST", headers: h{"dry-run": "true"}, body: text})
		var shown struct{ Value string }
		if err := json.Unmarshal(reply.AppendJSON(nil), &shown); err != nil || !strings.HasPrefix(text, shown.Value) || len(shown.Value) <= maxShown-3 || len(shown.Value) > maxShown {
			t.Errorf("%d: %v, %d bytes are shown as text", before, err, len(shown.Value))
		}
	}
}

func TestLogOfARequestNamesItsRoute(t *testing.T) {
	const post = `{` + brokers + `,"topic":"t"}`
	unavailable := func(*record.Record, bool) (record.Ack, *record.Error) {
		return record.Ack{}, &record.Error{Kind: record.KindNoBroker, Reason: "why"}
	}
	cases := []struct {
		says, conf string
		send       func(*record.Record, bool) (record.Ack, *record.Error)
		body, want string
	}{
		{"a record that was not delivered", post, unavailable, "1", `msg="a record was not delivered" route=r1 topic=t status=503 error=why`},
		{"one of a batch", `{` + brokers + `,"topic":"t","batch":true}`, unavailable, "[1,2]", `msg="a record was not delivered" route=r1 topic=t status=503 error=why`},
		{"one of a transaction", `{` + brokers + `,"topic":"t","transactional":true}`, unavailable, "1", `msg="a record was not delivered" route=r1 topic=t status=503 error=why`},
		{"a bug", post, func(*record.Record, bool) (record.Ack, *record.Error) { panic("bug") }, "1", `msg="bug: a request panicked" route=r1`},
		{"a topic that does not exist", post, func(*record.Record, bool) (record.Ack, *record.Error) {
			return record.Ack{}, &record.Error{Kind: record.KindTopicNotFound}
		}, "1", `msg="a request was refused" route=r1 status=404 error="the topic does not exist" example=t`},
		{"a record that is larger than Kafka takes", post, func(*record.Record, bool) (record.Ack, *record.Error) {
			return record.Ack{}, &record.Error{Kind: record.KindTooLarge}
		}, "1", `msg="a request was refused" route=r1 status=413 error=`},
		{"a body that is larger than the route takes", `{` + brokers + `,"topic":"t","max_body_bytes":0}`, nil, "1", `msg="a request was refused" route=r1 status=413 error=`},
		{"a schema that cannot be had", `{` + brokers + `,"topic":"t","timeout_ms":1,"schema":{"registry":"http://127.0.0.1:1","subject":"s"}}`, nil, "1", `msg="a request was refused" route=r1 status=503 error=`},
		{"a body for which there is no room in memory", post, nil, strings.Repeat("x", 20000), `level=INFO msg="a request was refused" route=r1 status=503 error="too many requests are in flight"`},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			var log bytes.Buffer
			h := newHandler(&fakeSender{send: c.send, room: 10000}, nil)
			h.log = slog.New(slog.NewTextHandler(&log, nil))
			h.opts.Schemas = schema.NewCache(0, h.log)
			defer h.opts.Schemas.Close()
			route := mustParse(t, c.conf)
			serve(t, h, route, &fakeRequest{method: "POST", headers: map[string]string{"content-type": "application/json"}, body: c.body})
			if !strings.Contains(log.String(), c.want) {
				t.Errorf("the log:\n%s", log.String())
			}
		})
	}
}

func TestOutcomeHasAStatusThatFitsIt(t *testing.T) {
	for kind := record.KindUnconfirmed; kind <= record.KindInternal; kind++ {
		o, ok := outcomes[kind]
		if !ok || o.status < 400 || o.message == "" {
			t.Errorf("kind %d: %+v", kind, o)
		}
		if r := failed(&record.Error{Kind: kind}); (r.RetryAfter > 0) != (r.Status == 503) || r.Delivered != DeliveredNo {
			t.Errorf("kind %d: %+v", kind, r)
		}
	}
	if len(outcomes) != int(record.KindInternal)+1 {
		t.Errorf("%d outcomes", len(outcomes))
	}
}

func TestReplyIsJSONWhateverIsInIt(t *testing.T) {
	for _, message := range []string{"plain", `quo"te`, `back\slash`, "new\nline", "caf\u00e9", "\xff", "<&>", "\u2028"} {
		body := refuse(400, message).AppendJSON([]byte("before:"))
		var got struct {
			Code               int
			Message, Delivered string
		}
		if err := json.Unmarshal(body[len("before:"):], &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if want := strings.ToValidUTF8(message, "\ufffd"); got.Message != want || got.Code != 400 || got.Delivered != "no" {
			t.Errorf("got %+v, want %q", got, want)
		}
	}
}

func TestPanicIsA500ThatSaysWhetherTheRecordMayBeInKafka(t *testing.T) {
	const payload = "the-payload"
	for _, c := range []struct {
		says string
		req  Request
		send func(*record.Record, bool) (record.Ack, *record.Error)
		want Delivered
	}{
		{"before it was handed over", &panickingRequest{}, nil, DeliveredNo},
		{"while it was", &fakeRequest{method: "POST", body: payload}, func(*record.Record, bool) (record.Ack, *record.Error) { panic(payload) }, DeliveredUnknown},
	} {
		t.Run(c.says, func(t *testing.T) {
			var log bytes.Buffer
			seen := &failures{}
			handler := NewHandler(HandlerOptions{Producers: &fakeSender{send: c.send}, Log: slog.New(slog.NewTextHandler(&log, nil)), Observer: seen})
			reply := serve(t, handler, mustParse(t, `{`+brokers+`,"topic":"t"}`), c.req)
			if reply.Status != 500 || reply.Delivered != c.want {
				t.Errorf("got %+v", reply)
			}
			if !strings.Contains(log.String(), "handler_test.go") || strings.Contains(log.String(), payload) {
				t.Errorf("log: %s", log.String())
			}
			if len(seen.kinds) != 1 || seen.kinds[0] != record.KindInternal {
				t.Errorf("it is counted as %v", seen.kinds)
			}
		})
	}
}

// failures is an observer of what fails.
type failures struct {
	unobserved
	kinds []record.Kind
}

func (f *failures) Failed(kind record.Kind) { f.kinds = append(f.kinds, kind) }

type panickingRequest struct{ fakeRequest }

func (*panickingRequest) Method() string       { return "POST" }
func (*panickingRequest) Header(string) string { panic("the-payload") }

func TestBodysMemoryIsGivenBack(t *testing.T) {
	route := mustParse(t, `{"config":{"bootstrap.servers":"a","message.max.bytes":20000000},"topic":"t"}`)
	body := "[" + strings.Repeat(" 1,", 1<<20) + "1]"
	handler := newHandler(discardSender{}, nil)
	inUse := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := inUse()
	for range 5 {
		if reply := serve(t, handler, route, &fakeRequest{method: "POST", headers: h{"content-type": jsonType}, body: body}); reply.Status != 200 {
			t.Fatalf("got %+v", reply)
		}
	}
	if grown := inUse() - before; grown > 1<<20 {
		t.Errorf("%d bytes stay allocated", grown)
	}
	runtime.KeepAlive(body)
}

type discardSender struct{}

func (s discardSender) Way(*kafkaconf.Connection, bool) record.Way { return s }

func (s discardSender) Together(*kafkaconf.Connection) record.Way { return s }

func (discardSender) Deliver(context.Context, *record.Batch) {}

func (discardSender) Transactions() bool { return false }

func (discardSender) Warm(*kafkaconf.Connection) {}

func (discardSender) Hold(*kafkaconf.Connection, int) bool { return true }

func (discardSender) Release(*kafkaconf.Connection, int) {}

func TestPackageImportsNeitherAPISIXNorAnHTTPServer(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "gjson") {
		t.Fatalf("these are not its imports: %s", out)
	}
	for _, path := range strings.Fields(string(out)) {
		if path == "net/http" || strings.Contains(path, "ext-plugin-proto") || strings.Contains(path, "apisix-go-plugin-runner") {
			t.Errorf("it imports %s", path)
		}
	}
}

const brokers = `"config":{"bootstrap.servers":"a:9092"}`

func mustParse(t testing.TB, text string) *routeconf.Route {
	t.Helper()
	r, err := routeconf.ParseRoute([]byte(text), routeconf.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

func mustPrepare(t testing.TB, h *Handler, route *routeconf.Route) *Served {
	t.Helper()
	served, err := h.Prepare(route)
	if err != nil {
		t.Fatal(err)
	}
	return served
}

// serve prepares the route, as the gateway does, and handles a request of it.
func serve(t testing.TB, h *Handler, route *routeconf.Route, req Request) Reply {
	t.Helper()
	return h.Handle(mustPrepare(t, h, route), req)
}

func newHandler(sender Producers, disk Disk) *Handler {
	keys, err := idempotency.New(idempotency.Options{})
	if err != nil {
		panic(err)
	}
	return NewHandler(HandlerOptions{
		Producers: sender, Disk: disk, Schemas: schema.NewCache(0, nil), Idempotency: keys, Log: slog.New(slog.DiscardHandler),
	})
}

func TestRouteThatTheProgramCannotServeIsRefused(t *testing.T) {
	bare := NewHandler(HandlerOptions{Producers: discardSender{}, Log: slog.New(slog.DiscardHandler)})
	for conf, want := range map[string]string{
		`"delivery":"durable"`: "delivery: durable needs a directory",
		`"transactional":true`: "transactional: it needs a directory",
		`"idempotency":{}`:     "idempotency: idempotency is not available in this program",
		`"schema":{"registry":"http://127.0.0.1:1","subject":"s"}`: "schema.registry: schema registries are not available in this program",
	} {
		_, err := bare.Prepare(mustParse(t, `{`+brokers+`,"topic":"t",`+conf+`}`))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v", conf, err)
		}
	}
}
