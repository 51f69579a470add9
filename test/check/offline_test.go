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
		configs[s.Resource+": "+s.Config] = true
		if s.Status != "skipped" || s.Message != "the configuration has problems" {
			t.Errorf("%+v", s)
		}
	}
	if len(configs) != 2 || !configs["route /orders: routes[0].plugins.ext-plugin-post-req.conf[0].value"] {
		t.Errorf("the steps are of %v", configs)
	}
}

// TestReferencesOfAPISIXAreResolvedWhereTheEnvironmentHasThem has of standalone.yaml what
// TestOfflineFindings has skipped.
func TestReferencesOfAPISIXAreResolvedWhereTheEnvironmentHasThem(t *testing.T) {
	env := []string{
		"COMMENT=c", "METHOD=GET", "PLUGIN=say", "KAFKA_PASSWORD=" + alicePassword, "KAFKA_BROKERS=kafka:9092",
		`KAFKA_ORDERS={"config":{"bootstrap.servers":"kafka:9092"},"topic":"orders"}`,
		`KAFKA_CONFS={"jack":"{\"config\":{\"bootstrap.servers\":\"kafka:9092\"},\"topic\":\"jack\",\"timeout_ms\":0}"}`,
	}
	const shared, all = "plugin config shared", "global rule all"
	r := checkEnv(t, 1, env, "--offline", "--secrets-env", "*", "-f", "testdata/standalone.yaml")
	said := map[string]string{}
	for _, f := range r.Findings {
		said[f.Resource+" "+f.Status] += f.Path[strings.LastIndex(f.Path, "]")+1:] + ": " + f.Message + "\n"
	}
	for where, want := range map[string]string{
		" note":                           `${{COMMENT}}, ${{METHOD}}, ${{KAFKA_ORDERS}}, ${{KAFKA_PASSWORD}}, ${{PLUGIN}}, ${{KAFKA_BROKERS}}: replaced by what the environment has here`,
		"route orders warning":            "GET produces nothing",
		"route clicks warning":            "runs before authentication",
		"route users problem":             `.value.config.linger.mss: librdkafka has no such property`,
		"service payments problem":        `.value.topik: unknown key; did you mean "topic"?`,
		shared + " skipped":               `it asks no secret manager; the configuration is not checked`,
		all + " problem":                  "expected $secret://MANAGER/ID/KEY",
		"consumer jack note":              `"$ENV://KAFKA_CONFS/jack" is a reference that APISIX resolves: what it stands for here is checked`,
		"consumer jack problem":           ".value.timeout_ms: expected an integer from 1 to 55000, got 0",
		"consumer group partners problem": "only where the whole value is one",
	} {
		if !strings.Contains(said[where], want) {
			t.Errorf("%s: %q", where, said[where])
		}
	}
	for _, where := range []string{" skipped", "route orders skipped", "route clicks skipped", "route users skipped"} {
		if said[where] != "" {
			t.Errorf("%s: %q", where, said[where])
		}
	}
}

func TestSkippedConfigurationIsNoProblemAndNotTried(t *testing.T) {
	const document = `{"id":"orders","uri":"/a","plugins":{"ext-plugin-post-req":{"conf":[{"name":"kafkaupstream","value":"$env://KAFKA_ORDERS"}]}}}`
	path := writeFile(t, "route.json", document)
	r := check(t, 0, "-f", path)
	if len(r.Findings) != 1 || r.Findings[0].Status != "skipped" || r.Findings[0].Resource != "route orders" || len(r.Steps) != 0 {
		t.Errorf("%+v", r)
	}
	p, code := program.Run(t, binary, program.Options{Args: []string{"check", "-f", path}})
	if code != 0 || !strings.HasSuffix(p.Stdout.String(), "\nno problem found, 1 skipped\n") {
		t.Errorf("exit code %d, %s", code, p.Stdout)
	}
	r = checkEnv(t, 1, []string{`KAFKA_ORDERS={"config":{"bootstrap.servers":"127.0.0.1:1"},"topic":"a"}`}, "-f", path, "--timeout", "5s")
	r.has(t, "connect", "problem", "connection refused")
}

func TestWrongUsage(t *testing.T) {
	conf := writeFile(t, "route.json", `{"config":{"bootstrap.servers":"k"},"topic":"$arg_topic"}`)
	for args, want := range map[string]string{
		"check":                                          "-f names the file to check",
		"check -f " + conf + " --large":                  "--topic names where",
		"check -f " + conf + " --transactions":           "--topic names where",
		"check -f " + conf + " --offline --topic a":      "--offline connects to nothing",
		"check -f " + conf + " --timeout 0s":             "--timeout is more than 0",
		"check -f " + conf + " more":                     `unexpected argument "more"`,
		"check orders.json":                              `unexpected argument "orders.json"; -f names the file: check -f orders.json`,
		"dev orders.json":                                `unexpected argument "orders.json"; -f names the file: dev -f orders.json`,
		"route":                                          "-f names the configuration's file",
		"route -f testdata/open-route.json":              "kafkaupstream route: this is a route of APISIX already; -f names the plugin's configuration, which is the `value` in it\n",
		"route -f testdata/apisix.yaml":                  "kafkaupstream route: this is a route of APISIX already; ",
		"route -f " + conf:                               "the topic depends on the request: --uri and --id have no default",
		"route -f " + conf + " --uri /a --id a/b":        `kafkaupstream route: --id: `,
		"route -f " + conf + " --uri a --id a":           `kafkaupstream route: --uri: it does not begin with "/"`,
		"route -f " + conf + " --uri /a --id a --host ä": `kafkaupstream route: --host: `,
		"route -f " + conf + " --phase access":           "--phase is post-req or pre-req",
		"route -f " + conf + " --yaml --curl":            "one of --yaml, --curl and --output, which is json, yaml, curl or k8s",
		"route -f " + conf + " --output helm":            "one of --yaml, --curl and --output, which is json, yaml, curl or k8s",
		"route -f " + conf + " --output k8s --curl":      "one of --yaml, --curl and --output, which is json, yaml, curl or k8s",
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
