package kafkaupstream

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// schemaRegistry has a schema of each format, under /subjects and /schemas.
func schemaRegistry(t *testing.T) *httptest.Server {
	t.Helper()
	schemas := []struct{ subject, kind, text string }{
		{"orders-value", "AVRO", `{"type":"record","name":"O","fields":[{"name":"id","type":"long"},{"name":"note","type":["null","string"],"default":null}]}`},
		{"orders-key", "AVRO", `"long"`},
		{"events-value", "PROTOBUF", `syntax = "proto3"; package p; message A {} message B { int64 id = 1; message C { string s = 1; } }`},
		{"docs-value", "JSON", `{"type":"object","required":["id"]}`},
		{"names-key", "AVRO", `"string"`},
		{"bad-value", "AVRO", `{"type":"nothing"}`},
		{"back-value", "JSON", `{"pattern":"^(a|b)\\1$"}`},
		{"atomic-value", "JSON", `{"pattern":"(?>a)"}`},
		{"times-value", "JSON", `{"$schema":"https://json-schema.org/draft/2020-12/schema","format":"date"}`},
		{"dates-value", "JSON", `{"format":"date"}`},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Schema string }
		_ = json.NewDecoder(r.Body).Decode(&asked)
		for i, is := range schemas {
			id := i + 1
			switch r.Method + " " + r.URL.Path {
			case fmt.Sprint("GET /schemas/ids/", id), "GET /subjects/" + is.subject + "/versions/latest", "GET /subjects/" + is.subject + "/versions/1":
			case "POST /subjects/" + is.subject:
				if asked.Schema != is.text {
					continue
				}
			default:
				continue
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"id": id, "schemaType": is.kind, "schema": is.text})
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestRoutesOfAvroAndProtobuf(t *testing.T) {
	registry := schemaRegistry(t)
	for _, c := range []struct {
		what, route, headers, body string
		status                     int
		key, value, says           string
	}{
		{"Avro", `"schema":{"format":"avro","registry":"R","subject":"orders-value"}`, "", `{"id": 7}`, 200, "null", "\x00\x00\x00\x00\x01\x0e\x00", ``},
		{"without the five bytes", `"schema":{"format":"avro","registry":"R","subject":"orders-value","wire_format":false}`, "", `{"id": 7}`, 200, "null", "\x0e\x00", ``},
		{"inline", `"schema":{"format":"avro","inline":{"type":"array","items":"int"}}`, "", `[1]`, 200, "null", "\x02\x02\x00", ``},
		{"inline, in a string", `"schema":{"format":"avro","inline":"{\"type\":\"array\",\"items\":\"int\"}"}`, "", `[1]`, 200, "null", "\x02\x02\x00", ``},
		{"Protobuf's first message", `"schema":{"format":"protobuf","registry":"R","subject":"events-value"}`, "", `{}`, 200, "null", "\x00\x00\x00\x00\x03\x00", ``},
		{"another", `"schema":{"format":"protobuf","registry":"R","subject":"events-value","message":"p.B.C"}`, "", `{"s": "x"}`, 200, "null", "\x00\x00\x00\x00\x03\x04\x02\x00\x0a\x01x", ``},
		{"inline Protobuf", `"schema":{"format":"protobuf","inline":"syntax = \"proto3\"; message M { int32 a = 1; }"}`, "", `{"a": 150}`, 200, "null", "\x08\x96\x01", ``},
		{"a key of the body", `"jsonkey":"id","schema":{"format":"avro","registry":"R","subject":"orders-value"},"key_schema":{"subject":"orders-key"}`, "", `{"id": 7}`, 200, "\x00\x00\x00\x00\x02\x0e", "\x00\x00\x00\x00\x01\x0e\x00", ``},
		{"a key of a header is a text", `"key_schema":{"registry":"R","format":"avro","subject":"names-key"}`, "k", `{"id": 7}`, 200, "\x00\x00\x00\x00\x05\x02k", `{"id":7}`, ``},
		{"also where it is a number", `"key_schema":{"registry":"R","format":"avro","subject":"orders-key"}`, "7", `{"id": 7}`, 422, "", "", `the key does not match the schema: the value must be number, is string`},
		{"a JSON Schema for keys", `"jsonkey":"k","key_schema":{"inline":{"type":"string","maxLength":2}}`, "", `{"k":"abc"}`, 422, "", "", `the key does not match the schema: the value must have at most 2 characters, has 3`},
		{"what does not fit", `"schema":{"format":"avro","registry":"R","subject":"orders-value"}`, "", `{"id": 7, "note": "x"}`, 422, "", "", `"problems":[{"pointer":"/note","message":"must be null or {\"string\": …}, is string"}]`},
		{"another format than the route's", `"schema":{"format":"avro","registry":"R","subject":"docs-value"}`, "", `{"id": 7}`, 500, "", "", `the route's schema cannot be used`},
		{"a pattern with a back-reference", `"schema":{"registry":"R","subject":"back-value"}`, "", `"aa"`, 200, "null", `"aa"`, ``},
		{"that does not match", `"schema":{"registry":"R","subject":"back-value"}`, "", `"ab"`, 422, "", "", `"problems":[{"pointer":"","message":"must match \"^(a|b)\\\\1$\""}]`},
		{"a pattern that is none", `"schema":{"registry":"R","subject":"atomic-value"}`, "", `"a"`, 500, "", "", `the route's schema cannot be used`},
		{"a schema that is none", `"schema":{"format":"avro","registry":"R","subject":"bad-value"}`, "", `{"id": 7}`, 500, "", "", `the route's schema cannot be used`},
	} {
		t.Run(c.what, func(t *testing.T) {
			sender := &fakeSender{}
			handler := newHandler(sender, nil)
			route := mustPrepare(t, handler, mustParse(t, `{`+brokers+`,"topic":"orders",`+strings.ReplaceAll(c.route, `"R"`, `"`+registry.URL+`"`)+`}`))
			reply := handler.Handle(route, &fakeRequest{method: "POST", headers: h{"content-type": jsonType, "key": c.headers}, body: c.body})
			if text := string(reply.AppendJSON(nil)); reply.Status != c.status || !strings.Contains(text, c.says) {
				t.Fatalf("got %s", text)
			}
			if c.status != 200 {
				return
			}
			key := "null"
			if sender.sent[0].Key != nil {
				key = string(sender.sent[0].Key)
			}
			if value := string(sender.sent[0].Value); key != c.key || value != c.value {
				t.Errorf("got key %q, value %q, want %q, %q", key, value, c.key, c.value)
			}
		})
	}
}

func TestClientOfTheRESTProxyWhoseRegistryIsAwayMayTryAgain(t *testing.T) {
	registry := schemaRegistry(t)
	handler := newHandler(&fakeSender{}, nil)
	route := mustPrepare(t, handler, mustParse(t, `{`+brokers+`,"dialects":["confluent"],"schema":{"registry":"`+registry.URL+`"}}`))
	registry.Close()
	for path, body := range map[string]string{
		"/topics/orders":                       `{"value_schema_id":1,"records":[{"value":{"id":7}}]}`,
		"/v3/clusters/c/topics/orders/records": `{"value":{"data":{"id":7}}}`,
	} {
		headers := h{}
		if strings.HasPrefix(path, "/topics") {
			headers["content-type"] = "application/vnd.kafka.avro.v2+json"
		}
		reply := handler.Handle(route, &fakeRequest{method: "POST", path: path, headers: headers, body: body})
		if text := string(reply.AppendJSON(nil)); reply.Status != 503 || reply.RetryAfter == 0 || text != `{"error_code":50003,"message":"record 1: the schema registry cannot be asked"}` {
			t.Errorf("%s: got %d %s", path, reply.Status, text)
		}
	}
}

func TestClientsOfTheRESTProxyNameSchemas(t *testing.T) {
	registry := schemaRegistry(t)
	order := `{\"type\":\"record\",\"name\":\"O\",\"fields\":[{\"name\":\"id\",\"type\":\"long\"},{\"name\":\"note\",\"type\":[\"null\",\"string\"],\"default\":null}]}`
	const v2, v3 = "/topics/orders", "/v3/clusters/c/topics/orders/records"
	media := func(of string) string { return "application/vnd.kafka." + of + ".v2+json" }
	for _, c := range []struct {
		what, path, media, body string
		status                  int
		key, value, says        string
	}{
		{"by its text", v2, media("avro"), `{"value_schema":"` + order + `","records":[{"value":{"id":7}}]}`, 200, "null", "\x00\x00\x00\x00\x01\x0e\x00", `"key_schema_id":null,"value_schema_id":1}`},
		{"by its id, and the key's", v2, media("avro"), `{"value_schema_id":1,"key_schema_id":2,"records":[{"key":1,"value":{"id":7}}]}`, 200, "\x00\x00\x00\x00\x02\x02", "\x00\x00\x00\x00\x01\x0e\x00", `"key_schema_id":2,"value_schema_id":1}`},
		{"Protobuf", v2, media("protobuf"), `{"value_schema_id":3,"records":[{"value":{}}]}`, 200, "null", "\x00\x00\x00\x00\x03\x00", `"value_schema_id":3}`},
		{"JSON Schema", v2, media("jsonschema"), `{"value_schema_id":4,"records":[{"value":{"id":7}}]}`, 200, "null", "\x00\x00\x00\x00\x04" + `{"id":7}`, `"value_schema_id":4}`},
		{"a tombstone needs none", v2, media("avro"), `{"key_schema_id":2,"records":[{"key":1,"value":null}]}`, 200, "\x00\x00\x00\x00\x02\x02", "", `"key_schema_id":2,"value_schema_id":null}`},
		{"v3 by its type: the topic's latest", v3, jsonType, `{"value":{"type":"AVRO","data":{"id":7}},"key":{"type":"AVRO","data":1}}`, 200, "\x00\x00\x00\x00\x02\x02", "\x00\x00\x00\x00\x01\x0e\x00", `"value":{"type":"AVRO","schema_id":1,"size":7}`},
		{"v3 by an id", v3, jsonType, `{"value":{"schema_id":1,"data":{"id":7}}}`, 200, "null", "\x00\x00\x00\x00\x01\x0e\x00", `"value":{"type":"AVRO","schema_id":1,"size":7}`},
		{"v3 by a subject's version", v3, jsonType, `{"value":{"subject":"docs-value","schema_version":1,"data":{"id":7}}}`, 200, "null", "\x00\x00\x00\x00\x04" + `{"id":7}`, `"value":{"type":"JSONSCHEMA","schema_id":4,"size":13}`},
		{"v3 by nothing: the topic's latest", v3, jsonType, `{"value":{"data":{"id":7}},"key":{"data":1}}`, 200, "\x00\x00\x00\x00\x02\x02", "\x00\x00\x00\x00\x01\x0e\x00", `"key":{"type":"AVRO","schema_id":2,"size":6},"value":{"type":"AVRO","schema_id":1,"size":7}`},
		{"v3 by the strategy that is meant without one", v3, jsonType, `{"value":{"subject_name_strategy":"TOPIC_NAME","data":{"id":7}}}`, 200, "null", "\x00\x00\x00\x00\x01\x0e\x00", `"schema_id":1`},
		{"v3 by an id, which says all whatever the strategy", v3, jsonType, `{"value":{"subject_name_strategy":"RECORD_NAME","schema_id":3,"data":{}}}`, 200, "null", "\x00\x00\x00\x00\x03\x00", `"value":{"type":"PROTOBUF","schema_id":3,"size":6}`},
		{"v3 by its text", v3, jsonType, `{"value":{"type":"AVRO","schema":"` + order + `","data":{"id":7}}}`, 200, "null", "\x00\x00\x00\x00\x01\x0e\x00", `"schema_id":1`},

		{"no schema for values", v2, media("avro"), `{"records":[{"value":1}]}`, 422, "", "", `{"error_code":42202,`},
		{"none for keys", v2, media("avro"), `{"value_schema_id":1,"records":[{"key":1,"value":{"id":7}}]}`, 422, "", "", `{"error_code":42201,`},
		{"what does not fit", v2, media("avro"), `{"value_schema_id":1,"records":[{"value":{"id":"7"}}]}`, 422, "", "", `{"error_code":42203,"message":"record 1: the value does not match the schema: /id must be number, is string"}`},
		{"in v3", v3, jsonType, `{"value":{"schema_id":1,"data":{}}}`, 422, "", "", `{"error_code":42206,"message":"record 1: the value does not match the schema: the value has no \"id\""}`},
		{"an id that there is not", v2, media("avro"), `{"value_schema_id":99,"records":[{"value":1}]}`, 408, "", "", `{"error_code":40801,`},
		{"a text that is not registered", v2, media("avro"), `{"value_schema":"\"int\"","records":[{"value":1}]}`, 408, "", "", `{"error_code":40801,`},
		{"an id of another format", v2, media("avro"), `{"value_schema_id":3,"records":[{"value":1}]}`, 408, "", "", `{"error_code":40801,`},
		{"a pattern with a back-reference", v3, jsonType, `{"value":{"subject":"back-value","data":"aa"}}`, 200, "null", "\x00\x00\x00\x00\x07\"aa\"", `"schema_id":7`},
		{"a pattern that is none", v3, jsonType, `{"value":{"subject":"atomic-value","data":"aa"}}`, 408, "", "", `(id 8): \"#/pattern\" is not a pattern that RE2 knows, or RE2 with look-around and back-references: invalid or unsupported Perl syntax`},
		{"a subject that leads out", v3, jsonType, `{"value":{"subject":"..","schema_version":1,"data":1}}`, 408, "", "", `{"error_code":40801,`},
		{"a schema of a type without", v3, jsonType, `{"value":{"type":"JSON","schema_id":1,"data":1}}`, 422, "", "", `{"error_code":42206,`},
		{"a strategy that is not offered", v3, jsonType, `{"value":{"type":"AVRO","subject_name_strategy":"RECORD_NAME","schema":"` + order + `","data":{"id":7}}}`, 422, "", "", `value.subject_name_strategy: only TOPIC_NAME is offered`},
		{"a strategy and a subject", v3, jsonType, `{"value":{"subject_name_strategy":"TOPIC_NAME","subject":"docs-value","data":{"id":7}}}`, 422, "", "", `value: it has both subject and subject_name_strategy`},
		{"a strategy that there is not", v3, jsonType, `{"value":{"subject_name_strategy":7,"data":{"id":7}}}`, 422, "", "", `value.subject_name_strategy: expected a string`},
		{"a strategy for a type without schemas", v3, jsonType, `{"value":{"type":"STRING","subject_name_strategy":"TOPIC_NAME","data":"x"}}`, 422, "", "", `value.type: STRING has no schema`},
		{"two schemas", v3, jsonType, `{"value":{"schema_id":1,"schema_version":1,"data":1}}`, 422, "", "", `{"error_code":42206,`},
	} {
		t.Run(c.what, func(t *testing.T) {
			for name, schema := range map[string]string{"with a registry": `,"schema":{"registry":"` + registry.URL + `"}`, "without": "", "with a schema of its own": `,"schema":{"inline":{}}`} {
				sender := &fakeSender{}
				handler := newHandler(sender, nil)
				route := mustPrepare(t, handler, mustParse(t, `{`+brokers+`,"dialects":["confluent"],"delivery":"sync"`+schema+`}`))
				reply := handler.Handle(route, &fakeRequest{method: "POST", path: c.path, headers: h{"content-type": c.media}, body: c.body})
				text := string(reply.AppendJSON(nil))
				if name != "with a registry" {
					if reply.Status < 400 || len(sender.sent) > 0 {
						t.Errorf("%s: got %s", name, text)
					}
					continue
				}
				if reply.Status != c.status || !strings.Contains(text, c.says) {
					t.Fatalf("got %d %s", reply.Status, text)
				}
				if c.status != 200 {
					continue
				}
				key := "null"
				if sender.sent[0].Key != nil {
					key = string(sender.sent[0].Key)
				}
				if value := string(sender.sent[0].Value); key != c.key || value != c.value {
					t.Errorf("got key %q, value %q, want %q, %q", key, value, c.key, c.value)
				}
			}
		})
	}
}

// Whether formats are rules is the route's to say, of a schema that a client names too.
func TestFormatsOfSchemasThatClientsNameAreAsserted(t *testing.T) {
	registry := schemaRegistry(t)
	for _, c := range []struct {
		what, assert, subject string
		status                int
	}{
		{"a remark since 2019-09", ``, "times-value", 200},
		{"asserted", `,"assert_format":true`, "times-value", 422},
		{"a rule up to draft-07", ``, "dates-value", 422},
		{"ignored", `,"assert_format":false`, "dates-value", 200},
	} {
		t.Run(c.what, func(t *testing.T) {
			handler := newHandler(&fakeSender{}, nil)
			route := mustPrepare(t, handler, mustParse(t, `{`+brokers+`,"dialects":["confluent"],"delivery":"sync","schema":{"registry":"`+registry.URL+`"`+c.assert+`}}`))
			for _, named := range []string{
				`"subject":"` + c.subject + `"`,
				`"schema_id":` + map[string]string{"times-value": "9", "dates-value": "10"}[c.subject],
			} {
				body := `{"value":{` + named + `,"data":"yesterday"}}`
				reply := handler.Handle(route, &fakeRequest{method: "POST", path: "/v3/clusters/c/topics/t/records", headers: h{"content-type": jsonType}, body: body})
				if reply.Status != c.status {
					t.Errorf("%s: got %d %s", named, reply.Status, reply.AppendJSON(nil))
				}
			}
		})
	}
}
