package interop

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// produceCall is one of a client's producer. A value that is []byte is base64 in the client's input.
type produceCall struct {
	Topic   string         `json:"topic"`
	Binary  bool           `json:"binary"`
	Type    string         `json:"type,omitempty"` // of the values, in v3
	Records []clientRecord `json:"records"`

	raised    string // what the client is to raise; "" for success
	errorCode int    // of its reply
}

type clientRecord struct {
	Key       any `json:"key"`
	Value     any `json:"value"`
	Partition any `json:"partition,omitempty"`

	wantKey, wantValue string // of the record; a wantKey "" is null
}

// produced is what a client's producer made of a call.
type produced struct {
	Reply struct {
		Offsets []struct {
			Partition int
			Offset    int64
			ErrorCode *int `json:"error_code"`
			Error     *string
		}
		ErrorCode int `json:"error_code"`
	}
	Raised string
}

// restClient is a real client of the REST Proxy: a script that reads calls and prints what became of each.
type restClient struct {
	name    string
	install func(t *testing.T) (path string, o program.Options)
	calls   []produceCall
}

const (
	notAllowed = "users" // which the route does not allow
	missing    = "clients.missing"
)

var (
	binaryRecords = []clientRecord{
		{Key: "a", Value: []byte{0, 0xff, '\n'}, wantKey: "a", wantValue: "\x00\xff\n"},
		{Key: "Zoë", Value: []byte("{ }"), wantKey: "Zoë", wantValue: "{ }"},
		{Value: []byte{}},
	}

	restClients = []restClient{
		{name: "openapi", install: generateClient, calls: []produceCall{
			{Topic: "clients.openapi", Type: "BINARY", Records: binaryRecords},
			{Topic: "clients.openapi", Type: "JSON", Records: []clientRecord{{Key: "a", Value: map[string]any{"name": "Zoë"}, Partition: 2, wantKey: "a", wantValue: `{"name":"Zo\u00eb"}`}}},
			{Topic: "clients.openapi", Type: "STRING", Records: []clientRecord{{Value: "", wantValue: ""}}},
			{Topic: "clients.openapi", Type: "AVRO", Records: []clientRecord{{Value: 1}}, raised: "UnprocessableEntityException", errorCode: 42206},
			{Topic: "clients.openapi", Type: "BINARY", Records: []clientRecord{{Value: "%"}}, raised: "BadRequestException", errorCode: 400},
			{Topic: notAllowed, Type: "STRING", Records: []clientRecord{{Value: "a"}}, raised: "ForbiddenException", errorCode: 40301},
			{Topic: missing, Type: "STRING", Records: []clientRecord{{Value: "a"}}, raised: "NotFoundException", errorCode: 40403},
		}},
		{name: "kafka-bridge-client", install: installBridgeClient, calls: []produceCall{
			{Topic: "clients.kafka-bridge-client", Records: []clientRecord{
				{Key: "a", Value: map[string]any{"name": "Zoë 𝄞"}, wantKey: `"a"`, wantValue: `{"name":"Zo\u00eb \ud834\udd1e"}`},
				{Key: "b", Value: 1.5, wantKey: `"b"`, wantValue: "1.5"},
			}},
			{Topic: "clients.kafka-bridge-client", Binary: true, Records: binaryRecords},
			{Topic: notAllowed, Records: []clientRecord{{Key: "a", Value: 1}}, raised: "KafkaBridgeResourceException", errorCode: 40301},
			{Topic: missing, Records: []clientRecord{{Key: "a", Value: 1}}, raised: "KafkaBridgeTopicNotFoundError", errorCode: 40401},
		}},
		{name: "kafka-rest", install: installKafkaRest, calls: []produceCall{
			{Topic: "clients.kafka-rest", Records: binaryRecords},
			{Topic: "clients.kafka-rest", Records: []clientRecord{{Key: "a", Value: []byte("c"), Partition: 2, wantKey: "a", wantValue: "c"}}},
			{Topic: notAllowed, Records: []clientRecord{{Key: "a", Value: []byte("d")}}, raised: "APIError", errorCode: 40301},
			{Topic: missing, Records: []clientRecord{{Key: "a", Value: []byte("e")}}, raised: "APIError", errorCode: 40401},
		}},
	}
)

