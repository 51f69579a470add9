// Package routefile reads the file of `serve`'s routes: YAML or JSON with defaults and routes, or an
// apisix.yaml with this plugin in it. It knows the files' forms only: what a route's configuration
// means is internal/routeconf's, which path a request takes internal/httpfront's.
package routefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kafkaupstream/kafkaupstream/internal/apisixroute"
	"github.com/kafkaupstream/kafkaupstream/internal/nearest"
	"github.com/kafkaupstream/kafkaupstream/utils"
)

// MaxBytes is the size of the largest file that is read.
const MaxBytes = 8 << 20

// Route is a route of the file.
type Route struct {
	Place string // in the file, such as routes[2]
	ID    string
	Match
	Conf string // the plugin's configuration, as JSON
	// Doubts are what a reader of the file may not expect.
	Doubts []string
}

// Match says which requests take a route.
type Match struct {
	Methods []string // none: all
	Hosts   []string // in lower case, without a port; none: all
	// Paths are as net/http's patterns have them: {name} is a segment, {name...} at the end all
	// that follows.
	Paths []string
}

// methods are those that APISIX knows, too.
var methods = []string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE"}

// Problem is what is wrong at a place of the file.
type Problem struct{ Place, Message string }

func (p Problem) Error() string { return strings.TrimPrefix(p.Place+": "+p.Message, ": ") }

// Read reads a file. What an apisix.yaml takes from its environment, it takes from env. The error joins a [Problem] for
// each thing that is wrong; what it quotes of the file is names, never values.
func Read(text []byte, env apisixroute.Environment) ([]Route, error) {
	root, err := readRoot(text)
	if err != nil {
		return nil, err
	}
	var defaults object
	if d, ok := root["defaults"]; ok {
		if defaults, ok = asObject(d); !ok {
			return nil, Problem{"defaults", "it must be an object: keys of a route's configuration, for all routes"}
		}
		for name := range defaults {
			if name == "id" || name == "match" {
				return nil, Problem{"defaults." + name, "each route has its own"}
			}
		}
	}
	var list []json.RawMessage
	if json.Unmarshal(root["routes"], &list) != nil || list == nil {
		return nil, errors.New("the file must have routes, a list")
	}
	if len(list) == 0 {
		return nil, errors.New("the file has no route")
	}
	if fromAPISIX(root, list) {
		return readAPISIX(text, env)
	}
	routes, err := readOwn(list, defaults)
	return routes, errors.Join(unknownKeys("", root, "defaults", "routes"), err)
}

// unknownKeys joins a problem for each key of an object that is none of the keys.
func unknownKeys(prefix string, o object, keys ...string) error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(keys, name) {
			problems = append(problems, Problem{fmt.Sprintf("%s%.40s", prefix, name), nearest.UnknownKey(name, keys)})
		}
	}
	return errors.Join(problems...)
}

// Own reports whether a text is a file of serve's own form, and neither an apisix.yaml nor a route of APISIX or a plugin's
// configuration.
func Own(text []byte) bool {
	root, err := readRoot(text)
	var list []json.RawMessage
	return err == nil && json.Unmarshal(root["routes"], &list) == nil && list != nil && !fromAPISIX(root, list)
}

// Problems are those that an error of Read's joins.
func Problems(err error) (all []Problem) {
	var problem Problem
	switch joined, several := err.(interface{ Unwrap() []error }); {
	case err == nil:
	case several:
		for _, one := range joined.Unwrap() {
			all = append(all, Problems(one)...)
		}
	case errors.As(err, &problem):
		all = append(all, problem)
	default:
		all = append(all, Problem{"", err.Error()})
	}
	return all
}

// readOwn reads the routes of a file of serve's own form.
func readOwn(list []json.RawMessage, defaults object) (routes []Route, err error) {
	var problems []error
	ids := map[string]string{}
	for i, one := range list {
		r, err := readRoute(one, defaults)
		r.Place = fmt.Sprintf("routes[%d]", i)
		if err == nil && ids[r.ID] != "" {
			err = fmt.Errorf("id: %s has the id %q, too", ids[r.ID], r.ID)
		}
		for _, p := range Problems(err) {
			problems = append(problems, Problem{r.Place, p.Error()})
		}
		if err != nil {
			continue
		}
		ids[r.ID] = r.Place
		routes = append(routes, r)
	}
	return routes, errors.Join(problems...)
}

