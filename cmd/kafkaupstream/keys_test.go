package main

import (
	"cmp"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

var update = flag.Bool("update", false, "write the tables of docs/configuration.md, and docs/recording.svg")

func TestKeysAreAllPrintedAndOneWithItsExample(t *testing.T) {
	code, all, _ := runHere(nil, "keys")
	for _, k := range routeconf.Keys() {
		if !strings.Contains(all, "\n  "+k.Name+"  ") {
			t.Errorf("%s is not in\n%s", k.Name, all)
		}
		_, one, _ := runHere(nil, "keys", k.Name)
		if !strings.Contains(one, k.Example) || !strings.HasPrefix(one, "\n  "+k.Name+"  ") {
			t.Errorf("%s: %s", k.Name, one)
		}
		for _, below := range k.Below {
			name := k.Name + "." + below.Name
			if !strings.Contains(one, "\n  "+name+"  ") {
				t.Errorf("%s is not in\n%s", name, one)
			}
			if _, alone, _ := runHere(nil, "keys", name); !strings.HasPrefix(alone, "\n  "+name+"  ") || !strings.Contains(alone, below.Example) {
				t.Errorf("%s: %s", name, alone)
			}
		}
	}
	if code != exitOK {
		t.Errorf("exit code %d", code)
	}
	for args, want := range map[string]string{
		"keys jsonkye":      "kafkaupstream keys: there is no key \"jsonkye\"; did you mean \"jsonkey\"?\n",
		"keys nosuch":       "kafkaupstream keys: there is no key \"nosuch\"\n",
		"keys schema.x":     "kafkaupstream keys: there is no key \"schema.x\"\n",
		"keys schema.inlin": "kafkaupstream keys: there is no key \"schema.inlin\"; did you mean \"schema.inline\"?\n",
		"keys topic key":    "kafkaupstream keys: unexpected argument \"key\"\n",
	} {
		if code, stdout, stderr := runHere(nil, strings.Fields(args)...); code != exitUsage || stdout != "" || stderr != want {
			t.Errorf("%s: exit code %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

// docs/configuration.md has the tables of the keys, of the producer's defaults and of run's flags, and no others:
// go test ./cmd/kafkaupstream -run Reference -update writes them anew.
func TestReferenceHasTheTablesOfTheProgram(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "configuration.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, table := range map[string]string{"keys": keysTable(), "defaults": defaultsTable(t), "flags": flagsTable(t)} {
		begin := "<!-- " + name + " -->\n"
		before, rest, found := strings.Cut(want, begin)
		_, after, ended := strings.Cut(rest, "<!-- end -->")
		if !found || !ended {
			t.Fatalf("no %q in %s", begin, path)
		}
		want = before + begin + "\n" + table + "\n<!-- end -->" + after
	}
	if want == string(text) {
		return
	}
	if !*update {
		t.Error("docs/configuration.md is older than the program: go test ./cmd/kafkaupstream -run Reference -update")
	} else if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Error(err)
	}
}

// row is a row of a table in Markdown.
func row(cells ...string) string {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// asCode marks what is typed.
func asCode(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func keysTable() string {
	b := row("key", "value", "default", "meaning, example") + row("---", "---", "---", "---")
	add := func(outer string, k routeconf.Key) {
		value := cmp.Or(k.Default, "none")
		if jsonLiteral(value) {
			value = asCode(value)
		}
		b += row(asCode(outer+k.Name), k.Value, value, k.Does+"<br>"+asCode(k.Example))
	}
	for _, k := range routeconf.Keys() {
		add("", k)
		for _, below := range k.Below {
			add(k.Name+".", below)
		}
	}
	return b
}

// jsonLiteral reports whether a default is a value as it stands in a configuration.
func jsonLiteral(text string) bool {
	return text == "true" || text == "false" || text != "" && strings.ContainsAny(text[:1], `"[{-0123456789`)
}

// defaultsTable has what the producer of a route without properties of its own gets, by the way of delivery.
func defaultsTable(t *testing.T) string {
	t.Helper()
	modes := []record.Mode{{}, {Delivery: record.Sync}, {Delivery: record.Durable}, {Transactional: true}}
	var all []kafkaconf.Properties
	names := map[string]bool{}
	for _, m := range modes {
		p, err := kafkaconf.Effective(kafkaconf.Properties{"bootstrap.servers": "kafka:9092"}, m)
		if err != nil {
			t.Fatal(err)
		}
		delete(p, "bootstrap.servers")
		all = append(all, p)
		for name := range p {
			names[name] = true
		}
	}
	b := row("property", "`async`", "`sync`", "`durable`", "`transactional`") + row("---", "---", "---", "---", "---")
	for _, name := range slices.Sorted(maps.Keys(names)) {
		cells := []string{asCode(name)}
		for _, p := range all {
			if v, ok := p[name]; ok {
				cells = append(cells, asCode(v))
			} else {
				cells = append(cells, "librdkafka's")
			}
		}
		b += row(cells...)
	}
	return b
}

func flagsTable(t *testing.T) string {
	t.Helper()
	env, _, _ := fakeProcess(nil)
	run, _ := named(commands(), "run")
	f := described(t.Context(), env, run)
	b := row("flag", "meaning") + row("---", "---")
	for _, listed := range f.bySection() {
		for _, one := range listed {
			typed, text := f.explained(one)
			b += row(asCode(typed), strings.TrimSuffix(text, " ["+variable(one.Name)+"]"))
		}
	}
	return b
}
