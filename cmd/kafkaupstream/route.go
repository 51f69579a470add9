package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/kafkaupstream/kafkaupstream/internal/apisixroute"
	"github.com/kafkaupstream/kafkaupstream/internal/check"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

// defaultAdminURL is where APISIX serves its Admin API.
const defaultAdminURL = "http://127.0.0.1:9180"

// printRoute prints a route of APISIX with the configuration in it.
func printRoute(_ context.Context, env environment) error {
	fs := newFlags(env.command)
	file := fs.String("f", "", "`file` with the plugin's configuration, JSON; - is standard input")
	phase := fs.choice("phase", "post-req", "the `phase` in which APISIX runs it: post-req, or pre-req, which runs before authentication and limits", "post-req", "pre-req")
	var r apisixroute.Route
	fs.StringVar(&r.URI, "uri", "", "the route's `path`; a * at the end makes it a prefix (default / and the topic)")
	fs.StringVar(&r.ID, "id", "", "the route's `id` (default the topic)")
	fs.StringVar(&r.Name, "name", "", "the route's `name` (default none)")
	fs.StringVar(&r.Host, "host", "", "the route's `host` (default any)")
	output := fs.choice("output", "", "the `form`: json for the Admin API, yaml, curl, or k8s for APISIX's ingress controller (default json)", "json", "yaml", "curl", "k8s")
	asYAML := fs.Bool("yaml", false, "print an apisix.yaml: --output yaml")
	asCurl := fs.Bool("curl", false, "print a command that puts the route at the Admin API; it takes the key from $ADMIN_KEY: --output curl")
	adminURL := fs.String("admin-url", defaultAdminURL, "`URL` where the Admin API is, for --curl")
	if err := fs.parse(env, false); err != nil {
		return err
	}
	usage := func(format string, args ...any) error { return fs.misused(env, format, args...) }
	phases := map[string]string{"post-req": apisixroute.PostReq, "pre-req": apisixroute.PreReq}
	switch r.Phase = phases[*phase]; {
	case *file == "":
		return usage("-f names the configuration's file, - is standard input")
	case r.Phase == "":
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
	conf, ok := lintForRoute(text, env)
	if !ok {
		return errFound
	}
	if err := fillRoute(&r, conf, text); err != nil {
		return usage("%v", err)
	}
	if err := r.Validate(); err != nil {
		return usage("%s", ofFlag.ReplaceAllString(err.Error(), "--$1: "))
	}
	print := map[string]func() ([]byte, error){
		"json": r.JSON, "yaml": r.YAML, "k8s": r.Kubernetes,
		"curl": func() ([]byte, error) { return r.Curl(*adminURL) },
	}[form]
	if form != "yaml" && apisixroute.HasVariable(r.Value) {
		fmt.Fprintln(env.stderr, check.Finding{Status: check.Warning, Message: check.NotReplaced})
	}
	out, err := print()
	if err != nil {
		return err
	}
	_, err = env.stdout.Write(out)
	return err
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

// lintForRoute says on standard error what is wrong with a configuration, and tells
// whether it can be used all the same.
func lintForRoute(text []byte, env environment) (*routeconf.Route, bool) {
	findings, conf := check.LintConfig(text, apisix.Limits)
	for _, f := range findings {
		fmt.Fprintln(env.stderr, f)
	}
	return conf, conf != nil
}

// fillRoute sets what the flags have left open.
func fillRoute(r *apisixroute.Route, conf *routeconf.Route, text []byte) error {
	var value bytes.Buffer
	if err := json.Compact(&value, text); err != nil {
		return err
	}
	r.Plugin, r.Value, r.Methods = apisix.Name, value.String(), conf.Methods()
	topic := conf.Topic()
	if topic == "" && (r.URI == "" || r.ID == "") {
		return fmt.Errorf("the topic depends on the request: --uri and --id have no default")
	}
	if r.URI == "" {
		r.URI = "/" + topic
	}
	if r.ID == "" {
		r.ID = apisixroute.ID(topic)
	}
	return nil
}
