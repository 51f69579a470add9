package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

const (
	operationsMd = "../../docs/operations.md"
	prometheus   = "../../examples/prometheus"
)

// exposition is what /metrics has: of each metric, its labels and their values.
type exposition map[string]map[string]values

// values are those that a label has; nil: any, as the scrape or the configuration decides.
type values map[string]bool

// scrape starts a runner of which every metric has a series, and reads them.
func scrape(t *testing.T) (metrics exposition, text string) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	dir, err := os.MkdirTemp("", "t") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	address, socket := program.FreeAddress(t), filepath.Join(dir, "r.sock")
	p := program.Start(t, binary, program.Options{
		Args: []string{"run", "--admin", address, "--spool-dir", filepath.Join(dir, "spool")},
		Env:  []string{"APISIX_LISTEN_ADDRESS=unix:" + socket, "KAFKAUPSTREAM_SUPERVISE=false", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"},
	})
	program.Until(t, "the runner serves", func() bool {
		got, err := program.Try("GET", "http://"+address+"/readyz", "")
		return p.Ended() || err == nil && got.Status == 200
	})
	client := gateway.NewClient(socket, gateway.ClientOptions{})
	t.Cleanup(func() { client.Close() })
	conf := fmt.Sprintf(`{"config":{"bootstrap.servers":%q,"statistics.interval.ms":50},"topic":"t","delivery":"sync"}`, cluster.ListenAddrs()[0])
	token, err := client.PrepareConf(context.Background(), "r", []gateway.ConfEntry{{Name: "kafkaupstream", Value: conf}})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := client.Call(context.Background(), token, &gateway.Request{Method: "POST", Path: "/", Body: func() ([]byte, error) { return []byte("v"), nil }})
	if err != nil || reply.Status != 200 {
		t.Fatalf("%+v, %v", reply, err)
	}
	program.Until(t, "librdkafka's statistics are there", func() bool {
		text = program.Send(t, "GET", "http://"+address+"/metrics", "").Body
		return strings.Contains(text, "\nkafkaupstream_broker_round_trip_p99_seconds{")
	})
	metrics = exposition{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+)`).FindAllStringSubmatch(text, -1) {
		metrics[m[1]] = map[string]values{"instance": nil, "job": nil} // of every scrape
	}
	for _, m := range regexp.MustCompile(`(?m)^([a-z_0-9]+)\{(.*)\} `).FindAllStringSubmatch(text, -1) {
		labels := metrics[metrics.base(m[1])]
		for _, l := range regexp.MustCompile(`([a-z_]+)="([^"]*)"`).FindAllStringSubmatch(m[2], -1) {
			if labels[l[1]] == nil {
				labels[l[1]] = values{}
			}
			labels[l[1]][l[2]] = true
		}
	}
	return metrics, text
}

// base is the metric to which a series' name belongs, "" where there is none.
func (e exposition) base(name string) string {
	for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && e[base] != nil {
			return base
		}
	}
	return ""
}

// check reports names, labels and their values in an expression that the exposition does
// not have.
func (e exposition) check(t *testing.T, where, expr string) {
	t.Helper()
	selectors := regexp.MustCompile(`\b((?:kafkaupstream|go|process)_[a-z0-9_]+|up\b)(?:\{([^}]*)\})?`).FindAllStringSubmatch(expr, -1)
	if len(selectors) == 0 {
		t.Errorf("%s names no metric: %s", where, expr)
	}
	labels := map[string]values{"le": nil}
	for _, s := range selectors {
		if s[1] == "up" {
			continue
		}
		base := e.base(s[1])
		if base == "" {
			t.Errorf("%s: there is no metric %s", where, s[1])
			continue
		}
		maps.Copy(labels, e[base])
		for _, l := range regexp.MustCompile(`([a-z_]+)\s*[=!]~?\s*"([^"]*)"`).FindAllStringSubmatch(s[2], -1) {
			has, ok := e[base][l[1]]
			if !ok {
				t.Errorf("%s: %s has no label %s", where, s[1], l[1])
			}
			for value := range strings.SplitSeq(l[2], "|") {
				if ok && has != nil && !has.match(value) {
					t.Errorf("%s: the label %s of %s is never %s", where, l[1], s[1], value)
				}
			}
		}
	}
	for _, by := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
		for l := range strings.SplitSeq(by[1], ",") {
			if _, ok := labels[strings.TrimSpace(l)]; !ok {
				t.Errorf("%s: nothing has a label %s", where, l)
			}
		}
	}
}

