package serve_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// What is not run here, Envoy's and APISIX's files, is read at least, and says the same as nginx's.
func TestExamplesAreReadAndAgree(t *testing.T) {
	for name, has := range map[string][]string{
		"nginx.conf":  {"hash $replica_of consistent;", "X-Gateway-Secret change-me;", "X-Consumer-Username $consumer;"},
		"envoy.yaml":  {"lb_policy: RING_HASH", "{header_name: idempotency-key}", "{key: X-Gateway-Secret, value: change-me}"},
		"apisix.yaml": {"type: chash", "key: idempotency-key", "X-Gateway-Secret: ${{GATEWAY_SECRET}}", "key-auth"},
		"apisix.sh":   {`type: "chash"`, `key: "idempotency-key"`, `"X-Gateway-Secret": env.GATEWAY_SECRET`, `"key-auth"`},
	} {
		text, err := os.ReadFile(filepath.Join(examples, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, new(any)); err != nil && strings.HasSuffix(name, ".yaml") {
			t.Errorf("%s: %v", name, err)
		}
		for _, part := range append(has, "8081", "8082") {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s has no %s", name, part)
			}
		}
		if m := regexp.MustCompile(`:80(8[^12]|[^80]\d)\b`).FindString(string(text)); m != "" {
			t.Errorf("%s has %s, which no replica has", name, m)
		}
	}
}

// The routes in the ConfigMap of examples/kubernetes are served, with the flags of its Deployment.
func TestRoutesOfTheConfigMapAreServed(t *testing.T) {
	text, err := os.ReadFile("../../examples/kubernetes/serve/configmap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Data map[string]string }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"routes.yaml": file.Data["routes.yaml"], "kafka/gateway": "x", "kafka/username": "u", "kafka/password": "p"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"deployment.yaml", "statefulset.yaml"} {
		text, err := os.ReadFile(filepath.Join("../../examples/kubernetes/serve", name))
		if err != nil {
			t.Fatal(err)
		}
		args, env := []string{"serve"}, []string{}
		here := strings.NewReplacer("/etc/kafkaupstream", dir, "/run/secrets", dir, "/var/lib/kafkaupstream", filepath.Join(dir, "volume"),
			"0.0.0.0:8080", program.FreeAddress(t), "0.0.0.0:9190", program.FreeAddress(t))
		for _, m := range regexp.MustCompile(`(?m)^ +- (-\S+)$`).FindAllStringSubmatch(string(text), -1) {
			args = append(args, here.Replace(m[1]))
		}
		for _, m := range regexp.MustCompile(`(?m)^ +- \{name: (KAFKAUPSTREAM_\w+), value: "?([^"}]+)"?\}$`).FindAllStringSubmatch(string(text), -1) {
			env = append(env, m[1]+"="+here.Replace(m[2]))
		}
		p := program.Start(t, binary, program.Options{Args: append(args, "--secrets-dir", dir, "--leave-timeout", "0"), Env: env})
		program.Until(t, "it serves", func() bool { return p.Ended() || strings.Contains(p.Stderr.String(), "kafkaupstream serves") })
		p.Signal(syscall.SIGINT)
		if code := p.Exit(); code != 0 {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
}
