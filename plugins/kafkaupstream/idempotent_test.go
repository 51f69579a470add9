package kafkaupstream

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/idempotency"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

func TestIdempotencyRepeatsTheFirstReply(t *testing.T) {
	const conf = `{` + brokers + `,"topic":"t","delivery":"sync","idempotency":{}}`
	var outcome *record.Error
	sender := &fakeSender{send: func(*record.Record, bool) (record.Ack, *record.Error) {
		return record.Ack{Offset: 41, Timestamp: time.UnixMilli(1)}, outcome
	}}
	handler := newHandler(sender, nil)
	route := mustParse(t, conf)
	post := func(key, body string) (int, string, int) {
		before := len(sender.sent)
		req := &fakeRequest{method: "POST", path: "/", headers: h{}, body: body}
		if key != "" {
			req.headers["idempotency-key"] = key
		}
		reply := serve(t, handler, route, req)
		return reply.Status, string(reply.AppendJSON(nil)), len(sender.sent) - before
	}
	want := func(says, key, body string, status, sent int) string {
		t.Helper()
		gotStatus, text, gotSent := post(key, body)
		if gotStatus != status || gotSent != sent {
			t.Errorf("%s: status %d, %d records sent; want %d and %d: %s", says, gotStatus, gotSent, status, sent, text)
		}
		return text
	}
	first := want("the first", `"k"`, "x", 200, 1)
	if again := want("the same again", "k", "x", 200, 0); again != first {
		t.Errorf("the first was told %s, the second %s", first, again)
	}
	want("another body", "k", "y", 422, 0)
	want("another key", "l", "x", 200, 1)
	want("no key", "", "x", 200, 1)
	outcome = &record.Error{Kind: record.KindNoBroker}
	want("nothing was done", "m", "x", 503, 1)
	outcome = nil
	want("so it is done now", "m", "x", 200, 1)
}

// A record with another key is another record, and the first reply says nothing of it.
func TestIdempotencyTakesWhatTheClientSaysOfTheKeyForTheRequest(t *testing.T) {
	sender := &fakeSender{}
	handler := newHandler(sender, nil)
	route := mustParse(t, `{`+brokers+`,"topic":"t","delivery":"sync","key":"$http_x_user-$cookie_device-$remote_user-$request_id","record_headers":{"agent":"$http_user_agent"},"idempotency":{}}`)
	for _, c := range []struct {
		says, user, device, login, id, agent string
		status                               int
	}{
		{"the first", "ann", "a", "l", "1", "x", 200},
		{"the same with another value of the gateway's", "ann", "a", "l", "2", "x", 200},
		{"the same from another program", "ann", "a", "l", "1", "y", 200},
		{"another header", "bob", "a", "l", "1", "x", 422},
		{"another cookie", "ann", "b", "l", "1", "x", 422},
		{"another login", "ann", "a", "m", "1", "x", 422},
	} {
		req := &fakeRequest{method: "POST", headers: h{"idempotency-key": "k", "x-user": c.user, "user-agent": c.agent}, body: "x",
			vars: h{"cookie_device": c.device, "remote_user": c.login, "request_id": c.id}}
		if reply := serve(t, handler, route, req); reply.Status != c.status || len(sender.sent) != 1 {
			t.Errorf("%s: %+v, %d records sent", c.says, reply, len(sender.sent))
		}
	}
}

// The envelope http has headers in the record's value.
func TestIdempotencyTakesTheHeadersOfTheEnvelopeForTheRequest(t *testing.T) {
	sender := &fakeSender{}
	handler := newHandler(sender, nil)
	route := mustParse(t, `{`+brokers+`,"topic":"t","delivery":"sync","envelope":"http","envelope_headers":["x-*"],"idempotency":{}}`)
	for _, c := range []struct {
		account, agent string
		status         int
	}{{"a", "x", 200}, {"a", "y", 200}, {"b", "x", 422}} {
		req := &fakeRequest{method: "POST", headers: h{"idempotency-key": "k", "x-account": c.account, "user-agent": c.agent}, body: "x"}
		if reply := serve(t, handler, route, req); reply.Status != c.status || len(sender.sent) != 1 {
			t.Errorf("account %s, agent %s: %+v, %d records sent", c.account, c.agent, reply, len(sender.sent))
		}
	}
}

