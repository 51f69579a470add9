package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/apisixroute"
	"github.com/kafkaupstream/kafkaupstream/internal/httpfront"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/routefile"
)

// Lint looks at a document: a plugin's configuration, or a route of APISIX around it.
// It connects to nothing, and of the environment it has what env returns.
func Lint(text []byte, limits routeconf.Limits, env apisixroute.Environment) ([]Finding, []Config) {
	l := &linter{limits: limits}
	if routefile.Own(text) {
		return l.routeFile(text, env)
	}
	doc, err := apisixroute.Read(text, env)
	if err != nil {
		l.problem("", "%s", err)
		return l.findings, nil
	}
	if doc.Plugin {
		l.standalone = doc.Standalone
		l.variables(doc.Variables)
		configs := []Config{l.entry(doc.Configuration)}
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

// weights are what the weights of httpfront's findings are here.
var weights = map[httpfront.Weight]Status{httpfront.Note: Note, httpfront.Warning: Warning, httpfront.Problem: Problem}

// routeFile says of a file of `serve` what that would.
func (l *linter) routeFile(text []byte, env apisixroute.Environment) (_ []Finding, configs []Config) {
	routes, err := routefile.Read(text, env)
	for _, p := range routefile.Problems(err) {
		l.problem(p.Place, "%s", p.Message)
	}
	found := httpfront.Lint(routes, nil)
	for _, f := range found.All {
		l.findings = append(l.findings, Finding{weights[f.Weight], "route " + f.Route.ID, join(f.Route.Place, f.Path), f.Message})
	}
	for i, r := range routes {
		configs = append(configs, Config{Resource: "route " + r.ID, Path: r.Place, Route: found.Parsed[i], ofServe: true})
	}
	return l.findings, configs
}

// document looks at a document with resources.
func (l *linter) document(doc *apisixroute.Document) (_ []Finding, configs []Config) {
	if doc.NoEnd {
		l.problem("", "the file does not end in #END: APISIX takes it for half written and ignores it")
	}
	unknown := l.variables(doc.Variables)
	l.standalone = doc.Standalone
	var others []string
	for i := range doc.Resources {
		r := &doc.Resources[i]
		l.within = r.Name()
		var here []Config
		for _, e := range r.Entries {
			switch {
			case e.NameErr != nil:
				unknown = true
				l.add(Skipped, namePath(e), e.NameErr.Error()+"; what plugin it is, is not known")
			case e.Name != apisixroute.PluginName:
				others = append(others, e.Name)
			default:
				here = append(here, l.entry(e))
			}
		}
		l.resource(r, here)
		configs = append(configs, here...)
		l.within = ""
	}
	if len(configs) == 0 && !l.failed() {
		l.nothing(others, unknown)
	}
	return l.findings, configs
}

// variables says what the ${{NAME}} of a file are here, and reports whether that is not known
// of any.
func (l *linter) variables(all []apisixroute.Variable) (unknown bool) {
	names := map[Finding][]string{}
	var findings []Finding // in the order of the file
	for _, v := range all {
		f := Finding{Status: Note, Message: "replaced by what the environment has here"}
		switch {
		case v.Err != nil:
			unknown = true
			f = Finding{Status: Skipped, Message: fmt.Sprintf("not known here: %s. What it is in is skipped. APISIX refuses the whole file where it is not set", v.Err)}
		case v.Default:
			f.Message = "not set here: the default is taken"
		}
		if names[f] == nil {
			findings = append(findings, f)
		}
		names[f] = append(names[f], fmt.Sprintf("${{%.80s}}", strings.ToValidUTF8(strings.Join(strings.Fields(v.Name), " "), "")))
	}
	for _, f := range findings {
		list := names[f]
		more := ""
		if len(list) > maxNamed {
			list, more = list[:maxNamed], fmt.Sprintf(" and %d more", len(list)-maxNamed)
		}
		l.add(f.Status, "", strings.Join(list, ", ")+more+": "+f.Message)
	}
	return unknown
}

// maxNamed is how many variables one finding names.
const maxNamed = 10

// nothing says that no configuration was found.
func (l *linter) nothing(others []string, unknown bool) {
	const where = "no configuration of kafkaupstream is in it: it is looked for in plugins.ext-plugin-post-req.conf[] (or pre-req), " +
		"with \"name\": \"kafkaupstream\""
	if unknown {
		l.add(Skipped, "", where+"; one may be where something is not known here")
		return
	}
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
func (l *linter) entry(e apisixroute.Entry) Config {
	c := Config{Resource: l.within, Path: e.Path}
	text, ok := e.Value.(string)
	unknown, skipped := errors.AsType[apisixroute.Unknown](e.ValueErr)
	switch {
	case skipped:
		return l.skip(e, c, unknown)
	case e.ValueErr != nil:
		l.problem(e.Path, "%s", e.ValueErr)
		return c
	case e.Value == nil:
		l.problem(e.Path, "it is missing: the configuration as a JSON string")
		return c
	case !ok:
		l.problem(e.Path, "expected the configuration as a JSON string, got %s; `kafkaupstream route` prints it as APISIX wants it", routeconf.TypeName(e.Value))
		object, err := json.Marshal(e.Value)
		if err != nil {
			return c
		}
		text = string(object)
	}
	if e.Reference != "" {
		l.add(Note, e.Path, fmt.Sprintf("%.80q is a reference that APISIX resolves: what it stands for here is checked", e.Reference))
	}
	if l.noReference(e.Path, text) {
		return c
	}
	c.Route = l.config(e.Path, []byte(text))
	return c
}

// skip says that a configuration is not known. Where only its secrets are not, the rest is
// looked at, and only its way to Kafka is not tried.
func (l *linter) skip(e apisixroute.Entry, c Config, unknown apisixroute.Unknown) Config {
	c.Skipped = true
	if part, is := e.Value.(apisixroute.Partial); is && secretsOnly(part) {
		l.add(Skipped, e.Path, unknown.Why+"; the rest of the configuration is checked, its way to Kafka is not tried")
		c.Route = l.config(e.Path, []byte(part.Replace(someReference)))
		return c
	}
	l.add(Skipped, e.Path, unknown.Why+"; the configuration is not checked")
	return c
}

// someReference is taken wherever a secret can stand.
const someReference = "$env://KAFKA_SECRET"

// secretsOnly reports whether all that is not known of a configuration are whole values that
// hold a secret, on which nothing else depends.
func secretsOnly(part apisixroute.Partial) bool {
	var conf map[string]any
	if json.Unmarshal([]byte(part.Replace(someReference)), &conf) != nil {
		return false
	}
	for _, key := range []string{"schema", "key_schema"} {
		schema, _ := conf[key].(map[string]any)
		maps.DeleteFunc(schema, func(name string, v any) bool {
			return v == someReference && slices.Contains([]string{"username", "password", "token"}, name)
		})
	}
	config, _ := conf["config"].(map[string]any)
	maps.DeleteFunc(config, func(name string, v any) bool { return v == someReference && kafkaconf.TakesReference(name) })
	rest, err := json.Marshal(conf)
	return err == nil && !strings.Contains(string(rest), someReference)
}

// NotReplaced is said of ${{NAME}} in what the Admin API takes.
const NotReplaced = "APISIX replaces ${{NAME}} in apisix.yaml only, and here takes it as it stands"

// noReference looks for what looks like a reference of APISIX's and is none where it stands.
// It reports whether there is nothing else to be said.
func (l *linter) noReference(path, text string) bool {
	const whole = "APISIX resolves $env:// and $secret:// only where the whole value is one, without a space before it and $secret:// in lower case"
	begin := strings.TrimSpace(text)
	variable := !l.standalone && apisixroute.HasVariable(text)
	switch {
	case !strings.ContainsAny(text, "{[") && apisixroute.HasReference(text):
		l.problem(path, whole)
		return true
	case variable && strings.HasPrefix(begin, "${{"):
		l.problem(path, NotReplaced)
		return true
	case variable:
		l.warn(path, NotReplaced)
	}
	return false
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

// spoolFindings says of each configuration that only a process with a spool serves what is to be said of its spool.
func spoolFindings(configs []Config, status Status, what func(Config) string) []Finding {
	l := &linter{}
	for _, c := range configs {
		if c.Route == nil {
			continue
		}
		l.within = c.Resource
		for _, need := range c.Route.NeedsSpool() {
			l.add(status, join(c.Path, need.Path), need.Message+"; "+what(c))
		}
	}
	return l.findings
}
