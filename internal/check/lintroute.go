package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/apisixroute"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

// Config is a configuration of the plugin that was found in a document.
type Config struct {
	Resource string           // what it is in, such as "route orders"; "" for the document itself
	Path     string           // "" for the document itself
	Route    *routeconf.Route // nil when it is invalid or not known
	// Skipped reports that it is not all known here: APISIX resolves what stands in its place.
	Skipped bool
	// ofServe reports that it is in a file of `serve`.
	ofServe bool
}

// String is where it is.
func (c Config) String() string { return strings.TrimPrefix(c.Resource+": "+c.Path, ": ") }

// guards are APISIX's plugins that decide who may send a request and how often, all of
// which run after ext-plugin-pre-req.
var guards = []string{
	"api-breaker", "authz-casbin", "authz-casdoor", "authz-keycloak", "basic-auth", "cas-auth", "consumer-restriction",
	"cors", "csrf", "forward-auth", "hmac-auth", "ip-restriction", "jwe-decrypt", "jwt-auth", "key-auth", "ldap-auth", "limit-conn",
	"limit-count", "limit-req", "multi-auth", "opa", "openid-connect", "referer-restriction", "request-validation", "ua-restriction",
	"uri-blocker", "wolf-rbac",
}

// resource looks at what is around the configurations.
func (l *linter) resource(r *apisixroute.Resource, configs []Config) {
	if len(configs) == 0 {
		return
	}
	first := true
	for _, e := range r.Entries {
		if e.NameErr != nil {
			continue
		}
		if e.Name != apisixroute.PluginName {
			l.neighbour(e, first)
			continue
		}
		l.phase(r, e)
		if !first {
			l.warn(e.Path, "it is never reached: the configuration before it answers every request")
		}
		first = false
	}
	for _, unknown := range r.UnknownKeys() {
		l.warn(join(r.Path, unknown.Name), "%s", unknown.Message)
	}
	l.openings(r)
	if r.Disabled() {
		l.warn(join(r.Path, "status"), "the %s is disabled", cmp.Or(r.Kind, "resource"))
	}
	l.methods(r, configs[0])
}

// neighbour looks at another plugin in conf. APISIX gives all of a conf to one runner, and
// this one knows no other plugin.
func (l *linter) neighbour(e apisixroute.Entry, before bool) {
	path := namePath(e)
	if before {
		l.problem(path, "%.40q runs before %s, which is the only plugin of this runner: every request is answered 500; remove it", e.Name, apisixroute.PluginName)
		return
	}
	l.warn(path, "%.40q is never reached: %s answers every request; remove it", e.Name, apisixroute.PluginName)
}

func namePath(e apisixroute.Entry) string { return strings.TrimSuffix(e.Path, ".value") + ".name" }

// phase looks at when the plugin runs.
func (l *linter) phase(r *apisixroute.Resource, e apisixroute.Entry) {
	path := join(r.Path, "plugins."+e.Phase)
	if r.Meta(e.Phase)["disable"] == true {
		l.warn(path+"._meta.disable", "the plugin is disabled")
	}
	switch e.Phase {
	case apisixroute.PostResp:
		l.problem(path, "it runs when an upstream has answered, and this plugin answers requests; use %s", apisixroute.PostReq)
	case apisixroute.PreReq:
		var skipped []string
		for _, name := range guards {
			if r.Plugins()[name] != nil {
				skipped = append(skipped, name)
			}
		}
		if len(skipped) > 0 {
			l.problem(path, "it runs before %s, and its reply skips them; use %s", strings.Join(skipped, ", "), apisixroute.PostReq)
			return
		}
		l.warn(path, "it runs before authentication and limits, and its reply skips them; use %s", apisixroute.PostReq)
	}
}

// openings looks for ways past the plugin.
func (l *linter) openings(r *apisixroute.Resource) {
	upstream := ""
	for _, name := range []string{"upstream", "upstream_id", "service_id"} {
		if r.Fields[name] != nil {
			upstream = name
			break
		}
	}
	degrade := ""
	for _, e := range r.Entries {
		plugin, _ := r.Plugins()[e.Phase].(map[string]any)
		if e.Name == apisixroute.PluginName && plugin["allow_degradation"] == true {
			degrade = join(r.Path, "plugins."+e.Phase+".allow_degradation")
		}
	}
	switch {
	case degrade != "" && upstream != "":
		l.problem(degrade, "while the plugin is not running, requests pass it by and go to the %s; remove both", upstream)
	case degrade != "":
		l.warn(degrade, "while the plugin is not running, requests pass it by; remove it")
	case upstream == "service_id":
		l.warn(join(r.Path, upstream), "if the service has an upstream, a request that the plugin did not answer goes there; none is needed")
	case upstream != "":
		l.warn(join(r.Path, upstream), "a request that the plugin did not answer goes there; none is needed, remove it")
	}
}

// methods looks for methods that the plugin answers with 405.
func (l *linter) methods(r *apisixroute.Resource, c Config) {
	given, ok := r.Fields["methods"].([]any)
	if !ok || c.Route == nil {
		return
	}
	produce := c.Route.Methods()
	var idle []string
	for i, v := range given {
		method, _ := v.(string)
		if _, unknown := v.(apisixroute.Partial); unknown || slices.Contains(produce, method) {
			continue
		}
		idle = append(idle, method)
		hint := ""
		if method == "DELETE" {
			hint = "; with \"tombstone_on_delete\": true it produces a null value"
		}
		l.warn(fmt.Sprintf("%s[%d]", join(r.Path, "methods"), i), "%.20s produces nothing and is answered 405; %s do%s", method, strings.Join(produce, ", "), hint)
	}
	if len(idle) == len(given) {
		l.problem(join(r.Path, "methods"), "none of them produces a record; %s do", strings.Join(produce, ", "))
	}
}