// A header that the gateway tells only when it is asked for its name is one that the record is made from, too.
func TestIdempotencyComparesHeadersThatAreNotHandedOver(t *testing.T) {
	handler := newHandler(&fakeSender{}, nil)
	route := mustParse(t, `{`+brokers+`,"topic":"t","delivery":"sync","idempotency":{}}`)
	for _, c := range []struct {
		key    string
		status int
	}{{"a", 200}, {"a", 200}, {"b", 422}} {
		req := &fakeRequest{method: "POST", headers: h{"idempotency-key": "k", "key": c.key}, cut: true, missing: "key", body: "x"}
		if reply := serve(t, handler, route, req); reply.Status != c.status {
			t.Errorf("with the key %s: %+v", c.key, reply)
		}
	}
}

// A client that sends the header means to be protected, also where its variable is empty.
func TestIdempotencyRefusesAKeyThatIsNone(t *testing.T) {
	sender := &fakeSender{}
	handler := newHandler(sender, nil)
	route := mustParse(t, `{`+brokers+`,"topic":"t","delivery":"sync","idempotency":{}}`)
	for _, values := range [][]string{{""}, {" "}, {`""`}, {"a", "b"}, {"", "a"}, {"a", "a"}} {
		req := &fakeRequest{method: "POST", headers: h{"idempotency-key": values[0]}, more: values[1:], body: "x"}
		if reply := serve(t, handler, route, req); reply.Status != 400 || len(sender.sent) != 0 {
			t.Errorf("%q: %+v", values, reply)
		}
	}
}

func TestIdempotencyFindsOutWhatBecameOfAUnit(t *testing.T) {
	keeper := &fakeDisk{outcome: record.Outcome{Err: &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true}}}
	handler := newHandler(&fakeSender{}, keeper)
	route := mustParse(t, `{`+brokers+`,"topic":"t","transactional":true,"delivery":"durable","idempotency":{}}`)
	post := func() Reply {
		return serve(t, handler, route, &fakeRequest{method: "POST", path: "/", headers: h{"idempotency-key": "k"}, body: "x"})
	}
	if reply := post(); reply.Status != 504 || keeper.again || keeper.unit == [16]byte{} || keeper.replied != [16]byte{} {
		t.Errorf("the first: %+v, %+v", reply, keeper)
	}
	first := keeper.unit
	keeper.outcome = record.Outcome{Receipt: "r"}
	if reply := post(); reply.Status != 202 || !keeper.again || keeper.unit != first || keeper.replied != first {
		t.Errorf("the second: %+v, %+v", reply, keeper)
	}
	keeper.rec = record.Record{}
	if reply := post(); reply.Status != 202 || keeper.rec.Value != nil {
		t.Errorf("the third, whose reply is known: %+v, %+v", reply, keeper)
	}
}

// An event that goes to two sites under its id goes to two topics.
func TestIdempotencyKeyIsOfOneVirtualHost(t *testing.T) {
	sender := &fakeSender{}
	handler := newHandler(sender, nil)
	for _, site := range []string{"site1", "site2", "site2"} {
		served := mustPrepare(t, handler, mustParse(t, `{"transport_url":"kafka://h:9092/`+site+`","topic":"events","delivery":"sync","idempotency":{}}`))
		reply := handler.Handle(served, &fakeRequest{method: "POST", headers: h{"idempotency-key": "k"}, body: "x"})
		if body := string(reply.AppendBody(nil)); reply.Status != 200 || !strings.Contains(body, `"topic":"events.`+site+`"`) {
			t.Errorf("%s: %d %s", site, reply.Status, body)
		}
	}
	if len(sender.sent) != 2 {
		t.Errorf("%d records", len(sender.sent))
	}
}

func TestIdempotencyDoesOneOfTwoRequestsAtOnce(t *testing.T) {
	under, done := make(chan struct{}), make(chan struct{})
	sender := &fakeSender{send: func(*record.Record, bool) (record.Ack, *record.Error) {
		close(under)
		<-done
		return record.Ack{}, nil
	}}
	handler := newHandler(sender, nil)
	route := mustParse(t, `{`+brokers+`,"topic":"t","idempotency":{}}`)
	req := func() *fakeRequest {
		return &fakeRequest{method: "POST", headers: h{"idempotency-key": "k"}, body: "x"}
	}
	first := make(chan Reply)
	served := mustPrepare(t, handler, route)
	go func() { first <- handler.Handle(served, req()) }()
	<-under
	if reply := handler.Handle(served, req()); reply.Status != 409 || reply.Delivered != DeliveredUnknown {
		t.Errorf("the second: %+v", reply)
	}
	close(done)
	if reply := <-first; reply.Status != 200 {
		t.Errorf("the first: %+v", reply)
	}
}

