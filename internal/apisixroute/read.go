package apisixroute

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kafkaupstream/kafkaupstream/internal/nearest"
)

// MaxBytes is the size of the largest document that is read.
const MaxBytes = 8 << 20

// The external plugins of APISIX.
const (
	PreReq   = "ext-plugin-pre-req"
	PostReq  = "ext-plugin-post-req"
	PostResp = "ext-plugin-post-resp"
)

// Phases are the external plugins in the order in which they run.
func Phases() []string { return []string{PreReq, PostReq, PostResp} }

// Resource is a route, or something else that has plugins.
type Resource struct {
	// Path is where in the document it is, "" for the document itself.
	Path string
	// Kind is "route", "service", "consumer" and so on, "" when the document does not
	// tell.
	Kind string
	// Fields are its properties as JSON has them; numbers may be json.Number.
	Fields map[string]any
	// Entries are what its external plugins are configured with, in the order in
	// which they run.
	Entries []Entry
}

// Plugins are the resource's plugins by name.
func (r *Resource) Plugins() map[string]any {
	plugins, _ := r.Fields["plugins"].(map[string]any)
	return plugins
}

// Disabled reports whether APISIX makes nothing of the resource.
func (r *Resource) Disabled() bool { return fmt.Sprint(r.Fields["status"]) == "0" }

// Meta is the _meta of a plugin: what APISIX itself looks at. nil: there is none.
func (r *Resource) Meta(plugin string) map[string]any {
	conf, _ := r.Plugins()[plugin].(map[string]any)
	meta, _ := conf["_meta"].(map[string]any)
	return meta
}

// PluginName is this plugin's name in an external plugin's conf.
const PluginName = "kafkaupstream"

// ID is the resource's id as Name has it.
func (r *Resource) ID() string { return strings.TrimPrefix(r.Name(), r.Kind+" ") }