// match reports whether one of the values is as the pattern says.
func (v values) match(pattern string) bool {
	whole := regexp.MustCompile("^(?:" + pattern + ")$")
	for value := range v {
		if whole.MatchString(value) {
			return true
		}
	}
	return false
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

func TestMetricsDocumentsRulesAndDashboardAgree(t *testing.T) {
	metrics, text := scrape(t)

	t.Run("operations.md has every metric, and no other", func(t *testing.T) {
		own, told, rows := map[string]bool{}, map[string]bool{}, map[string]bool{}
		for name := range metrics {
			if strings.HasPrefix(name, "kafkaupstream_") {
				own[name] = true
			}
		}
		doc := read(t, operationsMd)
		for _, m := range regexp.MustCompile(`kafkaupstream_[a-z0-9_]+`).FindAllString(doc, -1) {
			told[m] = true
		}
		for _, m := range regexp.MustCompile("(?m)^\\| `(kafkaupstream_[a-z0-9_]+)` \\|").FindAllStringSubmatch(doc, -1) {
			if rows[m[1]] {
				t.Errorf("%s has two rows", m[1])
			}
			rows[m[1]] = true
		}
		if !maps.Equal(own, told) || !maps.Equal(own, rows) {
			t.Errorf("/metrics has\n%q\noperations.md names\n%q\nand has rows for\n%q", sorted(own), sorted(told), sorted(rows))
		}
	})
	t.Run("promtool finds nothing wrong with them", func(t *testing.T) {
		if p, code := promtool(t, text, "check", "metrics"); code != 0 {
			t.Errorf("%s%s", p.Stdout, p.Stderr)
		}
	})
	t.Run("the rules name what there is", func(t *testing.T) {
		for i, m := range regexp.MustCompile(`(?m)^ +expr: (?:>-\n +)?(.*)$`).FindAllStringSubmatch(read(t, prometheus+"/kafkaupstream.rules.yml"), -1) {
			metrics.check(t, fmt.Sprintf("rule %d", i+1), m[1])
		}
	})
	t.Run("the dashboard names what there is, and shows everything", func(t *testing.T) {
		var dashboard struct {
			Panels []struct {
				Title   string
				Type    string
				Targets []struct{ Expr string }
			}
		}
		text := read(t, prometheus+"/dashboard.json")
		if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
			t.Fatal(err)
		}
		for _, p := range dashboard.Panels {
			for _, target := range p.Targets {
				metrics.check(t, p.Title, target.Expr)
			}
		}
		for name := range metrics {
			if strings.HasPrefix(name, "kafkaupstream_") && !strings.Contains(text, name) {
				t.Errorf("%s is not shown", name)
			}
		}
	})
}

// promtool runs Prometheus' tool on the examples.
func promtool(t *testing.T, stdin string, args ...string) (*program.Process, int) {
	t.Helper()
	return program.Run(t, "promtool", program.Options{Args: args, Dir: prometheus, Stdin: strings.NewReader(stdin)})
}

func TestAlertsFireWhenTheyShould(t *testing.T) {
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"test", "rules", "kafkaupstream.rules.test.yml"}} {
		if p, code := promtool(t, "", args...); code != 0 {
			t.Errorf("promtool %q:\n%s%s", args, p.Stdout, p.Stderr)
		}
	}
	rules, tests, doc := read(t, prometheus+"/kafkaupstream.rules.yml"), read(t, prometheus+"/kafkaupstream.rules.test.yml"), read(t, operationsMd)
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(rules, -1)
	if len(alerts) == 0 {
		t.Error("there are no alerts")
	}
	for _, a := range alerts {
		for _, name := range []string{a[1] + " fires", a[1] + " is quiet"} {
			if !strings.Contains(tests, "- name: "+name+"\n") {
				t.Errorf("no test is called %s", name)
			}
		}
		if !strings.Contains(doc, "| `"+a[1]+"` |") {
			t.Errorf("operations.md does not say what to do about %s", a[1])
		}
	}
	if n := strings.Count(doc, "| `Kafkaupstream"); n != len(alerts) {
		t.Errorf("operations.md has %d alerts, there are %d", n, len(alerts))
	}
}