var (
	unknown = record.Outcome{Err: &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true}}
	refused = record.Outcome{Err: &record.Error{Kind: record.KindTooLarge}}
)

// acked is the outcome of a record that is in Kafka.
func acked(offset int64) record.Outcome {
	return record.Outcome{Ack: record.Ack{Partition: 1, Offset: offset, Timestamp: time.UnixMilli(1)}}
}

// sending is a sender whose outcomes are those of out, again and again.
func sending(out ...record.Outcome) *fakeSender {
	n := 0
	return &fakeSender{send: func(*record.Record, bool) (record.Ack, *record.Error) {
		o := out[n%len(out)]
		n++
		return o.Ack, o.Err
	}}
}

func TestIdempotencyRepeatsALateOutcome(t *testing.T) {
	const yes0 = `{"code":200,"message":"written to Kafka","delivered":"yes","topic":"t","partition":1,"offset":0,"timestamp":1}`
	const yes7 = `{"code":200,"message":"written to Kafka","delivered":"yes","topic":"t","partition":1,"offset":7,"timestamp":1}`
	cases := []struct {
		says     string
		batch    bool
		in, late []record.Outcome // what became of the records in time, and too late
		first    int              // status
		then     int
		body     string // of the repetition; "": any
		again    bool   // the repetition is done anew
	}{
		{"it is in Kafka", false, []record.Outcome{unknown}, []record.Outcome{acked(7)}, 504, 200, yes7, false},
		{"Kafka has refused it: it is as if nobody had asked", false, []record.Outcome{unknown}, []record.Outcome{refused}, 504, 504, "", true},
		{"nobody will ever know", false, []record.Outcome{unknown}, []record.Outcome{unknown}, 504, 410,
			`{"code":410,"message":"the outcome of the first request with this idempotency key is unknown and will stay unknown; use another key to send it again","delivered":"unknown"}`, false},
		{"a batch is in Kafka", true, []record.Outcome{acked(0), unknown}, []record.Outcome{acked(0), acked(7)}, 207, 200,
			`{"code":200,"message":"written to Kafka","delivered":"yes","records":[` + yes0 + `,` + yes7 + `]}`, false},
		{"of a batch, Kafka has refused one record", true, []record.Outcome{unknown, unknown}, []record.Outcome{acked(0), refused}, 504, 207,
			`{"code":207,"message":"the records' outcomes differ: see records","delivered":"unknown","records":[` + yes0 + `,{"code":413,"message":"the record is larger than Kafka takes","delivered":"no"}]}`, false},
		{"of a batch, Kafka has refused all", true, []record.Outcome{refused, unknown}, []record.Outcome{refused, refused}, 207, 207, "", true},
		{"of a batch, one record's outcome stays open", true, []record.Outcome{unknown, unknown}, []record.Outcome{acked(0), unknown}, 504, 410, "", false},
		{"all is known in time", true, []record.Outcome{acked(0), refused}, nil, 207, 207, "", false},
		{"nothing was done, and that is known in time", true, []record.Outcome{refused, refused}, nil, 413, 413, "", true},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			sender := sending(c.in...)
			handler := newHandler(sender, nil)
			route := mustParse(t, fmt.Sprintf(`{`+brokers+`,"topic":"t","delivery":"sync","batch":%v,"idempotency":{}}`, c.batch))
			post := func() (Reply, string) {
				body, contentType := "x", ""
				if c.batch {
					body, contentType = "1\n2\n", "application/x-ndjson"
				}
				reply := serve(t, handler, route, &fakeRequest{method: "POST", headers: h{"idempotency-key": "k", "content-type": contentType}, body: body})
				return reply, string(reply.AppendJSON(nil))
			}
			if reply, text := post(); reply.Status != c.first {
				t.Fatalf("the first: %s", text)
			}
			sent := len(sender.sent)
			for range 1000 {
				if c.late == nil {
					break
				}
				if reply, text := post(); reply.Status != 409 || reply.Delivered != DeliveredUnknown {
					t.Fatalf("before the outcome came: %s", text)
				}
			}
			if len(sender.sent) != sent || len(sender.late) > 1 {
				t.Fatalf("%d records were sent, the first had %d", len(sender.sent), sent)
			}
			if c.late != nil {
				sender.late[0](c.late)
			}
			reply, text := post()
			if reply.Status != c.then || c.body != "" && text != c.body || (len(sender.sent) > sent) != c.again {
				t.Errorf("afterwards, and %d more records were sent: %s", len(sender.sent)-sent, text)
			}
		})
	}
}