// Texts are those of the properties of these names, each a text or a list of them.
func (r *Resource) Texts(names ...string) (texts []string) {
	for _, name := range names {
		all, isList := r.Fields[name].([]any)
		if !isList {
			all = []any{r.Fields[name]}
		}
		for _, one := range all {
			if text, ok := one.(string); ok {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

// OtherPlugins are the names of the resource's plugins that are not external ones, sorted.
func (r *Resource) OtherPlugins() []string {
	names := slices.Sorted(maps.Keys(r.Plugins()))
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(Phases(), name) })
}

// routeKeys are what a route can have (apisix/schema_def.lua, and modifiedIndex of apisix/admin/standalone.lua).
var routeKeys = []string{"create_time", "desc", "enable_websocket", "filter_func", "host", "hosts", "id", "labels", "methods", "modifiedIndex", "name", "plugin_config_id",
	"plugins", "priority", "remote_addr", "remote_addrs", "script", "script_id", "service_id", "service_protocol", "status", "timeout", "update_time",
	"upstream", "upstream_id", "uri", "uris", "vars"}

// UnknownKey is a key that no route of APISIX's has.
type UnknownKey struct{ Name, Message string }

func (k UnknownKey) String() string { return k.Name + ": " + k.Message }

// UnknownKeys are those of a route, sorted.
func (r *Resource) UnknownKeys() (unknown []UnknownKey) {
	if r.Kind != "route" {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(r.Fields)) {
		if !slices.Contains(routeKeys, name) && !HasVariable(name) {
			hint := nearest.Hint(name, routeKeys, len(name)/3+1)
			unknown = append(unknown, UnknownKey{fmt.Sprintf("%.40s", name), "APISIX's routes have no such key, so APISIX refuses the route" + hint})
		}
	}
	return unknown
}

// maxNameBytes bounds what is repeated of an id, in bytes.
const maxNameBytes = 64

// Name is the resource's kind and id as far as the document tells them, such as "route
// orders"; instead of the id, a route's path.
func (r *Resource) Name() string {
	candidates := []any{r.Fields["id"], r.Fields["username"], r.Fields["uri"]}
	if uris, _ := r.Fields["uris"].([]any); len(uris) > 0 {
		candidates = append(candidates, uris[0])
	}
	for _, id := range candidates {
		switch id.(type) {
		case string, json.Number, int, Partial:
			text := fmt.Sprint(id)
			return cmp.Or(r.Kind, "resource") + " " + strings.ToValidUTF8(text[:min(len(text), maxNameBytes)], "")
		}
	}
	return r.Kind
}

// Entry is an element of an external plugin's conf: what one plugin of a runner is
// configured with.
//
// Name and Value are what APISIX hands over, with its references resolved.
type Entry struct {
	Path  string // of the value
	Phase string
	// Name is the name as it stands where NameErr says why it is not known.
	Name    string
	NameErr error
	// Value is a string in what APISIX accepts, nil or a [Partial] where ValueErr says why
	// it is not known: an [Unknown], or what keeps APISIX from resolving it.
	Value    any
	ValueErr error
	// Reference is what Value was resolved from, "" where it stands in the document.
	Reference string
}

// Document is what was read.
type Document struct {
	// Plugin tells that the text has no route around a plugin's configuration: it is
	// that configuration itself, or nothing at all that is known. Configuration is the
	// text then, as it would stand in an apisix.yaml.
	Plugin        bool
	Configuration Entry
	Resources     []Resource
	// Standalone reports what is, or can be, in an apisix.yaml or apisix.json, in which
	// APISIX replaces ${{NAME}}; Variables are those in it, wherever they are.
	Standalone bool
	Variables  []Variable
	// NoEnd reports an apisix.yaml without the #END that APISIX waits for.
	NoEnd bool

	env Environment
}

// sections are the lists of apisix.yaml that hold resources with plugins, and what
// one of them is called.
var sections = map[string]string{
	"routes": "route", "services": "service", "consumers": "consumer", "consumer_groups": "consumer group",
	"plugin_configs": "plugin config", "global_rules": "global rule",
}

// Read reads a document. A text that is no JSON but begins like it is taken for a
// plugin's configuration: what is wrong with it is that plugin's to say. Read does
// not look into the configurations. What APISIX takes from its environment, it takes
// from env.
func Read(text []byte, env Environment) (*Document, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("it has more than %d bytes", MaxBytes)
	}
	whole := text
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	begin := bytes.TrimSpace(text)
	if len(begin) == 0 {
		return nil, errors.New("it is empty")
	}
	doc, r := &Document{env: env}, newReplacer(env)
	var root any
	var err error
	if begin[0] == '{' || begin[0] == '[' {
		if root = readJSON(text); !isDocument(root) {
			return readConfiguration(string(whole), r)
		}
		if doc.Standalone = hasSections(root); doc.Standalone {
			root, err = r.json(root)
		}
	} else {
		doc.Standalone = true
		doc.NoEnd = !endsInEND(begin)
		root, err = readYAML(string(text), r)
	}
	if err != nil {
		return nil, err
	}
	doc.Variables = r.found
	doc.walk(root, "", "")
	return doc, nil
}

// readConfiguration reads a plugin's configuration alone.
func readConfiguration(text string, r *replacer) (*Document, error) {
	text, err := r.replace(text)
	if err != nil {
		return nil, err
	}
	doc := &Document{Plugin: true, Standalone: true, Variables: r.found}
	doc.Configuration.Value, _, doc.Configuration.ValueErr = resolve(r.partial(text), r.env)
	return doc, nil
}

// readYAML reads an apisix.yaml as APISIX does: first it replaces, then it reads.
func readYAML(text string, r *replacer) (any, error) {
	text, err := r.replace(text)
	if err != nil {
		return nil, err
	}
	var root any
	if err := UnmarshalYAML([]byte(text), &root); err != nil {
		return nil, r.reading(fmt.Errorf("it is neither JSON nor YAML: %w", err))
	}
	if root == nil {
		if strings.TrimSpace(text) == "null" {
			return nil, errors.New("it holds null, nothing else")
		}
		return nil, r.reading(errors.New("it is empty"))
	}
	if root = r.yaml(root); !isDocument(root) {
		return nil, r.reading(noDocument(root))
	}
	return root, nil
}

// noDocument says what YAML without resources is.
func noDocument(root any) error {
	object, _ := root.(map[string]any)
	if _, is := object["config"]; is {
		return errors.New("the plugin's configuration must be JSON, and this is YAML")
	}
	if name := nearest.Name("routes", slices.Collect(maps.Keys(object)), len("routes")/2); name != "" {
		return fmt.Errorf("it has no `routes` (there is `%s`)", name)
	}
	return errors.New("it is neither JSON nor an apisix.yaml, which has routes")
}

// readJSON returns nil for what is not one JSON value.
func readJSON(text []byte) any {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var root any
	if dec.Decode(&root) != nil {
		return nil
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil
	}
	return root
}

// UnmarshalYAML reads a text of one document; without any it leaves the value as it is. yaml.Unmarshal takes no notice of a second one.
func UnmarshalYAML(text []byte, value any) error {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	switch err := dec.Decode(value); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return errors.New(YAMLError(err))
	}
	for {
		var more any // nil behind a --- at the end
		if err := dec.Decode(&more); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil || more != nil {
			return errors.New("a second document begins with ---, and only one can be read")
		}
	}
}

