package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/apisixroute"
	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/internal/routefile"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

// devFile is a file of dev's, read.
type devFile struct {
	front  string // for which it is read
	routes []gateway.Route
	plain  []routefile.Route // the same for frontHTTP, which knows names in paths; nil for the other front
	places []string          // of each route's configuration in the file
	// doubts are what is in the file, and dev does not do.
	doubts []string
	ids    map[string]bool
}

// readDevFile reads what `check` reads: a plugin's configuration, which then takes every path; a document of
// APISIX; a file of serve's.
func readDevFile(text []byte, front string, env apisixroute.Environment) (*devFile, error) {
	f := &devFile{front: front, ids: map[string]bool{}}
	if routefile.Own(text) {
		return f, f.readServe(text, env)
	}
	doc, err := apisixroute.Read(text, env)
	if err != nil {
		return f, err
	}
	if doc.Plugin {
		conf, err := confOf(doc.Configuration)
		if err == nil {
			err = f.add("", gateway.Route{URIs: everyPath()}, conf)
		}
		return f, err
	}
	return f, f.readAPISIX(doc)
}

// everyPath is the path of a configuration that comes with none.
func everyPath() []string { return []string{"/*"} }

// add takes a route. An id that APISIX would refuse, or that another route has, gives way to one of dev's own.
func (f *devFile) add(place string, r gateway.Route, conf string) error {
	if r.ID == "" && len(f.routes) == 0 {
		r.ID = "dev"
	}
	r.Phase = gateway.PostReq
	r.Conf = []gateway.ConfEntry{{Name: apisix.Name, Value: conf}}
	if f.ids[r.ID] || r.Validate() != nil {
		r.ID = fmt.Sprintf("dev-%d", len(f.routes))
	}
	f.ids[r.ID] = true
	f.routes, f.places = append(f.routes, r), append(f.places, place)
	if f.front != frontHTTP {
		return nil
	}
	plain, err := routefile.New(place, r.ID, routefile.Match{Methods: r.Methods, Hosts: r.Hosts, Paths: r.URIs}, conf)
	f.plain = append(f.plain, plain)
	return err
}

func (f *devFile) readServe(text []byte, env apisixroute.Environment) error {
	list, err := routefile.Read(text, env)
	if err != nil {
		return err
	}
	for _, one := range list {
		uris, named := one.URIs()
		if f.front != frontHTTP && len(named) > 0 {
			return fmt.Errorf("%s: match.path: %q: dev's gateway has no names in paths, as APISIX has none; dev --front http and serve have them", one.Place, named[0])
		}
		r := gateway.Route{ID: one.ID, URIs: uris, Methods: one.Methods, Hosts: one.Hosts}
		if err := f.add(one.Place, r, one.Conf); err != nil {
			return err
		}
	}
	return nil
}

// honoured are the properties of APISIX's resources that dev takes, or that change nothing here.
var honoured = []string{"id", "uri", "uris", "host", "hosts", "methods", "status", "name", "desc", "labels", "plugins",
	"upstream", "upstream_id", "timeout", "create_time", "update_time"}

// readAPISIX reads the resources of a document that have this plugin.
func (f *devFile) readAPISIX(doc *apisixroute.Document) error {
	var problems []error
	for i := range doc.Resources {
		r := &doc.Resources[i]
		n := slices.IndexFunc(r.Entries, func(e apisixroute.Entry) bool { return e.Name == apisix.Name })
		if n < 0 || fmt.Sprint(r.Fields["status"]) == "0" {
			continue
		}
		entry := r.Entries[n]
		conf, err := confOf(entry)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", entry.Path, err))
			continue
		}
		if err := f.add(entry.Path, routeOf(r), conf); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", entry.Path, err))
		}
		f.doubt(r)
	}
	if len(f.routes) == 0 && len(problems) == 0 {
		return errors.New("no route in it has the plugin " + apisix.Name)
	}
	return errors.Join(problems...)
}

// routeOf returns what of a resource chooses requests.
func routeOf(r *apisixroute.Resource) gateway.Route {
	route := gateway.Route{
		ID: r.ID(), URIs: r.Texts("uri", "uris"), Hosts: r.Texts("host", "hosts"), Methods: r.Texts("methods"),
	}
	if len(route.URIs) == 0 {
		route.URIs = everyPath() // of a service, or of plugins that were cut out of a route
	}
	return route
}

// doubt notes what of a resource dev leaves out.
func (f *devFile) doubt(r *apisixroute.Resource) {
	var names []string
	known := slices.Clone(honoured)
	for _, unknown := range r.UnknownKeys() {
		f.doubts = append(f.doubts, fmt.Sprintf("%s: %s", r.Name(), unknown))
		known = append(known, unknown.Name)
	}
	for name := range maps.Keys(r.Fields) {
		if !slices.Contains(known, name) && !slices.Contains(apisixroute.Phases(), name) {
			names = append(names, name)
		}
	}
	for _, name := range r.OtherPlugins() {
		names = append(names, "plugins."+name)
	}
	if len(names) > 0 {
		slices.Sort(names)
		f.doubts = append(f.doubts, fmt.Sprintf("%s: dev does without %s", r.Name(), strings.Join(names, ", ")))
	}
}

// confOf returns the plugin's configuration.
func confOf(e apisixroute.Entry) (string, error) {
	if e.ValueErr != nil {
		return "", e.ValueErr
	}
	conf, ok := e.Value.(string)
	if !ok {
		return "", errors.New("expected the configuration as a JSON string; `kafkaupstream route` prints it as APISIX wants it")
	}
	return conf, nil
}