func TestIdempotencyFollowsOnlySyncRoutes(t *testing.T) {
	for conf, status := range map[string]int{`"delivery":"async"`: 200, `"delivery":"durable"`: 504, `"delivery":"sync","transactional":true`: 504} {
		sender := sending(unknown)
		if status == 200 {
			sender = sending(acked(0))
		}
		handler := newHandler(sender, &fakeDisk{outcome: unknown})
		route := mustParse(t, `{`+brokers+`,"topic":"t","idempotency":{},`+conf+`}`)
		var got []int
		for range 3 {
			got = append(got, serve(t, handler, route, &fakeRequest{method: "POST", headers: h{"idempotency-key": "k"}, body: "x"}).Status)
		}
		again := 200
		if status == 504 {
			again = 410 // a 504 is not repeated
		}
		if !slices.Equal(got, []int{status, again, again}) || sender.late != nil {
			t.Errorf("%s: got %v", conf, got)
		}
	}
}

func TestIdempotencyLeavesTheOutcomeOfAPanicOpen(t *testing.T) {
	sender := &fakeSender{send: func(*record.Record, bool) (record.Ack, *record.Error) { panic("bug") }}
	handler := newHandler(sender, nil)
	route := mustParse(t, `{`+brokers+`,"topic":"t","delivery":"sync","idempotency":{}}`)
	for i, want := range []int{500, 410, 410} {
		if reply := serve(t, handler, route, &fakeRequest{method: "POST", headers: h{"idempotency-key": "k"}, body: "x"}); reply.Status != want {
			t.Errorf("request %d: got %+v, want %d", i, reply, want)
		}
	}
}

func TestIdempotencyKeepsALargeReplyWithoutItsRecords(t *testing.T) {
	sender := sending(acked(0))
	handler := newHandler(sender, nil)
	route := mustParse(t, `{`+brokers+`,"topic":"t","delivery":"sync","batch":true,"idempotency":{}}`)
	var texts []string
	for range 2 {
		reply := serve(t, handler, route, &fakeRequest{method: "POST", headers: h{"idempotency-key": "k", "content-type": "application/x-ndjson"}, body: strings.Repeat("1\n", 1000)})
		texts = append(texts, string(reply.AppendJSON(nil)))
	}
	if len(texts[0]) < idempotency.MaxReply || texts[1] != `{"code":200,"message":"written to Kafka","delivered":"yes"}` || len(sender.sent) != 1000 {
		t.Errorf("%d records were sent; the second was told %s", len(sender.sent), texts[1])
	}
}

