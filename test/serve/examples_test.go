package serve_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What is not run here, Envoy's and APISIX's files, is read at least, and says the same as nginx's.
func TestExamplesAreReadAndAgree(t *testing.T) {
	for name, has := range map[string][]string{
		"nginx.conf":  {"hash $replica_of consistent;", "X-Gateway-Secret change-me;", "X-Consumer-Username $consumer;"},
		"envoy.yaml":  {"lb_policy: RING_HASH", "{header_name: idempotency-key}", "{key: X-Gateway-Secret, value: change-me}"},
		"apisix.yaml": {"type: chash", "key: idempotency-key", "X-Gateway-Secret: ${{GATEWAY_SECRET}}", "key-auth"},
		"apisix.sh":   {`type: "chash"`, `key: "idempotency-key"`, `"X-Gateway-Secret": $secret`, `"key-auth"`},
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