// object is a JSON object whose values are not read yet.
type object = map[string]json.RawMessage

func asObject(text json.RawMessage) (o object, ok bool) {
	return o, json.Unmarshal(text, &o) == nil && o != nil
}

func readRoute(text json.RawMessage, defaults object) (r Route, err error) {
	fields, ok := asObject(text)
	if !ok {
		return r, errors.New("a route is an object: id, match, and the keys of a configuration")
	}
	if json.Unmarshal(fields["id"], &r.ID) != nil || r.ID == "" {
		return r, errors.New("id: a text that names the route in logs is required")
	}
	if r.Match, err = readMatch(fields["match"]); err != nil {
		return r, errors.Join(misspelt(fields), err)
	}
	delete(fields, "id")
	delete(fields, "match")
	for name, value := range defaults {
		switch own, given := fields[name]; {
		case !given:
			fields[name] = value
		case name == "config": // properties of the route's own are added to those for all
			fields[name] = merged(value, own)
		}
	}
	conf, err := json.Marshal(fields)
	r.Conf = string(conf)
	return r, err
}

// merged adds the members of the second object to those of the first, and replaces these.
func merged(base, own json.RawMessage) json.RawMessage {
	properties, ok := asObject(base)
	others, also := asObject(own)
	if !ok || !also {
		return own
	}
	for name, value := range others {
		properties[name] = value
	}
	text, _ := json.Marshal(properties) // of values that have been read: cannot fail
	return text
}

// misspelt is a problem for a key of a route that has what match has, under another name.
func misspelt(fields object) error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		inner, _ := asObject(fields[name])
		if _, is := inner["path"]; is && fields["match"] == nil {
			return Problem{fmt.Sprintf("%.40s", name), nearest.UnknownKey(name, []string{"match"})}
		}
	}
	return nil
}

func readMatch(text json.RawMessage) (m Match, err error) {
	fields, ok := asObject(text)
	if !ok {
		return m, errors.New("match: an object with a path is required")
	}
	lists := map[string]*[]string{"methods": &m.Methods, "host": &m.Hosts, "path": &m.Paths}
	problems := []error{unknownKeys("match.", fields, slices.Collect(maps.Keys(lists))...)}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		if value, given := fields[name]; given {
			if *lists[name], err = readTexts(value); err != nil {
				problems = append(problems, Problem{"match." + name, err.Error()})
			}
		}
	}
	if err = errors.Join(problems...); err == nil {
		err = m.normalize("match.")
	}
	return m, err
}

// readTexts reads a text or a list of them.
func readTexts(value json.RawMessage) (list []string, err error) {
	var one string
	if json.Unmarshal(value, &one) == nil {
		return []string{one}, nil
	}
	if json.Unmarshal(value, &list) != nil || len(list) == 0 {
		return nil, errors.New("it is a text or a list of texts")
	}
	return list, nil
}

// New returns a route that comes from elsewhere: paths are as a file has them, /a/* for all below /a.
func New(place, id string, match Match, conf string) (Route, error) {
	r := Route{Place: place, ID: id, Match: Match{slices.Clone(match.Methods), slices.Clone(match.Hosts), slices.Clone(match.Paths)}, Conf: conf}
	return r, r.normalize("")
}

// normalize brings the match into net/http's form. Prefix is where the file has it.
func (m *Match) normalize(prefix string) error {
	if len(m.Paths) == 0 {
		return fmt.Errorf("%spath: it is required, / and all below is /*", prefix)
	}
	for i, p := range m.Paths {
		path, err := pattern(p)
		if err != nil {
			return fmt.Errorf("%spath: %q: %w", prefix, p, err)
		}
		m.Paths[i] = path
	}
	for i, method := range m.Methods {
		if !slices.Contains(methods, method) {
			return fmt.Errorf("%smethods: %.40q is no method%s", prefix, method, nearest.Hint(method, methods, nearest.Near(method)))
		}
		if slices.Contains(m.Methods[:i], method) {
			return fmt.Errorf("%smethods: %s is given twice", prefix, method)
		}
	}
	for i, host := range m.Hosts {
		if Host(host) == "" || strings.ContainsAny(host, "*/: ") {
			return fmt.Errorf("%shost: %q: a host is a whole name without a port", prefix, host)
		}
		m.Hosts[i] = Host(host)
	}
	return nil
}

