package cli_test

import (
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
