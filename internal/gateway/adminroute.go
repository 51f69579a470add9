package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// notHere are properties of APISIX's routes that change what a route matches or does, and that this gateway cannot
// honour. To accept and ignore them would show a developer something else than APISIX will do.
var notHere = []string{"remote_addr", "remote_addrs", "vars", "filter_func", "script", "script_id", "plugin_config_id",
	"service_id", "upstream_id", "enable_websocket"}

// configError says like APISIX that a route's error is one of its configuration; one of a plugin says so itself.
func configError(err error) error {
	for _, own := range []string{"failed to check the configuration of plugin", "unknown plugin"} {
		if strings.HasPrefix(err.Error(), own) {
			return err
		}
	}
	return fmt.Errorf("invalid configuration: %w", err)
}

// parseRoute reads an Admin API route. The errors are worded as APISIX words them, as far as that is of use.
func parseRoute(id string, value map[string]any) (Route, error) {
	r := Route{ID: id}
	if given, ok := value["id"]; ok {
		text, err := idText(given)
		if err != nil {
			return r, configError(err)
		}
		if id != "" && text != id {
			return r, errors.New("wrong route id")
		}
		r.ID = text
	}
	if r.ID == "" {
		return r, errors.New("missing route id")
	}
	for _, pair := range [][2]string{{"host", "hosts"}, {"uri", "uris"}} {
		if has(value, pair[0]) && has(value, pair[1]) {
			return r, fmt.Errorf("only one of %s or %s is allowed", pair[0], pair[1])
		}
	}
	for _, name := range []string{"create_time", "update_time"} {
		if has(value, name) {
			return r, errors.New("the property is forbidden:  " + name)
		}
	}
	for _, name := range sortedKeys(value) {
		if err := r.set(name, value[name]); err != nil {
			return r, configError(err)
		}
	}
	if !has(value, "plugins") {
		return r, configError(fmt.Errorf("property \"plugins\" is required, with %s or %s", PreReq, PostReq))
	}
	return r, nil
}

func has(m map[string]any, key string) bool { _, ok := m[key]; return ok }

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func idText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	}
	return "", wrongType("id", "string", v)
}

// set takes one property of a route.
func (r *Route) set(name string, v any) (err error) {
	switch name {
	case "id":
	case "name", "desc":
		_, err = textOf(name, v)
	case "upstream", "labels", "timeout":
		_, err = objectOf(name, v)
	case "uri":
		r.URI, err = textOf(name, v)
	case "host":
		r.Host, err = textOf(name, v)
	case "uris":
		r.URIs, err = textsOf(name, v)
	case "hosts":
		r.Hosts, err = textsOf(name, v)
	case "methods":
		if r.Methods, err = textsOf(name, v); err == nil && len(r.Methods) == 0 {
			err = errors.New("property \"methods\" validation failed: an empty list matches nothing")
		}
	case "priority":
		r.Priority, err = intOf(name, v)
	case "status":
		var status int
		if status, err = intOf(name, v); err == nil && status != 0 && status != 1 {
			err = errors.New("property \"status\" validation failed: matches none of the enum values")
		}
		r.Disabled = status == 0
	case "plugins":
		err = r.setPlugins(v)
	default:
		if slices.Contains(notHere, name) {
			return fmt.Errorf("property %q is not supported by this development gateway", name)
		}
		return fmt.Errorf("additional properties forbidden, found %s", name)
	}
	return err
}

func (r *Route) setPlugins(v any) error {
	plugins, err := objectOf("plugins", v)
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(plugins) {
		if name != PreReq && name != PostReq {
			return fmt.Errorf("unknown plugin [%s]", name)
		}
		if r.Phase != "" {
			return fmt.Errorf("property \"plugins\" validation failed: this development gateway runs one of %s and %s",
				PreReq, PostReq)
		}
		r.Phase = name
	}
	if r.Phase == "" {
		return fmt.Errorf("property \"plugins\" validation failed: %s or %s is required", PreReq, PostReq)
	}
	if err := r.setPlugin(plugins[r.Phase]); err != nil {
		return r.pluginError("%v", err)
	}
	return nil
}

func (r *Route) setPlugin(v any) error {
	plugin, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("wrong type: expected object, got %s", luaType(v))
	}
	if has(plugin, "_meta") {
		return errors.New("property \"_meta\" is not supported by this development gateway")
	}
	if degrade, ok := plugin["allow_degradation"]; ok {
		if r.AllowDegradation, ok = degrade.(bool); !ok {
			return wrongType("allow_degradation", "boolean", degrade)
		}
	}
	conf, ok := plugin["conf"].([]any)
	if !ok {
		if !has(plugin, "conf") {
			return errors.New("property \"conf\" is required by this development gateway")
		}
		return wrongType("conf", "array", plugin["conf"])
	}
	for i, item := range conf {
		entry, err := confEntry(item)
		if err != nil {
			return fmt.Errorf("property \"conf\" validation failed: failed to validate item %d: %w", i+1, err)
		}
		r.Conf = append(r.Conf, entry)
	}
	return nil
}

func confEntry(item any) (e ConfEntry, err error) {
	m, ok := item.(map[string]any)
	if !ok {
		return e, fmt.Errorf("wrong type: expected object, got %s", luaType(item))
	}
	for _, name := range []string{"name", "value"} {
		if !has(m, name) {
			return e, fmt.Errorf("property %q is required", name)
		}
	}
	if e.Name, err = textOf("name", m["name"]); err == nil {
		e.Value, err = textOf("value", m["value"])
	}
	return e, err
}

func wrongType(property, want string, v any) error {
	return fmt.Errorf("property %q validation failed: wrong type: expected %s, got %s", property, want, luaType(v))
}

// luaType is the name under which APISIX's validator reports a JSON value.
func luaType(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case json.Number:
		return "number"
	case bool:
		return "boolean"
	case nil:
		return "userdata"
	}
	return "table"
}

func textOf(property string, v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", wrongType(property, "string", v)
	}
	return s, nil
}

func textsOf(property string, v any) ([]string, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, wrongType(property, "array", v)
	}
	var texts []string
	for i, item := range items {
		s, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("property %q validation failed: failed to validate item %d: "+
				"wrong type: expected string, got %s", property, i+1, luaType(item))
		}
		texts = append(texts, s)
	}
	return texts, nil
}

func objectOf(property string, v any) (map[string]any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, wrongType(property, "object", v)
	}
	return m, nil
}

func intOf(property string, v any) (int, error) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, wrongType(property, "integer", v)
	}
	i, err := strconv.Atoi(n.String())
	if err != nil {
		return 0, wrongType(property, "integer", v)
	}
	return i, nil
}

// routeValue is what the Admin API shows of a route that was put from Go.
func routeValue(r *Route) map[string]any {
	plugin := map[string]any{"conf": r.Conf}
	if r.AllowDegradation {
		plugin["allow_degradation"] = true
	}
	v := map[string]any{"id": r.ID, "plugins": map[string]any{r.Phase: plugin}}
	optional := func(name string, set bool, value any) {
		if set {
			v[name] = value
		}
	}
	optional("uri", r.URI != "" && len(r.URIs) == 0, r.URI)
	optional("uris", len(r.URIs) > 0, r.AllURIs())
	optional("host", r.Host != "" && len(r.Hosts) == 0, r.Host)
	optional("hosts", len(r.Hosts) > 0, r.AllHosts())
	optional("methods", len(r.Methods) > 0, r.Methods)
	optional("priority", r.Priority != 0, r.Priority)
	optional("status", r.Disabled, 0)
	return v
}
