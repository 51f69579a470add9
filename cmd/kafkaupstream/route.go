package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/apisixroute"
	"github.com/kafkaupstream/kafkaupstream/internal/check"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/routefile"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

// defaultAdminURL is where APISIX serves its Admin API.
const defaultAdminURL = "http://127.0.0.1:9180"

// routeFlags are those of route that say what stands around a configuration.
type routeFlags struct{ id, name, uri, host, phase string }

// printRoute prints a route of APISIX with the configuration in it, or each route of a file of serve's.
func printRoute(_ context.Context, env environment) error {
	fs := newFlags(env.command)
	file := fs.String("f", "", "`file` with the plugin's configuration, JSON, or a file of serve's with several; - is standard input")
	phase := fs.choice("phase", "post-req", "the `phase` in which APISIX runs it: post-req, or pre-req, which runs before authentication and limits", "post-req", "pre-req")
	var about routeFlags
	fs.StringVar(&about.uri, "uri", "", "the route's `path`; a * at the end makes it a prefix (default / and the topic)")
	fs.StringVar(&about.id, "id", "", "the route's `id` (default the topic)")
	fs.StringVar(&about.name, "name", "", "the route's `name` (default none)")
	fs.StringVar(&about.host, "host", "", "the route's `host` (default any)")
	output := fs.choice("output", "", "the `form`: json for the Admin API, yaml, curl, or k8s for APISIX's ingress controller (default json)", "json", "yaml", "curl", "k8s")
	asYAML := fs.Bool("yaml", false, "print an apisix.yaml: --output yaml")
	asCurl := fs.Bool("curl", false, "print a command that puts the route at the Admin API; it takes the key from $ADMIN_KEY: --output curl")
	adminURL := fs.String("admin-url", defaultAdminURL, "`URL` where the Admin API is, for --curl")
	if err := fs.parse(env, false); err != nil {
		return err
	}
	usage := func(format string, args ...any) error { return fs.misused(env, format, args...) }
	phases := map[string]string{"post-req": apisixroute.PostReq, "pre-req": apisixroute.PreReq}
	switch about.phase = phases[*phase]; {
	case *file == "":
		return usage("-f names the configuration's file, - is standard input")
	case about.phase == "":
		return usage("--phase is post-req or pre-req, not %q", *phase)
	}
	form, ok := outputForm(*output, *asYAML, *asCurl)
	if !ok {
		return usage("one of --yaml, --curl and --output, which is json, yaml, curl or k8s")
	}
	text, err := readConf(*file, env)
	if err != nil {
		return err
	}
	var routes []*apisixroute.Route
	if routefile.Own(text) {
		routes, err = about.ofFile(text, env)
	} else {
		routes, err = about.ofConf(text, env)
	}
	switch {
	case err == errFound:
		return err
	case err != nil:
		return usage("%s", ofFlag.ReplaceAllString(err.Error(), "--$1: "))
	}
	out, err := written(routes, form, *adminURL)
	if err != nil {
		return err
	}
	if form != "yaml" && slices.ContainsFunc(routes, func(r *apisixroute.Route) bool { return apisixroute.HasVariable(r.Value) }) {
		fmt.Fprintln(env.stderr, check.Finding{Status: check.Warning, Message: check.NotReplaced})
	}
	_, err = env.stdout.Write(out)
	return err
}

// written is routes in a form, one after another.
func written(routes []*apisixroute.Route, form, adminURL string) (out []byte, err error) {
	if form == "yaml" {
		return apisixroute.YAML(routes)
	}
	for i, r := range routes {
		var one []byte
		switch form {
		case "k8s":
			if one, err = r.Kubernetes(); i > 0 {
				out = append(out, "---\n"...)
			}
		case "curl":
			one, err = r.Curl(adminURL)
		default:
			one, err = r.JSON()
		}
		if err != nil {
			return nil, err
		}
		out = append(out, one...)
	}
	return out, nil
}

