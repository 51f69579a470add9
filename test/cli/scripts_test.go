// Package cli_test runs the scripts of scripts/ as a user does, against the built
// `kafkaupstream dev`. They need bash, curl, jq and kcat.
package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/devtest"
)

var binary string

func TestMain(m *testing.M) {
	for _, tool := range []string{"bash", "curl", "jq", "kcat", "promtool"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(os.Stderr, "the tests need %s, which is not installed\n", tool)
			os.Exit(1)
		}
	}
	os.Exit(program.Main(m, &binary, "../../cmd/kafkaupstream"))
}

// dev is a gateway with its broker.
type dev struct{ *devtest.Gateway }

func startDev(t *testing.T, args ...string) *dev {
	t.Helper()
	return &dev{devtest.Start(t, binary, program.Options{Args: args})}
}

// run runs a script from a folder of its own. All settings are given, so that a
// tester's .env beside the scripts decides nothing.
func (d *dev) run(t *testing.T, script, stdin string, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	scripts, err := filepath.Abs("../../scripts")
	if err != nil {
		t.Fatal(err)
	}
	p, code := program.Run(t, filepath.Join(scripts, script), program.Options{
		Args: args, Dir: t.TempDir(), Stdin: strings.NewReader(stdin),
		Env: append([]string{
			"GATEWAY_URL=" + d.URL, "ADMIN_URL=" + d.URL, "ADMIN_KEY=", "KAFKA_BROKERS=", "KCAT_BROKERS=" + d.Broker,
			"KAFKA_TOPIC=kafkaupstream", "KAFKA_SECURITY_PROTOCOL=", "KAFKA_SASL_MECHANISM=", "KAFKA_USERNAME=", "KAFKA_PASSWORD=",
			"PLUGIN_PHASE=ext-plugin-post-req",
		}, env...),
	})
	return p.Stdout.String(), p.Stderr.String(), code
}

// mustRun runs a script that must succeed and returns what it prints.
func (d *dev) mustRun(t *testing.T, script string, args ...string) string {
	t.Helper()
	stdout, stderr, code := d.run(t, script, "", nil, args...)
	if code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", script, code, stdout, stderr)
	}
	return stdout
}

// kcat is what kcat.sh prints of a topic, as soon as that has the text.
func (d *dev) kcat(t *testing.T, topic, text string) (printed string) {
	t.Helper()
	program.Until(t, fmt.Sprintf("kcat.sh prints %q", text), func() bool {
		printed = d.mustRun(t, "kcat.sh", topic)
		return strings.Contains(printed, text)
	})
	return printed
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("it lacks %q:\n%s", part, text)
		}
	}
}