func TestIdempotencyKeysScope(t *testing.T) {
	at := func(headers, vars h, args ...string) fakeRequest {
		req := fakeRequest{method: "POST", path: "/", headers: maps.Clone(headers), vars: vars, args: h{}, body: "x"}
		if req.headers == nil {
			req.headers = h{}
		}
		for i := 0; i < len(args); i += 2 {
			req.args[args[i]] = args[i+1]
		}
		return req
	}
	const plain = `"topic":"t","idempotency":{}`
	cases := []struct {
		says, conf    string
		first, second fakeRequest
		status        int  // of the second
		done          bool // the second is done, too
	}{
		{"a consumer's", plain, at(nil, h{"consumer_name": "a"}), at(nil, h{"consumer_name": "a"}), 200, false},
		{"another consumer's is another", plain, at(nil, h{"consumer_name": "a"}), at(nil, h{"consumer_name": "b"}), 200, true},
		{"so is that of a client who is none", plain, at(nil, h{"consumer_name": "a"}), at(nil, nil), 200, true},
		{"a tenant's, by the route's scope", `"topic":"t","idempotency":{"scope":"$http_x_tenant"}`,
			at(h{"x-tenant": "1"}, h{"consumer_name": "a"}), at(h{"x-tenant": "1"}, h{"consumer_name": "b"}), 200, false},
		{"another tenant's is another", `"topic":"t","idempotency":{"scope":"$http_x_tenant"}`, at(h{"x-tenant": "1"}, nil), at(h{"x-tenant": "2"}, nil), 200, true},
		{"everybody's, by the route's scope", `"topic":"t","idempotency":{"scope":""}`,
			at(nil, h{"consumer_name": "a"}), at(nil, h{"consumer_name": "b"}), 200, false},
		{"without what the scope is made of, nothing is done", `"topic":"t","idempotency":{"scope":"$http_x_tenant"}`, at(h{"x-tenant": "1"}, nil), at(nil, nil), 400, false},
		{"a topic's, which a template makes", `"topic":"orders.$http_x_kind","idempotency":{}`, at(h{"x-kind": "a"}, nil), at(h{"x-kind": "b"}, nil), 200, true},
		{"a topic's, which a header says", `"topic":"t","idempotency":{}`, at(h{"topic": "a"}, nil), at(h{"topic": "b"}, nil), 200, true},
		{"the same topic's, said in two ways, of two requests", `"topic":"t","idempotency":{}`, at(nil, nil), at(h{"topic": "t"}, nil), 422, false},

		{"one request, whatever the gateway calls it", `"topic":"t","record_headers":{"id":"$request_id"},"key":"$request_id","idempotency":{}`,
			at(nil, h{"request_id": "1"}), at(nil, h{"request_id": "2"}), 200, false},
		{"one request, in whatever trace", plain, at(h{"traceparent": "1"}, nil), at(h{"traceparent": "2"}, nil), 200, false},
		{"one request, whatever headers say that the route does not read", plain, at(h{"user-agent": "1", "header-x": "1", "ce-id": "1"}, nil), at(h{"timestamp": "2"}, nil), 200, false},
		{"another query is another request", plain, at(nil, nil, "a", "1"), at(nil, nil, "a", "2"), 422, false},
		{"so is one more argument", plain, at(nil, nil, "a", "1"), at(nil, nil, "a", "1", "b", ""), 422, false},
		{"so is another key", plain, at(h{"key": "1"}, nil), at(h{"key": "2"}, nil), 422, false},
		{"so is another partition", plain, at(h{"partition": "1"}, nil), at(nil, nil), 422, false},
		{"so is another content-type", plain, at(h{"content-type": "text/plain"}, nil), at(nil, nil), 422, false},
		{"so is another timestamp", `"topic":"t","overrides":["timestamp"],"idempotency":{}`, at(h{"timestamp": "1"}, nil), at(h{"timestamp": "2"}, nil), 422, false},
		{"so is another record header", `"topic":"t","overrides":["headers"],"headerprefix":"p-","idempotency":{}`, at(h{"p-header-a": "1"}, nil), at(h{"p-header-a": "2"}, nil), 422, false},
		{"so is another event", `"topic":"t","cloudevents":true,"idempotency":{}`,
			at(h{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}, nil), at(h{"ce-specversion": "1.0", "ce-id": "2", "ce-source": "/s", "ce-type": "t"}, nil), 422, false},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			sender := &fakeSender{}
			handler := newHandler(sender, nil)
			route := mustParse(t, `{`+brokers+`,`+c.conf+`}`)
			for i, req := range []*fakeRequest{&c.first, &c.second} {
				req.headers["idempotency-key"] = "k"
				want := 200
				if i == 1 {
					want = c.status
				}
				if reply := serve(t, handler, route, req); reply.Status != want {
					t.Fatalf("request %d: %s", i+1, reply.AppendJSON(nil))
				}
			}
			if (len(sender.sent) == 2) != c.done {
				t.Errorf("%d records were sent", len(sender.sent))
			}
		})
	}
}

func TestIdempotencyComparesMethodPathAndBody(t *testing.T) {
	base := fakeRequest{method: "POST", path: "/a", body: `{"a":1}`}
	for says, change := range map[string]func(r *fakeRequest){
		"method": func(r *fakeRequest) { r.method = "PUT" },
		"path":   func(r *fakeRequest) { r.path = "/b" },
		"body":   func(r *fakeRequest) { r.body = `{"a":2}` },
	} {
		handler := newHandler(&fakeSender{}, nil)
		route := mustParse(t, `{`+brokers+`,"topic":"t","idempotency":{}}`)
		first, second := base, base
		change(&second)
		first.headers, second.headers = h{"idempotency-key": "k"}, h{"idempotency-key": "k"}
		if reply := serve(t, handler, route, &first); reply.Status != 200 {
			t.Fatalf("%+v", reply)
		}
		if reply := serve(t, handler, route, &second); reply.Status != 422 {
			t.Errorf("another %s: %+v", says, reply)
		}
	}
}

