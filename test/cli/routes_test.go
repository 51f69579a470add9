package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/devtest"
)

// example is a section of docs/routes.md: a configuration, commands, and what they
// print followed by the records that dev shows. … in it stands for anything.
type example struct {
	title, conf, commands, want string
}

func examples(t *testing.T, path string) (found []example) {
	t.Helper()
	for _, b := range devtest.Document(t, path) {
		switch b.Language {
		case "json":
			found = append(found, example{title: b.Section, conf: b.Text})
		case "sh":
			found[len(found)-1].commands = b.Text
		case "":
			found[len(found)-1].want = b.Text
		}
	}
	return found
}

func TestExamplesOfRoutesMdDoWhatTheySay(t *testing.T) {
	all := examples(t, "../../docs/routes.md")
	if len(all) < 8 {
		t.Fatalf("%d examples", len(all))
	}
	for _, e := range all {
		t.Run(strings.ReplaceAll(e.title, " ", "_"), func(t *testing.T) {
			conf := filepath.Join(t.TempDir(), "route.json")
			if err := os.WriteFile(conf, []byte(e.conf), 0o600); err != nil {
				t.Fatal(err)
			}
			d := startDev(t, "-f", conf)
			commands := strings.ReplaceAll(e.commands, "http://127.0.0.1:9080", d.URL)
			var got strings.Builder
			for _, command := range strings.Split(commands, "\n") {
				p, code := program.Run(t, "/bin/bash", program.Options{Args: []string{"-c", command}})
				if code != 0 {
					t.Fatalf("%s: exit code %d\n%s", command, code, p.Stderr)
				}
				got.WriteString(p.Stdout.String())
			}
			replies, records, _ := strings.Cut(e.want, "\nrecord ")
			matches(t, replies, strings.TrimSpace(got.String()))
			if records == "" {
				return
			}
			want := strings.Split("record "+records, "\n")
			var shown []string
			program.Until(t, "dev shows the records", func() bool {
				shown = nil
				for _, line := range d.Stdout.Lines() {
					if strings.HasPrefix(line, "record ") {
						shown = append(shown, line)
					}
				}
				return len(shown) >= len(want) || d.Ended()
			})
			for _, line := range want {
				found := false
				for _, s := range shown {
					found = found || pattern(line).MatchString(s)
				}
				if !found {
					t.Errorf("dev shows\n%s\nand not\n%s", strings.Join(shown, "\n"), line)
				}
			}
			if len(shown) != len(want) {
				t.Errorf("dev shows %d records, want %d", len(shown), len(want))
			}
		})
	}
}

func pattern(want string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(want), "…", "[^,} ]*") + "$")
}

func matches(t *testing.T, want, got string) {
	t.Helper()
	if !pattern(want).MatchString(got) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The configurations that have most to do with which requests a route takes, beside those of docs/routes.md.
var choosy = []string{
	`{"config":{},"topic":"t","envelope":"http"}`,
	`{"config":{},"topic":"t","envelope":"opal"}`,
	`{"config":{},"topic":"t","envelope":"oslo","topics":["t.*"],"overrides":["topic","key"]}`,
	`{"config":{},"topic":"t","key_schema":{"inline":{"type":"integer"}}}`,
	`{"config":{},"topic":"t","schema":{"inline":{"required":["no"]}}}`,
	`{"config":{},"topic":"$arg_t","topics":["orders.*"]}`,
	`{"config":{},"topics":["ledger.*"],"batch":true}`,
	`{"config":{},"topic":"t","idempotency":{"scope":"consumer"}}`,
	`{"config":{},"topic":"t","idempotency":{"required":true}}`,
	`{"config":{},"topic":"t","batch":true,"tombstone_on_delete":true,"idempotency":{},"require":["json","key"]}`,
	`{"config":{},"topic":"t","cloudevents":true,"require":["key"]}`,
}

// A preset's number is what its request is answered. One without a number says nothing.
func TestPresetsOfTheConsoleSayWhatTheyAreAnswered(t *testing.T) {
	t.Parallel()
	confs := choosy
	for _, e := range examples(t, "../../docs/routes.md") {
		confs = append(confs, e.conf)
	}
	var routes []map[string]any
	for i, conf := range confs {
		route := map[string]any{}
		if err := json.Unmarshal([]byte(conf), &route); err != nil {
			t.Fatal(err)
		}
		route["id"] = fmt.Sprintf("r%d", i)
		route["match"] = map[string]string{"path": fmt.Sprintf("/r%d/*", i)}
		routes = append(routes, route)
	}
	file := filepath.Join(t.TempDir(), "routes.json")
	text, err := json.Marshal(map[string]any{"routes": routes})
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	d := startDev(t, "-f", file, "--front", "http")
	var shown struct {
		Routes []struct {
			Presets []struct {
				Name, Method, Path, Body string
				Headers                  [][2]string
				Status                   int
			}
		}
	}
	if err := json.Unmarshal([]byte(program.Send(t, "GET", d.Console+"routes", "").Body), &shown); err != nil || len(shown.Routes) != len(confs) {
		t.Fatalf("%v: %d routes", err, len(shown.Routes))
	}
	for i, r := range shown.Routes {
		for _, p := range r.Presets {
			var headers []string
			for _, h := range p.Headers {
				headers = append(headers, h[0], h[1])
			}
			if got := program.Send(t, p.Method, d.URL+p.Path, p.Body, headers...); p.Status != 0 && p.Status != got.Status {
				t.Errorf("%s\n%s: it says %d, the answer is %d %s", confs[i], p.Name, p.Status, got.Status, got.Body)
			}
		}
	}
}