// glossary is scripts/glossary.json without white space, which is the record.
func glossary(t *testing.T) (compact, division string) {
	t.Helper()
	jq := func(path string) string {
		out, err := exec.Command("jq", "-c", path, "../../scripts/glossary.json").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	return jq("."), jq(".glossary.GlossDiv")
}

func TestScripts(t *testing.T) {
	d := startDev(t)
	value, division := glossary(t)
	const queued = "HTTP 200\n" + `{"code":200,"message":"queued for Kafka","delivered":"unknown"}` + "\n"

	printed := d.mustRun(t, "upstream_create.sh")
	contains(t, printed, "HTTP 201: POST "+d.URL+"/kafkaupstream produces to kafkaupstream (ext-plugin-post-req)")
	printed = d.mustRun(t, "upstream_create.sh")
	contains(t, printed, "HTTP 200: ") // replaced

	cases := []struct {
		script string
		args   []string
		prints string
		topic  string   // "": nothing is produced
		record []string // what kcat.sh prints of it
	}{
		{"upstream_request.sh", nil, queued, "kafkaupstream", []string{"key=S  headers=", value}},
		{"upstream_request_fail.sh", nil, "HTTP 400\n" + `{"code":400,"message":"`, "", nil},
		{"upstream_request_header_key.sh", nil, queued, "kafkaupstream", []string{"key=my-key  ", value}},
		{"upstream_request_header_key.sh", []string{"one two"}, queued, "kafkaupstream", []string{"key=one two  ", value}},
		{"upstream_request_header_topic.sh", nil, queued, "kafkaupstream-other", []string{"kafkaupstream-other [", "key=S  ", value}},
		{"upstream_request_header_topic.sh", []string{"third"}, queued, "third", []string{"third [", "] at 0  key=S  ", value}},
		{"upstream_request_key_object.sh", nil, queued, "kafkaupstream", []string{"key=" + division + "  ", value}},
	}
	produced := 0
	for _, c := range cases {
		t.Run(strings.Join(append([]string{c.script}, c.args...), " "), func(t *testing.T) {
			contains(t, d.mustRun(t, c.script, c.args...), c.prints)
			if c.topic == "" {
				return
			}
			if c.topic == "kafkaupstream" {
				produced++
			}
			contains(t, d.kcat(t, c.topic, c.record[0]), c.record...)
		})
	}

	t.Run("no script has produced more than that", func(t *testing.T) {
		if got := strings.Count(d.mustRun(t, "kcat.sh"), "kafkaupstream ["); got != produced {
			t.Errorf("%d records, want %d", got, produced)
		}
	})
	t.Run("the route of upstream_request_key_object.sh is deleted", func(t *testing.T) {
		for id, want := range map[string]int{"kafkaupstream": 200, "kafkaupstream-key-object": 404} {
			if got := program.Send(t, "GET", d.URL+"/apisix/admin/routes/"+id, ""); got.Status != want {
				t.Errorf("%s: %d, want %d", id, got.Status, want)
			}
		}
	})
	t.Run("kcat.sh lists topics, and produces lines", func(t *testing.T) {
		contains(t, d.mustRun(t, "kcat.sh", "list"), `topic "kafkaupstream-other"`, d.Broker)
		if _, stderr, code := d.run(t, "kcat.sh", "one\ntwo\n", nil, "produce", "lines"); code != 0 {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		contains(t, d.kcat(t, "lines", "\ntwo\n"), "\none\n", "key=NULL")
	})
	t.Run("kcat.sh takes the brokers from its arguments too", func(t *testing.T) {
		for _, args := range [][]string{{"-b", d.Broker, "third"}, {d.Broker, "consume", "third"}} {
			stdout, stderr, code := d.run(t, "kcat.sh", "", []string{"KCAT_BROKERS="}, args...)
			if code != 0 || !strings.Contains(stdout, value) {
				t.Errorf("%q: exit code %d\n%s%s", args, code, stdout, stderr)
			}
		}
	})
	t.Run("dev has shown each record and said nothing else", func(t *testing.T) {
		contains(t, d.Stdout.String(), "record third partition=", "key=my-key value="+value)
		if s := d.Stderr.String(); s != "" {
			t.Errorf("stderr: %s", s)
		}
	})
}

func TestScriptsTellWhatIsWrong(t *testing.T) {
	d := startDev(t)
	const nobody = "http://127.0.0.1:1"
	cases := []struct {
		name   string
		script string
		args   []string
		env    []string
		code   int
		stderr string
	}{
		{"nobody listens at the Admin API's address", "upstream_create.sh", nil, []string{"ADMIN_URL=" + nobody}, 1,
			"upstream_create.sh: no answer from " + nobody + "/apisix/admin/routes/kafkaupstream"},
		{"the Admin API refuses the route", "upstream_create.sh", nil, []string{"ADMIN_URL=" + d.URL + "/apisix/admin/nothing"}, 1,
			"upstream_create.sh: the Admin API refused the route: HTTP 404 Unsupported resource type"},
		{"what answers there 200 is not the Admin API", "upstream_create.sh", nil, []string{"ADMIN_URL=" + d.URL + "/elsewhere"}, 1,
			"upstream_create.sh: what answers at " + d.URL + "/elsewhere is not the Admin API"},
		{"the plugin's phase is not one of APISIX's", "upstream_create.sh", nil, []string{"PLUGIN_PHASE=ext-plugin-never"}, 1,
			"PLUGIN_PHASE is ext-plugin-never, neither ext-plugin-pre-req nor ext-plugin-post-req"},
		{"nobody listens at the gateway's address", "upstream_request.sh", nil, []string{"GATEWAY_URL=" + nobody}, 1,
			"upstream_request.sh: no answer from " + nobody + "/kafkaupstream"},
		{"the answer is another than 200", "upstream_request_header_topic.sh", []string{"no topic"}, nil, 1, "expected HTTP 200, got 400"},
		{"kcat.sh has no brokers", "kcat.sh", nil, []string{"KCAT_BROKERS="}, 1, "kcat.sh: no brokers: set KAFKA_BROKERS in .env"},
		{"an unknown argument of upstream_create.sh", "upstream_create.sh", []string{"--dry"}, nil, 2, "unknown argument --dry\n\nUsage: upstream_create.sh [--print]"},
		{"an unknown argument of kcat.sh", "kcat.sh", []string{"consume", "t", "u"}, nil, 2, "unknown argument u\n\nUsage: kcat.sh"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, code := d.run(t, c.script, "", c.env, c.args...)
			if code != c.code || !strings.Contains(stderr, c.stderr) {
				t.Errorf("exit code %d, want %d; stderr %q, want %q; stdout %q", code, c.code, stderr, c.stderr, stdout)
			}
		})
	}
	t.Run("a request that ought to fail and does not", func(t *testing.T) {
		lax := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) // takes everything
		defer lax.Close()
		stdout, stderr, code := d.run(t, "upstream_request_fail.sh", "", []string{"GATEWAY_URL=" + lax.URL})
		if code != 1 || !strings.Contains(stderr, "expected HTTP 400, got 200") {
			t.Errorf("exit code %d, stderr %q, stdout %q", code, stderr, stdout)
		}
	})
}

func TestConfigurationThatIsCreatedCanBeSeen(t *testing.T) {
	d := &dev{&devtest.Gateway{URL: "http://127.0.0.1:1"}} // nothing is sent
	cases := []struct {
		name   string
		env    []string
		config map[string]any
		topic  string
	}{
		{"settings that are empty are left out", nil, map[string]any{"acks": "all"}, "kafkaupstream"},
		{"a user name brings the properties of a login",
			[]string{"KAFKA_BROKERS=b:1,c:2", "KAFKA_USERNAME=me", `KAFKA_PASSWORD=p"$\x`, "KAFKA_TOPIC=orders"},
			map[string]any{"acks": "all", "bootstrap.servers": "b:1,c:2", "security.protocol": "SASL_SSL", "sasl.mechanisms": "PLAIN",
				"sasl.username": "me", "sasl.password": `p"$\x`}, "orders"},
		{"a password without a user name is of no use", []string{"KAFKA_PASSWORD=secret"}, map[string]any{"acks": "all"}, "kafkaupstream"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, code := d.run(t, "upstream_create.sh", "", c.env, "--print")
			var got struct {
				Config map[string]any
				Topic  string
			}
			if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 || stderr != "" {
				t.Fatalf("%v, exit code %d, stderr %q:\n%s", err, code, stderr, stdout)
			}
			if fmt.Sprint(got.Config) != fmt.Sprint(c.config) || got.Topic != c.topic {
				t.Errorf("got %+v, want %v, topic %s", got, c.config, c.topic)
			}
		})
	}
}