// ofFlag finds a property that a flag has set in APISIX's words about it.
var ofFlag = regexp.MustCompile(`^property "(uri|id|name|host)s?" validation failed: `)

// outputForm is the form that the flags ask for; false: there is none, or they ask for several.
func outputForm(output string, asYAML, asCurl bool) (form string, ok bool) {
	var forms []string
	if output != "" {
		forms = append(forms, output)
	}
	if asYAML {
		forms = append(forms, "yaml")
	}
	if asCurl {
		forms = append(forms, "curl")
	}
	forms = append(forms, "json")[:max(1, len(forms))]
	return forms[0], len(forms) == 1 && slices.Contains([]string{"json", "yaml", "curl", "k8s"}, forms[0])
}

// lintForRoute says on standard error what is wrong with a configuration, whose place in its file may be empty. It is
// nil where it cannot be used.
func lintForRoute(place, text string, env environment) *routeconf.Route {
	findings, conf := check.LintConfig([]byte(text), apisix.Limits)
	for _, f := range findings {
		f.Path = strings.Trim(place+"."+f.Path, ".")
		fmt.Fprintln(env.stderr, f)
	}
	return conf
}

// ofConf is the route around one configuration.
func (about *routeFlags) ofConf(text []byte, env environment) ([]*apisixroute.Route, error) {
	unset := func(string) (string, error) { return "", secrets.ErrNotSet }
	if doc, err := apisixroute.Read(text, unset); err == nil && slices.ContainsFunc(doc.Resources, func(r apisixroute.Resource) bool { return len(r.Entries) > 0 }) {
		return nil, errors.New("this is a route of APISIX already; -f names the plugin's configuration, which is the `value` in it")
	}
	conf := lintForRoute("", string(text), env)
	if conf == nil {
		return nil, errFound
	}
	var value bytes.Buffer
	if err := json.Compact(&value, text); err != nil {
		return nil, err
	}
	topic := conf.Topic()
	if topic == "" && (about.uri == "" || about.id == "") {
		return nil, errors.New("the topic depends on the request: --uri and --id have no default")
	}
	r := &apisixroute.Route{
		ID: cmp.Or(about.id, apisixroute.ID(topic)), Name: about.name, URIs: []string{cmp.Or(about.uri, "/"+topic)},
		Methods: conf.Methods(), Phase: about.phase, Plugin: apisix.Name, Value: value.String(),
	}
	if about.host != "" {
		r.Hosts = []string{about.host}
	}
	return []*apisixroute.Route{r}, r.Validate()
}

// ofFile are the routes of a file of serve's, as they are there.
func (about *routeFlags) ofFile(text []byte, env environment) (routes []*apisixroute.Route, err error) {
	if about.uri+about.id+about.name+about.host != "" {
		return nil, errors.New("the file has each route's id and paths: --uri, --id, --name and --host are for a configuration alone")
	}
	found := false
	problem := func(place, message string) {
		fmt.Fprintln(env.stderr, check.Finding{Status: check.Problem, Path: place, Message: message})
		found = true
	}
	list, err := routefile.Read(text, nil)
	for _, p := range routefile.Problems(err) {
		problem(p.Place, p.Message)
	}
	for _, one := range list {
		if lintForRoute(one.Place, one.Conf, env) == nil {
			found = true
			continue
		}
		r := &apisixroute.Route{ID: one.ID, Hosts: one.Hosts, Methods: one.Methods, Phase: about.phase, Plugin: apisix.Name, Value: one.Conf}
		var named []string
		r.URIs, named = one.URIs()
		for _, uri := range named {
			problem(one.Place+".match.path", fmt.Sprintf("%q: APISIX has no names in paths", uri))
		}
		if err := r.Validate(); err != nil {
			problem(one.Place, err.Error())
		}
		routes = append(routes, r)
	}
	if found {
		return nil, errFound
	}
	return routes, nil
}
