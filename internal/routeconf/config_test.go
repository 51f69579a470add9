package routeconf

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

// limits are those of a front like APISIX.
var limits = Limits{Body: 16777188, Timeout: 55 * time.Second}

const brokers = `"config":{"bootstrap.servers":"127.0.0.1:1"}`

func mustParse(t testing.TB, text string) *Route {
	t.Helper()
	r, err := ParseRoute([]byte(text), limits)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

func TestTheOriginalsExampleConfigurationWorksUnchanged(t *testing.T) {
	r := mustParse(t, "{\"config\":{\"bootstrap.servers\":\"vital-haddock-12803-eu1-kafka.upstash.io:9092\",\"security.protocol\":\"SASL_SSL\",\"sasl.mechanisms\":\"SCRAM-SHA-256\",\"sasl.username\":\"XXXX\",\"sasl.password\":\"XXXX\",\"acks\":\"all\",\"retries\":3,\"batch.size\":9000000},\"topic\":\"kafkaupstream\",\"partition\":-1,\"jsonkey\":\"glossary.GlossDiv.title\"}")
	if r.TopicText.Text != "kafkaupstream" || r.Partition != -1 || r.JSONKey != "glossary.GlossDiv.title" || r.Key.Text != "" || r.Mode.Delivery == record.Sync {
		t.Errorf("got %+v", r)
	}
	if [3]string(r.HeaderNames[:3]) != [3]string{"topic", "key", "partition"} || r.Allowed != [overrideCount]bool{true, true, true} {
		t.Errorf("headers %v allowed %v", r.HeaderNames, r.Allowed)
	}
}

func TestDefaultsOfARoute(t *testing.T) {
	r := mustParse(t, `{`+brokers+`}`)
	if r.Timeout != 5*time.Second || r.MaxBody != 1000000 || r.Partition != -1 || r.Patterns != nil || r.Mode.Delivery == record.Sync || r.RequireJSON || r.RequireKey {
		t.Errorf("got %+v", r)
	}
	if r := mustParse(t, `{"config":{"bootstrap.servers":"a","message.max.bytes":"2000000"}}`); r.MaxBody != 2000000 {
		t.Errorf("max_body_bytes is %d, want the producer's message.max.bytes", r.MaxBody)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	r := mustParse(t, `{"config":{"bootstrap.servers":"a","linger.ms":12.50,"socket.keepalive.enable":true,
		"default.topic.config":{"compression.type":"gzip","acks":1}},
		"headerprefix":"Cool-","partition":7,"topic":"orders.eu","key":"k","jsonkey":"a.b","delivery":"sync","timeout_ms":250,
		"overrides":["key"],"topics":["orders.*","x?"],"max_body_bytes":99,"require":["json","key"]}`)
	if [3]string(r.HeaderNames[:3]) != [3]string{"cool-topic", "cool-key", "cool-partition"} || r.Allowed != [overrideCount]bool{false, true, false} {
		t.Errorf("headers %v allowed %v", r.HeaderNames, r.Allowed)
	}
	if r.Partition != 7 || r.TopicText.Text != "orders.eu" || r.Key.Text != "k" || r.JSONKey != "a.b" || r.Mode.Delivery != record.Sync || r.Timeout != 250*time.Millisecond ||
		r.MaxBody != 99 || !r.RequireJSON || !r.RequireKey || fmt.Sprint(r.Patterns) != "[orders.* x?]" {
		t.Errorf("got %+v", r)
	}
}

func TestPropertiesKeepTheirDigitsAndNestedOnesCount(t *testing.T) {
	fields, err := readObject([]byte(`{"config":{"n":12345678901234567890,"f":0.10,"t":true,"default.topic.config":{"acks":"1"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	c := newConfigReader(limits)
	c.readConfig("config", fields[0].value)
	if got := fmt.Sprint(c.properties); got != "map[acks:1 f:0.10 n:12345678901234567890 t:true]" || c.findings.Problems != nil {
		t.Errorf("got %s %v", got, c.findings)
	}
}

func TestAWrongConfigurationIsToldByPath(t *testing.T) {
	cases := []struct{ says, text, want string }{
		{"not JSON", `{"config":`, "not valid JSON: it ends too early, at line 1, column 11"},
		{"broken JSON, without quoting it", `{"config":{"sasl.password":"hunter2"x}}`, "not valid JSON: error at line 1, column 37: expected a comma or '}'"},
		{"a trailing comma in a file of several lines", "{\n  \"topic\": \"é\", }", "not valid JSON: error at line 2, column 17: found '}', expected the name of a member, in double quotes; the comma before it is one too many"},
		{"a text that ends", "{\n  \"topic\":", "not valid JSON: it ends too early, at line 2"},
		{"something after it", `{} {}`, "goes on after its end"},
		{"not an object", `[]`, "must be a JSON object, got a list"},
		{"an unknown key", `{` + brokers + `,"topik":"t"}`, `topik: unknown key; did you mean "topic"?`},
		{"a key in capitals", `{` + brokers + `,"jsonKey":"t"}`, `jsonKey: unknown key; did you mean "jsonkey"?`},
		{"a key that is near nothing", `{` + brokers + `,"zzzzzzzzzzz":1}`, `zzzzzzzzzzz: unknown key; the keys are "batch", "cloudevents", "config", "delivery"`},
		{"a key given twice", `{` + brokers + `,"topic":"a","topic":"b"}`, `the key "topic" is given twice`},
		{"no config", `{"topic":"t"}`, "config: it is required"},
		{"no brokers", `{"config":{}}`, "config.bootstrap.servers: it is missing"},
		{"config as a string", `{"config":"x"}`, "config: expected an object of librdkafka properties, got a string"},
		{"a property that is null", `{"config":{"bootstrap.servers":null}}`, "config.bootstrap.servers: expected a string, a number or a boolean, got null"},
		{"a property that is a list", `{"config":{"bootstrap.servers":["a"]}}`, "config.bootstrap.servers: expected a string, a number or a boolean, got a list"},
		{"a nested object of another name", `{"config":{"bootstrap.servers":"a","x":{}}}`, "config.x: only default.topic.config may be a nested object"},
		{"a property in the nested object", `{"config":{"bootstrap.servers":"a","default.topic.config":{"acks":[]}}}`, "config.default.topic.config.acks: expected"},
		{"a property that loads code", `{"config":{"bootstrap.servers":"a","plugin.library.paths":"/x.so"}}`, "config.plugin.library.paths: it may not be set: it loads code"},
		{"one hidden in the nested object", `{"config":{"bootstrap.servers":"a","default.topic.config":{"plugin.library.paths":"/x.so"}}}`, "config.default.topic.config.plugin.library.paths: it may not be set"},
		{"properties that contradict", `{"config":{"bootstrap.servers":"a","metadata.broker.list":"b"}}`, "bootstrap.servers is given twice"},
		{"a partition too small", `{` + brokers + `,"partition":-2}`, "partition: expected an integer from -1 to 2147483647, got -2"},
		{"a partition too large", `{` + brokers + `,"partition":2147483648}`, "partition: expected an integer from -1 to 2147483647"},
		{"a partition that is not whole", `{` + brokers + `,"partition":1.5}`, "partition: expected an integer from -1"},
		{"a partition as a string", `{` + brokers + `,"partition":"1"}`, "partition: expected an integer from -1 to 2147483647, got a string"},
		{"a topic that is a number", `{` + brokers + `,"topic":1}`, "topic: expected a string, got a number"},
		{"a topic with a slash", `{` + brokers + `,"topic":"a/b"}`, "topic: a topic's name has letters, digits"},
		{"a topic too long", `{` + brokers + `,"topic":"` + strings.Repeat("x", 250) + `"}`, "topic: a topic's name has at most 249 characters, this one has 250"},
		{"a topic that its own patterns forbid", `{` + brokers + `,"topic":"a","topics":["b*"]}`, "topic: it matches none of the patterns"},
		{"a pattern that is none", `{` + brokers + `,"topics":["[a"]}`, "topics[0]: it is not a pattern"},
		{"patterns that are no list", `{` + brokers + `,"topics":"a"}`, "topics: expected a list, got a string"},
		{"a pattern that is no string", `{` + brokers + `,"topics":["a",1]}`, "topics[1]: expected a string, got a number"},
		{"a key that is looked for at all depths", `{` + brokers + `,"jsonkey":"a.@dig:id|0"}`, "jsonkey: @dig is not offered here"},
		{"a key with indents", `{` + brokers + `,"jsonkey":"[id,@pretty]"}`, "jsonkey: @pretty is not offered here"},
		{"a key of a list that is made flat at all depths", `{` + brokers + `,"jsonkey":"@flatten:{\"deep\":true}"}`, "jsonkey: @flatten: is not offered here"},
		{"a key of lists that are made objects", `{` + brokers + `,"jsonkey":"a|@group"}`, "jsonkey: @group is not offered here"},
		{"a key that is quoted twice", `{` + brokers + `,"jsonkey":"a|@tostr|@this|@tostr"}`, "jsonkey: a second @tostr is not offered here"},
		{"a key of a list of lists of all", `{` + brokers + `,"jsonkey":"[@this,@this]|@this|{\"a\":@this,\"b\":@this}"}`, "jsonkey: […] or {…} behind another is not offered here"},
		{"an unknown delivery", `{` + brokers + `,"delivery":"snc"}`, `delivery: expected one of "async", "durable", "sync", got "snc"; did you mean "sync"?`},
		{"a policy that there is not", `{` + brokers + `,"delivery":"durable","on_permanent_error":"stop"}`, `on_permanent_error: expected one of "deadletter", "suspend", got "stop"`},
		{"a policy for records that are not on disk", `{` + brokers + `,"delivery":"sync","on_permanent_error":"suspend"}`, `on_permanent_error: suspend is for "delivery": "durable"`},
		{"durable delivery that nobody acknowledges", `{"config":{"bootstrap.servers":"b:1","request.required.acks":0},"delivery":"durable"}`, "config.request.required.acks: durable delivery needs acknowledgements"},
		{"sync delivery that nobody acknowledges", `{"config":{"bootstrap.servers":"b:1","acks":-0},"delivery":"sync"}`, "config.acks: sync delivery needs acknowledgements: all, or 1"},
		{"the same in another notation", `{"config":{"bootstrap.servers":"b:1","default.topic.config":{"acks":"0x0"}},"delivery":"durable"}`, "config.default.topic.config.acks: durable delivery needs acknowledgements: all, or 1"},
		{"a transaction that nobody acknowledges", `{"config":{"bootstrap.servers":"b:1","acks":"00"},"transactional":true}`, "config.acks: transactions need acks=all"},
		{"a transaction without idempotence", `{"config":{"bootstrap.servers":"b:1","enable.idempotence":"False"},"transactional":true}`, "config.enable.idempotence: transactions need"},
		{"a number of replicas that Kafka refuses", `{"config":{"bootstrap.servers":"b:1","acks":2}}`, "config.acks: expected all, 1 or 0"},
		{"a property that there is not", `{"config":{"bootstrap.servers":"b:1","linger.mss":5}}`, `config.linger.mss: librdkafka has no such property; did you mean "linger.ms"?`},
		{"a value that there is not", `{"config":{"bootstrap.servers":"b:1","compression.type":"gzipp"}}`, `config.compression.type: expected one of none, gzip, snappy, lz4, zstd; did you mean "gzip"?`},
		{"a value with a zero byte, which would end it", `{"config":{"bootstrap.servers":"b:1","sasl.password":"a\u0000b"}}`, "config.sasl.password: it has a zero byte"},
		{"properties that librdkafka refuses together", `{"config":{"bootstrap.servers":"b:1","acks":1,"enable.idempotence":true}}`, "config: librdkafka refuses it: `acks` must be set to `all` when `enable.idempotence` is true"},
		{"a property in config and in the nested object", `{"config":{"bootstrap.servers":"b:1","acks":1,"default.topic.config":{"acks":"all"}}}`, "config.default.topic.config.acks: it is given twice, in config and in default.topic.config"},
		{"addresses with a scheme", `{"config":{"bootstrap.servers":"http://h:8082"}}`, `config.bootstrap.servers: expected host:port, such as "h:8082", without http://`},
		{"addresses with semicolons", `{"config":{"bootstrap.servers":"h1:9092;h2:9092"}}`, "config.bootstrap.servers: addresses are separated by commas: h1:9092,h2:9092"},
		{"a port that is no number", `{"config":{"metadata.broker.list":"h:kafka"}}`, "config.metadata.broker.list: a port is a number from 1 to 65535"},
		{"an IPv6 address without brackets", `{"config":{"bootstrap.servers":"::1:9092"}}`, "config.bootstrap.servers: an IPv6 address is in brackets: [::1]:9092"},
		{"OAUTHBEARER without a token", `{"config":{"bootstrap.servers":"b:1","security.protocol":"SASL_SSL","sasl.mechanisms":"OAUTHBEARER"}}`, "config.sasl.mechanisms: OAUTHBEARER has no source of a token: sasl.oauthbearer.method=oidc"},
		{"a token of AWS", `{"config":{"bootstrap.servers":"b:1","security.protocol":"SASL_SSL","sasl.mechanisms":"OAUTHBEARER","sasl.oauthbearer.metadata.authentication.type":"aws_iam"}}`, "config.sasl.oauthbearer.metadata.authentication.type: AWS MSK IAM is not offered yet"},
		{"a secret's reference that leads out", `{"config":{"bootstrap.servers":"b:1","sasl.password":"$file://../x"}}`, "config.sasl.password: "},
		{"a secret's reference without a name", `{"config":{"bootstrap.servers":"b:1","sasl.password":"$env://"}}`, "config.sasl.password: "},
		{"a variable without a name", `{` + brokers + `,"topic":"orders.$"}`, "topic: after a $ comes a variable's name"},
		{"a variable that is not closed", `{` + brokers + `,"key":"${arg_x"}`, "key: after a $ comes a variable's name"},
		{"record headers that are no object", `{` + brokers + `,"record_headers":["a"]}`, "record_headers: expected an object of header names and values, got a list"},
		{"a record header that is no text", `{` + brokers + `,"record_headers":{"a":1}}`, "record_headers.a: expected a string, got a number"},
		{"a record header with a NUL byte", `{` + brokers + `,"record_headers":{"a\u0000":"a"}}`, "record_headers: a header's name cannot be empty, and has no NUL byte"},
		{"a record header without a name", `{` + brokers + `,"record_headers":{"":"a"}}`, "record_headers: a header's name cannot be empty"},
		{"a switch that is no boolean", `{` + brokers + `,"tombstone_on_delete":1}`, "tombstone_on_delete: expected true or false, got a number"},
		{"the Java client's limit and librdkafka's", `{"config":{"bootstrap.servers":"b:1","max.request.size":2000,"message.max.bytes":3000}}`, "config: message.max.bytes is given twice"},
		{"what only the Java client has", `{"config":{"bootstrap.servers":"b:1","sasl.jaas.config":"Module required password=\"planted\";"}}`, "config.sasl.jaas.config: librdkafka has no such property, it is one of Kafka's Java client; sasl.username and sasl.password take its place"},
		{"a transaction of which the broker says nothing", `{"config":{"bootstrap.servers":"b:1","acks":1},"transactional":true}`, "config.acks: transactions need acks=all"},
		{"events in a form that there is not", `{` + brokers + `,"cloudevents":"avro"}`, `cloudevents: expected true, false, "binary" or "structured"`},
		{"a registry's password that leads out", `{` + brokers + `,"schema":{"registry":"http://r","subject":"s","username":"u","password":"$file://../x"}}`, "schema.password: "},
		{"a format that there is not", `{` + brokers + `,"schema":{"format":"thrift","inline":{}}}`, "schema.format: expected one of"},
		{"a message of what is not Protobuf", `{` + brokers + `,"schema":{"format":"avro","inline":"int","message":"M"}}`, "schema.message: it is for the format protobuf"},
		{"a message that there is not", `{` + brokers + `,"schema":{"format":"protobuf","inline":"syntax = \"proto3\"; message M {}","message":"N"}}`, "schema.inline: it has no message"},
		{"Protobuf that is no text", `{` + brokers + `,"schema":{"format":"protobuf","inline":{}}}`, "schema.inline: expected the text of a .proto file, got an object"},
		{"Avro that is none", `{` + brokers + `,"schema":{"format":"avro","inline":{"type":"int8"}}}`, "schema.inline: it is no Avro schema"},
		{"formats of Avro", `{` + brokers + `,"schema":{"format":"avro","inline":"int","assert_format":true}}`, "schema.assert_format: it is for JSON Schema"},
		{"no subject for keys", `{` + brokers + `,"schema":{"registry":"http://r","subject":"s"},"key_schema":{}}`, "key_schema.subject: it is required"},
		{"no subject for a client to name one", `{` + brokers + `,"schema":{"registry":"http://r"}}`, "schema.subject: it is required"},
		{"a registry that is no URL", `{` + brokers + `,"schema":{"registry":"nonsense","subject":"s"}}`, "schema.registry: the registry's URL must be an http or https URL"},
		{"a password in a registry's URL", `{` + brokers + `,"schema":{"registry":"http://u:hunter2@r","subject":"s"}}`, "schema.registry: the registry's URL must have no user, query or fragment"},
		{"a query in it", `{` + brokers + `,"key_schema":{"registry":"http://r?hunter2=1","subject":"s"}}`, "key_schema.registry: the registry's URL must have no user"},
		{"a registry that is a reference", `{` + brokers + `,"schema":{"registry":"$env://KAFKA_REGISTRY","subject":"s"}}`, "schema.registry: the registry's URL must be"},
		{"a version that is a typing error", `{` + brokers + `,"schema":{"registry":"http://r","subject":"s","version":"lastest"}}`, `schema.version: the version must be "latest" or a positive number`},
		{"a version below 1", `{` + brokers + `,"schema":{"registry":"http://r","subject":"s","version":-1}}`, `schema.version: the version must be "latest"`},
		{"a version that is empty", `{` + brokers + `,"schema":{"registry":"http://r","subject":"s","version":""}}`, `schema.version: the version must be "latest"`},
		{"a version that is a list", `{` + brokers + `,"schema":{"registry":"http://r","subject":"s","version":[]}}`, `schema.version: expected a string, got a list`},
		{"a subject that leads out", `{` + brokers + `,"schema":{"registry":"http://r","subject":".."}}`, "schema.subject: the subject must not be . or .."},
		{"two things of a registry", `{` + brokers + `,"schema":{"registry":"http://u@r","subject":"..","version":1}}`, "user, query or fragment\nschema.subject: the subject must not be . or .."},
		{"a token and a user", `{` + brokers + `,"schema":{"registry":"http://r","subject":"s","token":"$file://t","username":"u"}}`, "schema.token: a registry takes a user name and a password or a token, not both"},
		{"a password for nobody", `{` + brokers + `,"dialects":["confluent"],"schema":{"registry":"http://r","password":"hunter2"}}`, "schema.password: a registry's password needs a user name"},
		{"a version of no subject", `{` + brokers + `,"dialects":["confluent"],"schema":{"registry":"http://r","version":3}}`, "schema.version: it needs a subject"},
		{"a format of no subject", `{` + brokers + `,"dialects":["confluent"],"schema":{"registry":"http://r","format":"json"}}`, "schema.format: it needs a subject"},
		{"a message of no subject", `{` + brokers + `,"dialects":["confluent"],"schema":{"registry":"http://r","format":"protobuf","message":"M"}}`, "schema.message: it needs a subject"},
		{"a wire format of no subject", `{` + brokers + `,"dialects":["confluent"],"schema":{"registry":"http://r","wire_format":false}}`, "schema.wire_format: it needs a subject"},
		{"binary values in an envelope", `{` + brokers + `,"topic":"t","envelope":"opal","schema":{"format":"avro","inline":"int"}}`, "envelope: it cannot be combined with a schema of Avro or Protobuf"},
		{"binary data of events", `{` + brokers + `,"cloudevents":true,"schema":{"format":"avro","inline":"int"}}`, "cloudevents: it cannot be combined with a schema of Avro or Protobuf"},
		{"an id for a schema that has none", `{` + brokers + `,"schema":{"inline":{},"wire_format":true}}`, "schema.wire_format: an inline schema has no id"},
		{"an unknown key of idempotency", `{` + brokers + `,"idempotency":{"ttl":5}}`, "idempotency.ttl: unknown key"},
		{"a timeout of nothing", `{` + brokers + `,"timeout_ms":0}`, "timeout_ms: expected an integer from 1 to 55000"},
		{"a timeout beyond APISIX's", `{` + brokers + `,"timeout_ms":60000}`, "timeout_ms: expected an integer from 1 to 55000"},
		{"senders of events where there are none", `{` + brokers + `,"webhook_origins":["*"]}`, "webhook_origins: it is for cloudevents"},
		{"a sender's pattern that is none", `{` + brokers + `,"cloudevents":true,"webhook_origins":["[a"]}`, "webhook_origins[0]: it is not a pattern"},
		{"a dialect that there is not", `{` + brokers + `,"dialects":["confluence"]}`, `dialects[0]: expected one of "confluent", got "confluence"; did you mean "confluent"?`},
		{"dialects that are no list", `{` + brokers + `,"dialects":"confluent"}`, "dialects: expected a list, got a string"},
		{"a dialect and events", `{` + brokers + `,"dialects":["confluent"],"cloudevents":true}`, "dialects: it cannot be combined with cloudevents"},
		{"an Override that there is not", `{` + brokers + `,"overrides":["topic","keys"]}`, `overrides[1]: expected one of "dry-run", "headers", "key", "partition", "timestamp", "topic", got "keys"; did you mean "key"?`},
		{"a requirement that there is not", `{` + brokers + `,"require":["xml"]}`, `require[0]: expected one of "json", "key", got "xml"`},
		{"a header prefix that no header can have", `{` + brokers + `,"headerprefix":"a b"}`, "headerprefix: it has a character"},
		{"a body larger than the protocol carries", `{` + brokers + `,"max_body_bytes":16777189}`, "max_body_bytes: expected an integer from 0 to 16777188"},
		{"nesting without end", `{"topic":"t","record_headers":` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + "}", `the configuration has more than 100 lists and objects inside one another, under "record_headers"`},
		{"a schema of many levels", `{` + brokers + `,"schema":{"inline":` + strings.Repeat(`{"not":`, 50) + "{}" + strings.Repeat("}", 50) + "}}", "schema.inline: it has more than 50 arrays and objects inside one another"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			_, err := ParseRoute([]byte(c.text), limits)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("it quotes a secret: %q", err)
			}
		})
	}
}

func TestInlineSchemaHasAsManyLevelsAsOneOfARegistry(t *testing.T) {
	mustParse(t, `{`+brokers+`,"topic":"t","schema":{"inline":`+strings.Repeat(`{"not":`, 49)+"{}"+strings.Repeat("}", 49)+"}}")
}

func TestAListOfAddressesIsOneProblem(t *testing.T) {
	_, findings := Lint([]byte(`{"config":{"bootstrap.servers":["h1:9092"]},"topic":"t"}`), limits)
	const want = `config.bootstrap.servers: expected a string, a number or a boolean, got a list: the addresses in one string, separated by commas, "h1:9092,h2:9092"`
	if len(findings.Problems) != 1 || findings.Problems[0].Error() != want || len(findings.Warnings) != 0 {
		t.Errorf("%v", findings)
	}
}

func TestARouteIsDoubtfulWhereItWorksOtherwiseThanItLooks(t *testing.T) {
	const gjson = "; jsonkey is a gjson path, and this one finds no key in most bodies"
	cases := []struct{ says, conf, want string }{
		{"a key by a path of gjson", `"jsonkey":"data.*.0.links.#(rel==\"self\").urn"`, ""},
		{"a key by modifiers that cost little", `"jsonkey":"items|@flatten|@reverse|0.\\@dig.a@pretty|@tostr"`, ""},
		{"a key by several paths", `"jsonkey":"[a,b.0]"`, ""},
		{"a key by several paths in several", `"jsonkey":"a.[[b,c],{\"d\":e}]|0"`, ""},
		{"a key by a query that compares a bracket", `"jsonkey":"a.#(b==\"c[0]\").d"`, ""},
		{"a key by a name with a dollar", `"jsonkey":"$id"`, ""},
		{"a key by JSONPath", `"jsonkey":"$.id"`, "jsonkey: it looks like JSONPath" + gjson + `; did you mean "id"?`},
		{"a key by JSONPath with subscripts", `"jsonkey":"$['a'][0][1].b[*].c"`, "jsonkey: it looks like JSONPath" + gjson + `; did you mean "a.0.1.b.#.c"?`},
		{"a key by a subscript", `"jsonkey":"items[0].id"`, "jsonkey: it looks like JSONPath" + gjson + `; did you mean "items.0.id"?`},
		{"a key by JSONPath that gjson has not", `"jsonkey":"$..id"`, "jsonkey: it looks like JSONPath" + gjson},
		{"a key by a JSON pointer", `"jsonkey":"/items/0/id"`, "jsonkey: it looks like a JSON pointer" + gjson + `; did you mean "items.0.id"?`},
		{"a key by the root", `"jsonkey":"$"`, "jsonkey: it looks like JSONPath" + gjson},
		{"one wrong address of two", `"config":{"bootstrap.servers":"h1,h2:kafka"}`, "config.bootstrap.servers: address 2 of 2: a port is a number from 1 to 65535, such as 9092"},
		{"an IPv6 address alone", `"config":{"bootstrap.servers":"fd00::5"}`, "config.bootstrap.servers: address 1 of 1: an IPv6 address is in brackets: [fd00::5]:9092"},
		{"a number with a unit", `"config":{"bootstrap.servers":"h1","message.timeout.ms":"50s"}`, "config.message.timeout.ms: librdkafka reads it as 50"},
		{"a number with an exponent", `"config":{"bootstrap.servers":"h1","retries":1e3}`, "config.retries: librdkafka reads it as 1"},
		{"no certificate is looked at", `"config":{"bootstrap.servers":"h1","security.protocol":"SSL","enable.ssl.certificate.verification":"F"}`, "config.enable.ssl.certificate.verification: anybody can pose as the broker; name its CA in ssl.ca.location instead"},
		{"a topic of the consumer's that a header replaces", `"topic":"orders.$consumer_name","overrides":["topic"]`, "topic: a client's header topic goes before $consumer_name; leave topic out of overrides to bind it to the consumer"},
		{"a key of the consumer's that a header replaces", `"key":"$consumer_name"`, "key: a client's header key goes before $consumer_name; leave key out of overrides to bind it to the consumer"},
		{"headers with credentials in the envelope", `"envelope":"http","envelope_headers":["x-*","Auth*"]`, "envelope_headers: it takes the header authorization: whoever reads the topic can act for the client"},
		{"all headers in the envelope", `"envelope":"http","envelope_headers":["*"]`, "envelope_headers: it takes the header authorization: whoever reads the topic can act for the client"},
		{"other headers in the envelope", `"envelope":"http","envelope_headers":["x-*"]`, ""},
		{"the Java client's limit", `"config":{"bootstrap.servers":"h1","max.request.size":2000000}`, ""},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			if !strings.Contains(c.conf, `"config"`) {
				c.conf = brokers + "," + c.conf
			}
			route, findings := Lint([]byte("{"+c.conf+"}"), limits)
			if route == nil {
				t.Fatal(findings.Err())
			}
			got := ""
			for _, w := range findings.Warnings {
				got += w.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	_, err := ParseRoute([]byte(`{"config":{"go.x":1},"topik":1,"partition":"x"}`), limits)
	for _, want := range []string{"config.go.x", "topik", "partition", "bootstrap.servers"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not told: %v", want, err)
		}
	}
}

func FuzzParseRoute(f *testing.F) {
	f.Add([]byte(`{` + brokers + `,"topics":["a*"],"overrides":[]}`))
	f.Add([]byte(`{"config":{"default.topic.config":{"a":1}},"x":[[{}]]}`))
	f.Add([]byte(`{"transport_url":"kafka://u:p@a,[::1]:1/v?compression_codec=gzip","config":{"acks":1},"topic":"t","envelope":"opal"}`))
	f.Add([]byte(`{` + brokers + `,"envelope":"http","envelope_headers":["x-*"],"form":{"repeated":"last"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseRoute(text, limits)
		if (r == nil) == (err == nil) {
			t.Errorf("route %v, error %v", r, err)
		}
	})
}
