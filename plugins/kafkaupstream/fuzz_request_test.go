package kafkaupstream

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
)

// FuzzRequest sends any body in any form to routes with every feature: whatever comes,
// there is a reply in JSON with a status of the table, and what is refused produces
// nothing.
func FuzzRequest(f *testing.F) {
	contentTypes := []string{"", "application/json", "application/x-ndjson", "application/vnd.kafka.json.v2+json",
		"application/vnd.kafka.binary.v2+json", "application/cloudevents+json", "application/cloudevents-batch+json",
		"application/vnd.kafka.avro.v2+json", "application/json; charset=x", "application/x-www-form-urlencoded"}
	encodings := []string{"", "gzip", "deflate", "zstd", "br"}
	paths := []string{"/orders", "/topics/t", "/v3/clusters/c/topics/t/records", "/v3/clusters/c/topics/t/records:batch", "/topics/t/partitions/1", "/consumers/c"}
	confs := []string{
		`{` + brokers + `,"batch":true,"jsonkey":"id","overrides":["topic","key","partition","headers","timestamp","dry-run"]}`,
		`{` + brokers + `,"topic":"t","cloudevents":true,"transactional":true}`,
		`{` + brokers + `,"topic":"t","batch":true,"schema":{"inline":{"type":"object","required":["a"]}},"idempotency":{}}`,
		`{` + brokers + `,"topic":"t","batch":true,"envelope":"opal"}`,
		`{` + brokers + `,"batch":true,"envelope":"oslo","transport_url":"kafka:///v","topics":["*.info.v"],"idempotency":{}}`,
		`{` + brokers + `,"dialects":["confluent"],"delivery":"sync","idempotency":{}}`,
		`{` + brokers + `,"topic":"t","batch":true,"envelope":"http","envelope_headers":["*"],"form":{"repeated":"refuse"}}`,
	}
	for i, body := range []string{`{"a":1}`, "1\n2\n", `[1,{"a":2}]`, `{"records":[{"key":"k","value":null,"partition":1}]}`,
		`{"key":{"type":"STRING","data":"k"},"value":{"type":"BINARY","data":"AA=="},"headers":[{"name":"h","value":null}]}`,
		`{"entries":[{"id":"1","value":{"type":"JSON","data":1}}]}`, `{"value":{"type":"JSON","data":1}} {"value":{"type":"STRING","data":""}}`,
		`{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"AA=="}`, `{"entries":[{"url":"u"}]}`, "[]",
		`[{"event_type":"e","publisher_id":"p","payload":1,"priority":"warn"}]`, "a=1&b=%20&a", "\x1f\x8b\x08", "\x28\xb5\x2f\xfd"} {
		f.Add(uint(i), uint(i), uint(i), uint(i), "k", []byte(body))
	}
	f.Fuzz(func(t *testing.T, conf, contentType, encoding, path uint, value string, body []byte) {
		route := mustParse(t, confs[conf%uint(len(confs))])
		sender := &fakeSender{}
		handler := newHandler(sender, nil)
		req := &fakeRequest{method: "POST", path: paths[path%uint(len(paths))], body: string(body), headers: h{
			"content-type": contentTypes[contentType%uint(len(contentTypes))], "content-encoding": encodings[encoding%uint(len(encodings))],
			"header-x-bin": value, "timestamp": value, "idempotency-key": value, "ce-id": value, "accept": value,
		}}
		reply := serve(t, handler, route, req)
		texts := json.NewDecoder(bytes.NewReader(reply.AppendJSON(nil))) // v3's clients get one for each record
		for first := true; ; first = false {
			var text json.RawMessage
			if err := texts.Decode(&text); err == io.EOF && !first {
				break
			} else if err != nil {
				t.Fatalf("not JSON: %v: %s", err, reply.AppendJSON(nil))
			}
		}
		switch reply.Status {
		case 200, 207:
			if len(sender.sent) == 0 && reply.Message != noEvents.Message {
				t.Errorf("nothing was produced: %+v", reply)
			}
		case 400, 403, 404, 413, 415, 422:
			if len(sender.sent) != 0 || reply.Delivered != DeliveredNo {
				t.Errorf("%d records were produced: %+v", len(sender.sent), reply)
			}
		default:
			t.Errorf("got %+v", reply)
		}
	})
}