func installBridgeClient(t *testing.T) (path string, o program.Options) {
	t.Helper()
	return string(install(t, "kafka-bridge-client")), program.Options{Args: []string{"kafka-bridge-client/producer.py"}}
}

// generateClient has openapi-generator make a client of the document that docs/ has of v3. It is this project's own, since
// Confluent's is under a licence of its own.
func generateClient(t *testing.T) (path string, o program.Options) {
	t.Helper()
	python, dir := install(t, "openapi"), t.TempDir()
	command(t, "", filepath.Join(filepath.Dir(string(python)), "openapi-generator-cli"), "generate", "--generator-name", "python",
		"--package-name", "restproxy_v3", "--input-spec", "../../docs/restproxy-v3.yaml", "--output", dir)
	return string(python), program.Options{Args: []string{"openapi/producer.py"}, Env: []string{"PYTHONPATH=" + dir}}
}

// installKafkaRest has npm take every package as package.json pins it.
func installKafkaRest(t *testing.T) (path string, o program.Options) {
	t.Helper()
	const pins = "kafka-rest/package.json"
	dir := installOnce(t, filepath.Dir(pins), filepath.Base(pins), func(dir string) {
		text, err := os.ReadFile(pins)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(pins)), text, 0o600); err != nil {
			t.Fatal(err)
		}
		command(t, dir, "npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund")
	})
	return "node", program.Options{Args: []string{"kafka-rest/producer.js"}, Env: []string{"NODE_PATH=" + filepath.Join(dir, "node_modules")}}
}

// produce runs the client, with the gateway for its REST Proxy.
func (c *restClient) produce(t *testing.T, url string) []produced {
	t.Helper()
	calls, err := json.Marshal(c.calls)
	if err != nil {
		t.Fatal(err)
	}
	path, o := c.install(t)
	o.Args, o.Stdin = append(o.Args, url), strings.NewReader(string(calls))
	p, code := program.Run(t, path, o)
	all := jsonLines[produced](t, p.Stdout)
	if code != 0 || len(all) != len(c.calls) {
		t.Fatalf("exit code %d, and %d of %d calls", code, len(all), len(c.calls))
	}
	return all
}

func TestClientsOfTheRESTProxyProduceAndAreToldWhere(t *testing.T) {
	k := kafkatest.Run(t, kafkatest.Options{})
	gateway := startDev(t, k.Bootstrap(), tempFile(t, "route.json", `{"config":{},"dialects":["confluent"],"topics":["clients.*"],"delivery":"sync"}`))
	for _, c := range restClients {
		t.Run(c.name, func(t *testing.T) {
			topic := "clients." + c.name
			if err := k.CreateTopic(topic, 3, 1, nil); err != nil {
				t.Fatal(err)
			}
			outcomes := c.produce(t, gateway.URL)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			records, err := k.Records(ctx, topic)
			if err != nil {
				t.Fatal(err)
			}
			told := 0
			for i, call := range c.calls {
				told += checkCall(t, call, outcomes[i], records)
			}
			if told != len(records) {
				t.Errorf("the replies tell of %d records, the topic has %d", told, len(records))
			}
		})
	}
}

// checkCall fails the test unless each record is where the reply says, and returns their number.
func checkCall(t *testing.T, call produceCall, got produced, records []kafkatest.Record) (told int) {
	t.Helper()
	if got.Raised != call.raised || got.Reply.ErrorCode != call.errorCode {
		t.Errorf("%+v: got %+v", call, got)
	}
	if call.raised != "" {
		return 0
	}
	if len(got.Reply.Offsets) != len(call.Records) {
		t.Fatalf("%+v: got %+v", call, got)
	}
	for i, at := range got.Reply.Offsets {
		want := call.Records[i]
		j := slices.IndexFunc(records, func(r kafkatest.Record) bool { return r.Partition == at.Partition && r.Offset == at.Offset })
		if j < 0 || at.ErrorCode != nil || at.Error != nil || want.Partition != nil && want.Partition != any(at.Partition) {
			t.Fatalf("%+v: got %+v, and the topic has %+v", want, at, records)
		}
		if r := records[j]; string(r.Key) != want.wantKey || (r.Key == nil) != (want.wantKey == "") || string(r.Value) != want.wantValue || r.Value == nil {
			t.Errorf("%+v: got key %q value %q", want, r.Key, r.Value)
		}
	}
	return len(call.Records)
}
