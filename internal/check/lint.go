package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/apisixroute"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

// Lint looks at a document: a plugin's configuration, or a route of APISIX around it.
// It connects to nothing.
func Lint(text []byte, limits routeconf.Limits) ([]Finding, []Config) {
	l := &linter{limits: limits}
	doc, err := apisixroute.Read(text)
	if err != nil {
		l.problem("", "%s", err)
		return l.findings, nil
	}
	if doc.Plugin {
		configs := []Config{{Route: l.config("", text)}}
		return l.findings, configs
	}
	return l.document(doc)
}

// LintConfig looks at a plugin's configuration alone. The route is nil when there is a
// problem in it.
func LintConfig(text []byte, limits routeconf.Limits) ([]Finding, *routeconf.Route) {
	l := &linter{limits: limits}
	route := l.config("", text)
	return l.findings, route
}

// document looks at a document with resources.
func (l *linter) document(doc *apisixroute.Document) (_ []Finding, configs []Config) {
	if doc.NoEnd {
		l.problem("", "the file does not end in #END: APISIX takes it for half written and ignores it")
	}
	var others []string
	for i := range doc.Resources {
		r := &doc.Resources[i]
		l.within = r.Name()
		var here []Config
		for _, e := range r.Entries {
			if e.Name != pluginName {
				others = append(others, e.Name)
				continue
			}
			if c, ok := l.entry(e); ok {
				here = append(here, c)
			}
		}
		l.resource(r, here)
		configs = append(configs, here...)
		l.within = ""
	}
	if len(configs) == 0 && len(l.findings) == 0 {
		l.nothing(others)
	}
	return l.findings, configs
}

// nothing says that no configuration was found.
func (l *linter) nothing(others []string) {
	const where = "no configuration of kafkaupstream is in it: it is looked for in plugins.ext-plugin-post-req.conf[] (or pre-req), " +
		"with \"name\": \"kafkaupstream\""
	if len(others) == 0 {
		l.problem("", where)
		return
	}
	slices.Sort(others)
	for i, name := range others {
		others[i] = fmt.Sprintf("%.40q", name)
	}
	others = slices.Compact(others)
	l.problem("", "%s; there is %s", where, strings.Join(others[:min(len(others), 10)], ", "))
}

// entry looks at a configuration inside of a resource.
func (l *linter) entry(e apisixroute.Entry) (Config, bool) {
	text, ok := e.Value.(string)
	switch {
	case ok:
	case e.Value == nil:
		l.problem(e.Path, "it is missing: the configuration as a JSON string")
		return Config{}, false
	default:
		l.problem(e.Path, "expected the configuration as a JSON string, got %s; `kafkaupstream route` prints it as APISIX wants it", typeName(e.Value))
		object, err := json.Marshal(e.Value)
		if err != nil {
			return Config{}, false
		}
		text = string(object)
	}
	return Config{l.within, e.Path, l.config(e.Path, []byte(text))}, true
}

func typeName(v any) string {
	switch v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case bool:
		return "a boolean"
	}
	return "a number"
}

// config looks at a plugin's configuration and returns its route if it is valid.
func (l *linter) config(path string, text []byte) *routeconf.Route {
	route, findings := routeconf.Lint(text, l.limits)
	for _, p := range findings.Problems {
		l.add(Problem, join(path, p.Path), p.Message)
	}
	for _, p := range findings.Warnings {
		l.add(Warning, join(path, p.Path), p.Message)
	}
	return route
}

// spoolNotes says which of the configurations only a process with a spool serves.
func spoolNotes(configs []Config) []Finding {
	l := &linter{}
	for _, c := range configs {
		if c.Route == nil {
			continue
		}
		l.within = c.Resource
		for _, need := range c.Route.NeedsSpool() {
			l.add(Note, join(c.Path, need.Path), need.Message+"; without it every request is answered 500")
		}
	}
	return l.findings
}
