package routefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/kafkaupstream/kafkaupstream/internal/apisixroute"
)

// fromAPISIX reports whether the file is an apisix.yaml: its routes have a uri, and not a match.
func fromAPISIX(root object, list []json.RawMessage) bool {
	if _, own := root["defaults"]; own {
		return false
	}
	return slices.ContainsFunc(list, func(one json.RawMessage) bool {
		fields, _ := asObject(one)
		_, own := fields["match"]
		_, uri := fields["uri"]
		_, uris := fields["uris"]
		return !own && (uri || uris)
	})
}

// conditions are the properties of APISIX's routes that choose requests by what serve does not look at.
// Without them a request would be answered that APISIX does not give to the route.
var conditions = []string{"vars", "remote_addr", "remote_addrs", "filter_func", "service_id", "plugin_config_id"}

// readAPISIX reads the routes of an apisix.yaml for which APISIX runs this plugin. Others are left out.
func readAPISIX(text []byte, env apisixroute.Environment) (routes []Route, err error) {
	doc, err := apisixroute.Read(text, env)
	if err != nil {
		return nil, err
	}
	var problems []error
	for i := range doc.Resources {
		r := &doc.Resources[i]
		for _, e := range r.Entries {
			if e.Name != apisixroute.PluginName || r.Disabled() || r.Meta(e.Phase)["disable"] == true {
				continue
			}
			route, err := routeOf(r, &e)
			if err != nil {
				problems = append(problems, Problem{r.Path, err.Error()})
				continue
			}
			routes = append(routes, route)
		}
	}
	if len(routes) == 0 && len(problems) == 0 {
		return nil, fmt.Errorf("no route of the file has the plugin %s, or all that have it are disabled", apisixroute.PluginName)
	}
	return routes, errors.Join(problems...)
}

func routeOf(r *apisixroute.Resource, e *apisixroute.Entry) (Route, error) {
	route := Route{Place: r.Path, ID: r.ID()}
	if e.ValueErr != nil {
		return route, fmt.Errorf("the plugin's value: %w", e.ValueErr)
	}
	conf, ok := e.Value.(string)
	if !ok {
		return route, errors.New("the plugin's value must be a JSON string")
	}
	route.Conf = conf
	if r.Kind != "route" {
		return route, fmt.Errorf("serve takes this plugin on routes only, and this is a %s", r.Kind)
	}
	if e.Phase == apisixroute.PostResp {
		return route, fmt.Errorf("plugins.%s: it runs when an upstream has answered, and this plugin answers requests; use %s", e.Phase, apisixroute.PostReq)
	}
	if r.Meta(e.Phase)["filter"] != nil {
		return route, fmt.Errorf("plugins.%s._meta.filter: serve does not know it; a gateway in front can", e.Phase)
	}
	for _, name := range conditions {
		if _, ok := r.Fields[name]; ok {
			return route, fmt.Errorf("%s: serve does not know it; a gateway in front can", name)
		}
	}
	for _, unknown := range r.UnknownKeys() {
		route.Doubts = append(route.Doubts, unknown.String())
	}
	for _, name := range r.OtherPlugins() {
		route.Doubts = append(route.Doubts, fmt.Sprintf("plugins.%s: serve does not run APISIX's plugins; a gateway in front of it has to", name))
	}
	route.Match = Match{Methods: r.Texts("methods"), Hosts: r.Texts("host", "hosts"), Paths: r.Texts("uri", "uris")}
	return route, route.normalize("")
}