// YAMLError keeps of yaml's error where it is: what it quotes can be part of a secret.
func YAMLError(err error) string {
	text, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "yaml: "), "`")
	return strings.TrimSpace(text)
}

// endsInEND looks where APISIX looks (apisix/core/config_yaml.lua): at the end.
func endsInEND(text []byte) bool {
	return bytes.HasSuffix(text, []byte("#END"))
}

// isDocument reports whether a value has the form of one that has resources in it.
func isDocument(root any) bool {
	object, ok := root.(map[string]any)
	if !ok {
		_, ok = root.([]any)
		return ok
	}
	for _, name := range []string{"plugins", "node", "nodes", "list", "uri", "uris", "upstream", PreReq, PostReq, PostResp} {
		if _, ok := object[name]; ok {
			return true
		}
	}
	_, ok = object["value"].(map[string]any)
	return ok || hasSections(root)
}

// hasSections reports whether a value has lists of resources by their kind, which only the
// standalone mode's files have.
func hasSections(root any) bool {
	object, _ := root.(map[string]any)
	for name := range sections {
		if _, ok := object[name]; ok {
			return true
		}
	}
	return false
}

// walk finds the resources in a value of the given kind.
func (d *Document) walk(v any, path, kind string) {
	switch v := v.(type) {
	case []any:
		for i, element := range v {
			d.walk(element, fmt.Sprintf("%s[%d]", path, i), kind)
		}
	case map[string]any:
		d.walkObject(v, path, kind)
	}
}

func (d *Document) walkObject(v map[string]any, path, kind string) {
	if key, ok := v["key"].(string); ok { // of the Admin API: /apisix/routes/ID
		for section, name := range sections {
			if strings.Contains(key, "/"+section+"/") {
				kind = name
			}
		}
		if inner, ok := v["value"].(map[string]any); ok && inner["id"] == nil {
			inner["id"] = key[strings.LastIndex(key, "/")+1:]
		}
	}
	for _, name := range []string{"value", "node", "nodes", "list"} {
		switch inner := v[name].(type) {
		case map[string]any, []any:
			d.walk(inner, join(path, name), kind)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		d.walk(v[name], join(path, name), sections[name])
	}
	if slices.ContainsFunc(Phases(), func(phase string) bool { return v[phase] != nil }) {
		v = map[string]any{"plugins": v} // somebody has cut them out of a route
	}
	_, hasURI := v["uri"]
	_, hasURIs := v["uris"]
	if kind == "" && (hasURI || hasURIs) {
		kind = "route"
	}
	if v["plugins"] != nil || kind == "route" && (hasURI || hasURIs) {
		r := Resource{Path: path, Kind: kind, Fields: v}
		r.findEntries(d.env)
		d.Resources = append(d.Resources, r)
	}
}

func (r *Resource) findEntries(env Environment) {
	for _, phase := range Phases() {
		plugin, _ := r.Plugins()[phase].(map[string]any)
		conf, _ := plugin["conf"].([]any)
		for i, element := range conf {
			entry, _ := element.(map[string]any)
			e := Entry{Path: join(r.Path, fmt.Sprintf("plugins.%s.conf[%d].value", phase, i)), Phase: phase}
			var name any
			if name, _, e.NameErr = resolve(entry["name"], env); e.NameErr != nil {
				name = fmt.Sprint(entry["name"])
			}
			e.Name, _ = name.(string)
			e.Value, e.Reference, e.ValueErr = resolve(entry["value"], env)
			r.Entries = append(r.Entries, e)
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
