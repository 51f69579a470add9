// Package check tests `kafkaupstream check` and `kafkaupstream route` as a person uses
// them: the built binary, against a real Kafka broker with a port for each way to reach
// one, and each way in which that can fail.
package check

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
	"github.com/kafkaupstream/kafkaupstream/test/pki"
)

var binary string

func TestMain(m *testing.M) {
	code := func() int {
		defer func() {
			if shared.Cluster != nil {
				shared.Close()
			}
		}()
		return program.Main(m, &binary, "../../cmd/kafkaupstream")
	}()
	os.Exit(code)
}

// Secrets, none of which may be in any output.
const (
	alicePassword = "alice-s3cret"
	bobPassword   = "bob-s3cret"
	wrongPassword = "wr0ng-passw0rd"
)

// scene is one broker with many ports, for all tests.
type scene struct {
	*kafkatest.Cluster
	ca, otherCA *pki.Authority
	client      pki.Issued
}

var shared struct {
	once sync.Once
	scene
	err error
}

// kafka starts the broker once. Alice may write to orders and small, bob may look at
// orders, and so may who has not logged in, who may also write, and use transactions.
func kafka(t *testing.T) *scene {
	t.Helper()
	shared.once.Do(func() { shared.err = startScene(&shared.scene) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return &shared.scene
}

func startScene(s *scene) error {
	s.ca, s.otherCA = pki.New("Test CA"), pki.New("Other CA")
	year := time.Now().AddDate(1, 0, 0)
	here := []string{"127.0.0.1", "localhost"}
	good := s.ca.Issue("broker", year, here...)
	s.client = s.ca.Issue("client", year)
	renamed := listener(s.ca.Issue("renamed broker", year, "127.0.0.1"), "RENAMED", "SSL", nil)
	renamed.Advertised = "localhost"
	ports := []kafkatest.Listener{
		{Name: "PLAIN", Protocol: "PLAINTEXT"},
		{Name: "LOST", Protocol: "PLAINTEXT", Advertised: "broker.invalid:9092"},
		listener(good, "TLS", "SSL", nil),
		listener(s.ca.Issue("old broker", time.Now().AddDate(0, 0, -2), here...), "EXPIRED", "SSL", nil),
		listener(s.ca.Issue("tired broker", time.Now().AddDate(0, 0, 5), here...), "TIRED", "SSL", nil),
		listener(s.ca.Issue("other broker", year, "kafka.example"), "ELSEWHERE", "SSL", nil),
		renamed,
		listener(good, "MUTUAL", "SSL", map[string]string{
			"ssl.client.auth": "required", "ssl.truststore.type": "PEM", "ssl.truststore.certificates": s.ca.PEM,
		}),
		listener(good, "SECURE", "SASL_SSL", map[string]string{"sasl.enabled.mechanisms": "SCRAM-SHA-512"}),
	}
	var err error
	s.Cluster, err = kafkatest.Start(kafkatest.Options{
		SASL: true, Users: map[string]string{"alice": alicePassword, "bob": bobPassword}, Listeners: ports, AutoCreateTopics: true,
	})
	if err != nil {
		return err
	}
	for name, config := range map[string]map[string]string{"orders": nil, "small": {"max.message.bytes": "20000"}} {
		if err := s.CreateTopic(name, 3, 1, config); err != nil {
			return err
		}
	}
	for _, acl := range []kafkatest.ACL{
		{User: "alice", Operation: kmsg.ACLOperationWrite, Resource: kmsg.ACLResourceTypeTopic, Name: "orders"},
		{User: "bob", Operation: kmsg.ACLOperationDescribe, Resource: kmsg.ACLResourceTypeTopic, Name: "orders"},
		{User: "CN=client", Operation: kmsg.ACLOperationWrite, Resource: kmsg.ACLResourceTypeTopic, Name: "orders"},
		{User: "ANONYMOUS", Operation: kmsg.ACLOperationWrite, Resource: kmsg.ACLResourceTypeTopic, Name: "*"},
		{User: "ANONYMOUS", Operation: kmsg.ACLOperationCreate, Resource: kmsg.ACLResourceTypeTopic, Name: "*"},
		{User: "ANONYMOUS", Operation: kmsg.ACLOperationDescribeConfigs, Resource: kmsg.ACLResourceTypeTopic, Name: "*"},
		{User: "ANONYMOUS", Operation: kmsg.ACLOperationWrite, Resource: kmsg.ACLResourceTypeTransactionalId, Name: "*"},
	} {
		if err := s.Allow(acl); err != nil {
			return err
		}
	}
	return nil
}

// properties are a route's config.
type properties map[string]string

// conf is a route's configuration with the properties.
func conf(t *testing.T, props properties, more ...string) string {
	t.Helper()
	text := fmt.Sprintf(`{"config":%s`, must(json.Marshal(props)))
	for _, m := range append(more, `"topic":"orders"`)[:max(len(more), 1)] {
		text += "," + m
	}
	return writeFile(t, "route.json", text+"}")
}

// step and report are what --json prints.
type step struct {
	Name, Target, Status, Message, Resource, Config string
	Milliseconds                                    float64 `json:"duration_ms"`
}

type report struct {
	File, Status string
	Findings     []struct{ Status, Resource, Path, Message string }
	Steps        []step
}

// check runs `check --json` and returns what it printed.
func check(t *testing.T, code int, args ...string) report {
	t.Helper()
	return checkEnv(t, code, nil, args...)
}

func checkEnv(t *testing.T, code int, env []string, args ...string) report {
	t.Helper()
	p, got := program.Run(t, binary, program.Options{Args: append([]string{"check", "--json"}, args...), Env: env})
	if got != code {
		t.Errorf("exit code %d, want %d\n%s%s", got, code, p.Stdout, p.Stderr)
	}
	noSecrets(t, p)
	var r report
	if err := json.Unmarshal([]byte(p.Stdout.String()), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, p.Stdout, p.Stderr)
	}
	if want := map[int]string{0: "ok", 1: "problem"}[code]; r.Status != want && !(code == 0 && r.Status == "warning") {
		t.Errorf("status %q", r.Status)
	}
	return r
}

func noSecrets(t *testing.T, p *program.Process) {
	t.Helper()
	for _, secret := range []string{alicePassword, bobPassword, wrongPassword, "PRIVATE KEY"} {
		if strings.Contains(p.Stdout.String()+p.Stderr.String(), secret) {
			t.Errorf("a secret is in the output:\n%s%s", p.Stdout, p.Stderr)
		}
	}
}

// has says that a step of this name ended so, with this in its message.
func (r report) has(t *testing.T, name, status, message string) {
	t.Helper()
	for _, s := range r.Steps {
		if s.Name == name && s.Status == status && strings.Contains(s.Message, message) {
			return
		}
	}
	t.Errorf("no step %s with status %s and %q among\n%s", name, status, message, r.text())
}

// hasAny is has for a cause that one of several steps may meet first: librdkafka goes
// to the addresses that the cluster gives out before it has given them to its caller.
func (r report) hasAny(t *testing.T, status, message string) {
	t.Helper()
	for _, s := range r.Steps {
		if s.Status == status && strings.Contains(s.Message, message) {
			return
		}
	}
	t.Errorf("no step with status %s and %q among\n%s", status, message, r.text())
}

func (r report) text() string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%+v\n", f)
	}
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "%+v\n", s)
	}
	return b.String()
}

func caFile(t *testing.T, a *pki.Authority) string { return writeFile(t, "ca.pem", a.PEM) }

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", filepath.Base(path), got, want)
	}
}