func TestIdempotencyStoreIsNotFilledByOneClient(t *testing.T) {
	keys, err := idempotency.New(idempotency.Options{MaxBytes: 100 << 10})
	if err != nil {
		t.Fatal(err)
	}
	sender := sending(acked(0))
	handler := NewHandler(HandlerOptions{Producers: sender, Idempotency: keys, Log: slog.New(slog.DiscardHandler)})
	route := mustParse(t, `{`+brokers+`,"delivery":"sync","idempotency":{}}`)
	post := func(consumer, topic, key string) (sent int) {
		t.Helper()
		before := len(sender.sent)
		reply := serve(t, handler, route, &fakeRequest{method: "POST", headers: h{"idempotency-key": key, "topic": topic}, vars: h{"consumer_name": consumer}, body: "x"})
		if reply.Status != 200 {
			t.Fatalf("%s, %s: %s", consumer, key, reply.AppendJSON(nil))
		}
		return len(sender.sent) - before
	}
	const few, many = 5, 5000
	for i := range few {
		post("small", "t", fmt.Sprint(i))
	}
	for i := range many { // under as many topics as he likes
		post("large", fmt.Sprint("t", i), fmt.Sprint(i))
	}
	for i := range few {
		if post("small", "t", fmt.Sprint(i)) != 0 {
			t.Errorf("the other's key %d was forgotten", i)
		}
	}
	if post("later", "t", "k") != 1 || post("later", "t", "k") != 0 {
		t.Error("a third client's key is not remembered")
	}
	if post("large", "t4999", "4999") != 0 || post("large", "t0", "0") != 1 {
		t.Error("his own oldest keys are not those that are forgotten")
	}
}

// The journal was written by the first version, for this route, by requests that were done,
// refused, of an unknown outcome and interrupted. Its keys are known until the year 2200.
func TestIdempotencyKnowsKeysOfAnEarlierVersion(t *testing.T) {
	const journal = "0000000000000001-67dc435de3f6d2c7.log"
	content, err := os.ReadFile(filepath.Join("../../internal/idempotency/testdata/released", journal))
	if err != nil {
		t.Fatal(err)
	}
	opts := idempotency.Options{Dir: t.TempDir(), Now: func() time.Time { return time.Date(2200, 1, 2, 0, 0, 0, 0, time.UTC).Add(-time.Hour) }}
	if err := os.WriteFile(filepath.Join(opts.Dir, journal), content, 0o600); err != nil {
		t.Fatal(err)
	}
	route := mustParse(t, `{"config":{"bootstrap.servers":"a:9092"},"topic":"t","delivery":"sync","idempotency":{}}`)
	for range 3 { // each writes the journal anew
		keys, err := idempotency.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		sender := &fakeSender{send: func(*record.Record, bool) (record.Ack, *record.Error) {
			return record.Ack{}, &record.Error{Kind: record.KindNoBroker}
		}}
		handler := NewHandler(HandlerOptions{Producers: sender, Idempotency: keys, Log: slog.New(slog.DiscardHandler)})
		for _, c := range []struct {
			key, consumer string
			status, sent  int
		}{
			{"done", "", 200, 0}, {"unknown", "", 410, 0}, {"open", "", 410, 0}, {"refused", "", 503, 1}, {"done", "a consumer, whose keys were not told apart then", 503, 1},
		} {
			sender.sent = nil
			req := &fakeRequest{method: "POST", path: "/orders", headers: h{"idempotency-key": c.key}, vars: h{"consumer_name": c.consumer}, body: "x"}
			reply := serve(t, handler, route, req)
			if text := reply.AppendJSON(nil); reply.Status != c.status || len(sender.sent) != c.sent || c.status == 200 && !bytes.Contains(text, []byte(`"offset":41`)) {
				t.Errorf("%s: %s", c.key, text)
			}
		}
		keys.Close(t.Context())
	}
}

// What an envelope puts behind the topic is of the record, and the key's scope of the
// request: another priority is another request under the same key.
func TestIdempotencyKeyIsForTheTopicThatTheRequestNames(t *testing.T) {
	handler := newHandler(&fakeSender{}, nil)
	served := mustPrepare(t, handler, mustParse(t, `{`+brokers+`,"topic":"t","envelope":"oslo","idempotency":{}}`))
	for _, c := range []struct {
		priority string
		status   int
	}{{"info", 200}, {"error", 422}} {
		reply := handler.Handle(served, &fakeRequest{method: "POST", headers: h{"idempotency-key": "k", "content-type": jsonType},
			body: `{"event_type":"e","publisher_id":"p","payload":1,"priority":"` + c.priority + `"}`})
		if reply.Status != c.status {
			t.Errorf("priority %s: %d %s", c.priority, reply.Status, reply.Message)
		}
	}
}
