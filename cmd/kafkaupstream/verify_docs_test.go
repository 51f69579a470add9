package main

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/verify"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

func verifyDocs(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestVerifyDocsNameEachFlagAndEachMember(t *testing.T) {
	text := verifyDocs(t)
	env, stdout, _ := fakeProcess(nil, "-h")
	if _, err := readVerifyOptions(env); err != flag.ErrHelp {
		t.Fatal(err)
	}
	flags := regexp.MustCompile(`(?m)^  --([a-z-]+)`).FindAllStringSubmatch(stdout.String(), -1)
	if len(flags) < 10 {
		t.Errorf("flags %q", flags)
	}
	for _, f := range flags {
		if !strings.Contains(text, "`--"+f[1]+"`") && !strings.Contains(text, "[--"+f[1]+" ") {
			t.Errorf("--%s is not in docs/verify.md", f[1])
		}
	}
	var members map[string]any
	object, _ := json.Marshal(verify.Report{})
	if err := json.Unmarshal(object, &members); err != nil {
		t.Fatal(err)
	}
	for name := range members {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the member %s is not in docs/verify.md", name)
		}
	}
}

// The commands of docs/verify.md can be given, and the first one runs as it stands there.
func TestVerifyDocsCommandsRun(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	if got := program.Send(t, "POST", d.URL+"/", "the first record makes the topic"); got.Status != 200 {
		t.Fatalf("%+v", got)
	}
	properties := filepath.Join(t.TempDir(), "client.properties")
	if err := os.WriteFile(properties, []byte("security.protocol=ssl\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^kafkaupstream verify --url http.*`).FindAllString(verifyDocs(t), -1)
	if len(lines) != 4 {
		t.Errorf("%d commands", len(lines))
	}
	for n, line := range lines {
		line = strings.NewReplacer("http://127.0.0.1:9080", d.URL, "BROKER", d.Broker, "client.properties", properties).Replace(line)
		words, err := exec.Command("sh", "-c", "kafkaupstream() { printf '%s\\n' \"$@\"; }\n"+line).Output()
		if err != nil {
			t.Fatal(err)
		}
		args := strings.Split(strings.TrimSuffix(string(words), "\n"), "\n")
		env, _, stderr := fakeProcess(nil, args[1:]...)
		if _, err := readVerifyOptions(env); err != nil {
			t.Errorf("%s: %v %s", line, err, stderr)
		}
		if n > 0 {
			continue
		}
		p, code := program.Run(t, binary, program.Options{Args: args})
		if out := p.Stdout.String(); code != 0 || !strings.Contains(out, "promised     2000: 2000 acknowledged, 0 on disk (202), 0 queued, 0 with") ||
			strings.Contains(out, "without a key") {
			t.Errorf("exit code %d: %s%s", code, out, p.Stderr)
		}
	}
}