// Host is a host's name in the one form by which names are compared.
func Host(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// pattern turns a path into net/http's form: * at its end is all that follows.
func pattern(path string) (string, error) {
	switch rest, all := strings.CutSuffix(path, "/*"); {
	case !strings.HasPrefix(path, "/"):
		return "", errors.New("a path begins with /")
	case all:
		path = rest + "/{rest...}"
	case strings.HasSuffix(path, "/"): // which in net/http's patterns means all below it
		path += "{$}"
	}
	if strings.Contains(path, "*") {
		return "", errors.New("* stands at the end of a path only, after /")
	}
	return path, nil
}

// Written is a pattern as a file has it.
func Written(pattern string) string {
	path, all := strings.CutSuffix(strings.TrimSuffix(pattern, "{$}"), "{rest...}")
	if all {
		path += "*"
	}
	return path
}

// URIs returns the paths as they are written, and those of them that APISIX cannot have, since there is a name in them.
func (m Match) URIs() (uris, named []string) {
	for _, path := range m.Paths {
		uri := Written(path)
		if uris = append(uris, uri); strings.Contains(uri, "{") {
			named = append(named, uri)
		}
	}
	return uris, named
}

// readRoot reads the file's text into its members.
func readRoot(text []byte) (object, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("the file has more than %d bytes", MaxBytes)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	begin := bytes.TrimSpace(text)
	if len(begin) == 0 {
		return nil, errors.New("the file is empty")
	}
	if begin[0] == '{' {
		if err := utils.InvalidJSON(text); err != nil {
			return nil, fmt.Errorf("the file is not valid JSON: %w", err)
		}
		if err := givenOnce(text); err != nil {
			return nil, err
		}
	} else {
		var err error
		if text, err = fromYAML(text); err != nil {
			return nil, fmt.Errorf("the file is neither JSON nor YAML: %w", err)
		}
	}
	switch {
	case text == nil:
		return nil, errors.New("the file is empty")
	case string(bytes.TrimSpace(text)) == "null":
		return nil, errors.New("the file holds null, nothing else")
	}
	root, ok := asObject(text)
	if !ok {
		return nil, errors.New("the file must be an object with routes, and defaults for all of them")
	}
	return root, nil
}

// givenOnce is an error where an object of a valid JSON text has a name twice: readers of JSON take the last one and
// say nothing, and YAML refuses it.
func givenOnce(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var open []map[string]bool // the names of each object and list around; nil of a list
	named := false             // the next token of the innermost object is a name
	for {
		token, err := dec.Token()
		if err != nil {
			return nil // the end
		}
		inner := len(open) - 1
		switch token {
		case json.Delim('{'):
			open, named = append(open, map[string]bool{}), true
			continue
		case json.Delim('['):
			open, named = append(open, nil), false
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:inner]
			named = inner > 0 && open[inner-1] != nil
			continue
		}
		if name, isText := token.(string); isText && named {
			if open[inner][name] {
				return fmt.Errorf("%.40q is given twice in one object, at %s", name, utils.Position(text, int(dec.InputOffset())-1))
			}
			open[inner][name], named = true, false
			continue
		}
		named = inner >= 0 && open[inner] != nil
	}
}

// fromYAML returns a YAML text as JSON, nil where it has no value. What YAML takes for times stays text.
func fromYAML(text []byte) ([]byte, error) {
	var tree yaml.Node
	if err := apisixroute.UnmarshalYAML(text, &tree); err != nil {
		return nil, err
	}
	timesAreTexts(&tree)
	var v any
	if err := tree.Decode(&v); err != nil {
		return nil, errors.New(apisixroute.YAMLError(err))
	}
	if len(tree.Content) == 0 { // comments alone
		return nil, nil
	}
	return appendJSON(nil, tree.Content[0], v, ofFile)
}

