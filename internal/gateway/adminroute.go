package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// notHere are properties of APISIX's routes that change what a route matches or does, and that this gateway cannot
// honour. To accept and ignore them would show a developer something else than APISIX will do.
var notHere = []string{"remote_addr", "remote_addrs", "vars", "filter_func", "script", "script_id", "plugin_config_id",
	"service_id", "upstream_id", "enable_websocket"}

// configError words an error of a route's configuration as APISIX does; that of a plugin has its words already.
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
	for _, name := range slices.Sorted(maps.Keys(value)) {
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

func idText(v any) (string, error) {
	if n, ok := v.(json.Number); ok {
		return n.String(), nil
	}
	return typed[string]("id", v)
}

// set takes one property of a route.
func (r *Route) set(name string, v any) (err error) {
	switch name {
	case "id": // parseRoute has read it
	case "name", "desc":
		_, err = typed[string](name, v)
	case "upstream", "labels", "timeout":
		_, err = typed[map[string]any](name, v)
	case "uri":
		r.URIs = make([]string, 1)
		r.URIs[0], err = typed[string](name, v)
	case "host":
		r.Hosts = make([]string, 1)
		r.Hosts[0], err = typed[string](name, v)
	case "uris":
		r.URIs, err = texts(name, v)
	case "hosts":
		r.Hosts, err = texts(name, v)
	case "methods":
		if r.Methods, err = texts(name, v); err == nil && len(r.Methods) == 0 {
			err = errors.New("property \"methods\" validation failed: an empty list matches nothing")
		}
	case "priority":
		r.Priority, err = integer(name, v)
	case "status":
		var status int
		if status, err = integer(name, v); err == nil && status != 0 && status != 1 {
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
	plugins, err := typed[map[string]any]("plugins", v)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(plugins)) {
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
		return wrongType("object", v)
	}
	if has(plugin, "_meta") {
		return errors.New("property \"_meta\" is not supported by this development gateway")
	}
	var err error
	if degrade, ok := plugin["allow_degradation"]; ok {
		if r.AllowDegradation, err = typed[bool]("allow_degradation", degrade); err != nil {
			return err
		}
	}
	if !has(plugin, "conf") {
		return errors.New("property \"conf\" is required by this development gateway")
	}
	conf, err := typed[[]any]("conf", plugin["conf"])
	if err != nil {
		return err
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
		return e, wrongType("object", item)
	}
	for _, name := range []string{"name", "value"} {
		if !has(m, name) {
			return e, fmt.Errorf("property %q is required", name)
		}
	}
	if e.Name, err = typed[string]("name", m["name"]); err == nil {
		e.Value, err = typed[string]("value", m["value"])
	}
	return e, err
}

// typed returns the value of a property that is a string, a bool, a []any or a map[string]any.
func typed[T any](property string, v any) (T, error) {
	t, ok := v.(T)
	if !ok {
		return t, propertyError(property, wrongType(jsonTypes[reflect.TypeFor[T]().Kind()], v))
	}
	return t, nil
}

func texts(property string, v any) ([]string, error) {
	items, err := typed[[]any](property, v)
	var texts []string
	for i, item := range items {
		text, ok := item.(string)
		if !ok {
			return nil, propertyError(property, fmt.Errorf("failed to validate item %d: %w", i+1, wrongType("string", item)))
		}
		texts = append(texts, text)
	}
	return texts, err
}

func integer(property string, v any) (int, error) {
	n, _ := v.(json.Number)
	i, err := strconv.Atoi(n.String())
	if err != nil {
		return 0, propertyError(property, wrongType("integer", v))
	}
	return i, nil
}

func propertyError(property string, err error) error {
	return fmt.Errorf("property %q validation failed: %w", property, err)
}

// wrongType says, like APISIX's validator, what a JSON value is and should be. The validator has Lua's names for what it
// is: a null is userdata, an object and an array are tables.
func wrongType(want string, v any) error {
	got := "userdata"
	switch v.(type) {
	case string:
		got = "string"
	case json.Number:
		got = "number"
	case bool:
		got = "boolean"
	case []any, map[string]any:
		got = "table"
	}
	return fmt.Errorf("wrong type: expected %s, got %s", want, got)
}

// jsonTypes are JSON's names of the types that a property can have.
var jsonTypes = map[reflect.Kind]string{
	reflect.String: "string", reflect.Bool: "boolean", reflect.Slice: "array", reflect.Map: "object",
}

// routeValue is what the Admin API shows of a route that was put from Go.
func routeValue(r *Route) map[string]any {
	plugin := map[string]any{"conf": slices.Clone(r.Conf)}
	if r.AllowDegradation {
		plugin["allow_degradation"] = true
	}
	v := map[string]any{"id": r.ID, "uris": r.URIs, "plugins": map[string]any{r.Phase: plugin}}
	optional := func(name string, set bool, value any) {
		if set {
			v[name] = value
		}
	}
	optional("hosts", len(r.Hosts) > 0, r.Hosts)
	optional("methods", len(r.Methods) > 0, r.Methods)
	optional("priority", r.Priority != 0, r.Priority)
	optional("status", r.Disabled, 0)
	return v
}
