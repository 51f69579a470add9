package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// TestOfflineFindings has a document a case in testdata, and beside it what check
// prints of it.
func TestOfflineFindings(t *testing.T) {
	documents := append(must(filepath.Glob("testdata/*.json")), must(filepath.Glob("testdata/*.yaml"))...)
	if len(documents) < 10 {
		t.Fatalf("%d documents", len(documents))
	}
	for _, path := range documents {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			p, code := program.Run(t, binary, program.Options{Args: []string{"check", "--offline", "-f", path}})
			noSecrets(t, p)
			golden(t, path+".golden", fmt.Sprintf("%s%sexit code %d\n", p.Stdout, p.Stderr, code))
		})
	}
}

func TestExampleOfTheRegistryIsFine(t *testing.T) {
	const example = "../../examples/neighbours/registry/route.json"
	for _, args := range [][]string{{"check", "--offline", "-f", example}, {"route", "-f", example, "--uri", "/structures", "--id", "s"}} {
		p, code := program.Run(t, binary, program.Options{Args: args, Env: []string{"KAFKAUPSTREAM_SPOOL_DIR=/spool"}})
		if out := p.Stdout.String(); code != 0 || p.Stderr.String() != "" || args[0] == "check" && out != "no problem found\n" {
			t.Errorf("%v: exit code %d, %s%s", args, code, out, p.Stderr)
		}
	}
}

func TestDocumentFromStandardInput(t *testing.T) {
	p, code := program.Run(t, binary, program.Options{
		Args: []string{"check", "--offline", "-f", "-"}, Stdin: strings.NewReader(`{"config":{"bootstrap.servers":"k"},"topic":"a"}`),
	})
	if code != 0 || p.Stdout.String() != "no problem found\n" || p.Stderr.String() != "" {
		t.Errorf("exit code %d, %q, %q", code, p.Stdout, p.Stderr)
	}
}

func TestConfigurationThatHasProblemsIsNotTried(t *testing.T) {
	r := check(t, 1, "-f", "testdata/apisix.yaml")
	if len(r.Findings) == 0 || len(r.Steps) == 0 {
		t.Fatal(r.text())
	}
	configs := map[string]bool{}
	for _, s := range r.Steps {
		configs[s.Config] = true
		if s.Status != "skipped" || s.Message != "the configuration has problems" {
			t.Errorf("%+v", s)
		}
	}
	if len(configs) != 2 || !configs["routes[0].plugins.ext-plugin-post-req.conf[0].value"] {
		t.Errorf("the steps are of %v", configs)
	}
}

func TestWrongUsage(t *testing.T) {
	conf := writeFile(t, "route.json", `{"config":{"bootstrap.servers":"k"},"topic":"$arg_topic"}`)
	for args, want := range map[string]string{
		"check":                                     "-f names the file to check",
		"check -f " + conf + " --large":             "--topic names where",
		"check -f " + conf + " --transactions":      "--topic names where",
		"check -f " + conf + " --offline --topic a": "--offline connects to nothing",
		"check -f " + conf + " --timeout 0s":        "--timeout is more than 0",
		"check -f " + conf + " more":                `unexpected argument "more"`,
		"route":                                     "-f names the configuration's file",
		"route -f " + conf:                          "the topic depends on the request: --uri and --id have no default",
		"route -f " + conf + " --uri /a --id a/b":   `property "id" validation failed`,
		"route -f " + conf + " --uri a --id a":      `property "uri" validation failed`,
		"route -f " + conf + " --phase access":      "--phase is post-req or pre-req",
		"route -f " + conf + " --yaml --curl":       "either --yaml or --curl",
	} {
		p, code := program.Run(t, binary, program.Options{Args: strings.Fields(args)})
		if code != 2 || p.Stdout.String() != "" || !strings.Contains(p.Stderr.String(), want) {
			t.Errorf("%s: exit code %d, %q, %q", args, code, p.Stdout, p.Stderr)
		}
	}
	for _, command := range []string{"check", "route"} {
		p, code := program.Run(t, binary, program.Options{Args: []string{command, "-f", "/no/such/file"}})
		if code != 1 || !strings.Contains(p.Stderr.String(), "/no/such/file: no such file or directory") {
			t.Errorf("%s: exit code %d, %q", command, code, p.Stderr)
		}
	}
	big := writeFile(t, "big.json", "{"+strings.Repeat(" ", 9<<20)+"}")
	if p, code := program.Run(t, binary, program.Options{Args: []string{"check", "--offline", "-f", big}}); code != 1 ||
		!strings.Contains(p.Stdout.String(), "it has more than 8388608 bytes") {
		t.Errorf("exit code %d, %q", code, p.Stdout)
	}
	if err := os.Remove(big); err != nil {
		t.Fatal(err)
	}
}