// place is what a value of the file is of. In librdkafka's properties each value is a text.
type place int

const (
	elsewhere place = iota
	ofFile
	ofRoutes
	ofRoute // or of defaults
	ofProperties
)

// within is the place of a member, or with "" of an element.
func (p place) within(name string) place {
	switch {
	case p == ofProperties:
		return ofProperties
	case p == ofFile && name == "routes":
		return ofRoutes
	case p == ofFile && name == "defaults", p == ofRoutes && name == "":
		return ofRoute
	case p == ofRoute && name == "config":
		return ofProperties
	}
	return elsewhere
}

// appendJSON appends the value of a node, whose members stay in their order: record headers have one. nil: any order.
func appendJSON(out []byte, n *yaml.Node, v any, at place) (_ []byte, err error) {
	n = meant(n)
	object, isObject := v.(map[string]any)
	list, isList := v.([]any)
	switch {
	case n != nil && isObject:
		return appendObject(out, n, object, at)
	case n != nil && isList && len(n.Content) == len(list):
		out = append(out, '[')
		for i := range list {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = appendJSON(out, n.Content[i], list[i], at.within("")); err != nil {
				return nil, err
			}
		}
		return append(out, ']'), nil
	}
	text, err := json.Marshal(v)
	if n != nil && at == ofProperties && isPlain(v) && string(text) != n.Value { // 0123456 is a password, and another one as a number
		text, err = json.Marshal(n.Value)
	}
	if err != nil { // of keys that are no texts, and of numbers such as .inf
		return nil, errors.New("it holds what JSON cannot: names that are not texts, or numbers without an end")
	}
	return append(out, text...), nil
}

// meant is the node that an alias stands for.
func meant(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// isPlain reports whether YAML has taken a text for a number or a boolean.
func isPlain(v any) bool {
	switch v.(type) {
	case bool, int, int64, uint64, float64:
		return true
	}
	return false
}

// appendObject appends the members of a mapping: those written in it, and then those of others that it takes in by <<.
func appendObject(out []byte, n *yaml.Node, v map[string]any, at place) (_ []byte, err error) {
	var names []string
	var merged []*yaml.Node
	values := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := meant(n.Content[i])
		if key.ShortTag() == "!!merge" {
			merged = append(merged, n.Content[i+1])
			continue
		}
		if values[key.Value] != nil { // YAML's reader sees those that are written out
			return nil, fmt.Errorf("%.40q is given twice in one object", key.Value)
		}
		names, values[key.Value] = append(names, key.Value), n.Content[i+1]
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if values[name] == nil {
			names = append(names, name)
		}
	}
	for _, m := range merged {
		addMerged(values, m)
	}
	begin := len(out)
	for _, name := range names {
		value, ok := v[name]
		if !ok {
			continue // the name is written in base64
		}
		quoted, _ := json.Marshal(name) // of a string: cannot fail
		out = append(append(append(out, ','), quoted...), ':')
		if out, err = appendJSON(out, values[name], value, at.within(name)); err != nil {
			return nil, err
		}
	}
	if len(out) == begin {
		out = append(out, ',')
	}
	out[begin] = '{'
	return append(out, '}'), nil
}

// addMerged adds the members that a mapping takes in by <<, a mapping or a list of them: the first of a name counts.
func addMerged(values map[string]*yaml.Node, n *yaml.Node) {
	n = meant(n)
	if n.Kind == yaml.SequenceNode {
		for _, one := range n.Content {
			addMerged(values, one)
		}
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if name := meant(n.Content[i]).Value; values[name] == nil {
			values[name] = n.Content[i+1]
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].ShortTag() == "!!merge" {
			addMerged(values, n.Content[i+1])
		}
	}
}

// timesAreTexts changes the tree. Aliases are of nodes that are in it.
func timesAreTexts(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!timestamp" {
		n.SetString(n.Value)
	}
	for _, inner := range n.Content {
		timesAreTexts(inner)
	}
}
