package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The plugins that a route can have.
const (
	// PreReq runs in APISIX's rewrite phase, before authentication and limits.
	PreReq = "ext-plugin-pre-req"
	// PostReq runs in APISIX's access phase, after them.
	PostReq = "ext-plugin-post-req"
)

// Route says which requests go to the runner, and with what configuration.
type Route struct {
	// ID is 1 to 64 letters, digits and "-_.".
	ID string
	// URIs are paths: exact, or with a "*" at the end a prefix. At least one is required.
	URIs []string
	// Methods are upper-case; none means any.
	Methods []string
	// Hosts are names, exact or with a "*" in front a suffix; none means any.
	Hosts []string
	// Priority decides between routes of the same host and path: the higher wins.
	Priority int
	// Disabled routes match nothing (status 0 in the Admin API).
	Disabled bool
	// Phase is PreReq or PostReq; "" is PostReq.
	Phase string
	// Conf is what the runner gets, in this order; at least one.
	Conf []ConfEntry
	// AllowDegradation lets a request pass when the runner fails.
	AllowDegradation bool
	// Version is set by PutRoute: each change of a route gives it a new one.
	Version uint64
}

// key is what APISIX calls the route's configuration towards the runner (core.lrucache.plugin_ctx_id).
func (r *Route) key() string { return fmt.Sprintf("route#%s#%s#%d", r.ID, r.Phase, r.Version) }

// clone makes r independent of its caller's slices.
func (r Route) clone() Route {
	r.URIs = slices.Clone(r.URIs)
	r.Methods = slices.Clone(r.Methods)
	r.Hosts = slices.Clone(r.Hosts)
	r.Conf = slices.Clone(r.Conf)
	return r
}

var (
	idPattern    = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)
	hostNames    = regexp.MustCompile(`^(\*|\*?[0-9a-zA-Z._\[\]:-]+)$`) // host_def of apisix/schema_def.lua
	routeMethods = []string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE"}
)

// Validate says what APISIX would refuse of the route, in its words.
func (r *Route) Validate() error {
	if !idPattern.MatchString(r.ID) {
		return fmt.Errorf("property \"id\" validation failed: %q is not 1 to 64 letters, digits, '.', '_' and '-'", r.ID)
	}
	if len(r.URIs) == 0 {
		return errors.New("property \"uri\" or \"uris\" is required")
	}
	for _, uri := range r.URIs {
		if uri == "" || len(uri) > 4096 {
			return errors.New("property \"uri\" validation failed: 1 to 4096 characters are allowed")
		}
		if i := strings.IndexByte(uri, '*'); i >= 0 && i < len(uri)-1 {
			return fmt.Errorf("property \"uri\" validation failed: %q has a \"*\" before its end", uri)
		}
	}
	for _, m := range r.Methods {
		if !slices.Contains(routeMethods, m) {
			return fmt.Errorf("property \"methods\" validation failed: %q does not match any of the enum values", m)
		}
	}
	for _, h := range r.Hosts {
		if !hostNames.MatchString(h) {
			return fmt.Errorf("property \"host\" validation failed: %q is not a host name", h)
		}
	}
	return r.validatePlugin()
}

func (r *Route) validatePlugin() error {
	if r.Phase != PreReq && r.Phase != PostReq {
		return fmt.Errorf("unknown plugin [%s]", r.Phase)
	}
	if len(r.Conf) == 0 {
		return r.pluginError("property \"conf\" validation failed: expect array to have at least 1 items")
	}
	for i, c := range r.Conf {
		if len(c.Name) < 1 || len(c.Name) > 128 {
			return r.pluginError("property \"conf\" validation failed: failed to validate item %d: "+
				"property \"name\" validation failed: 1 to 128 characters are allowed", i+1)
		}
	}
	return nil
}

func (r *Route) pluginError(format string, a ...any) error {
	return fmt.Errorf("failed to check the configuration of plugin %s err: %s", r.Phase, fmt.Sprintf(format, a...))
}

// pattern is an exact text, or the fixed end of the texts that it stands for: the beginning of a path, the end of a host's
// name.
type pattern struct {
	text string
	wild bool
}

func (p pattern) matches(s string, fits func(s, text string) bool) bool {
	return s == p.text || p.wild && fits(s, p.text)
}

// moreSpecific orders exact patterns before wild ones, and longer ones before shorter ones.
func moreSpecific(a, b pattern) int {
	if a.wild != b.wild {
		if a.wild {
			return 1
		}
		return -1
	}
	return cmp.Compare(len(b.text), len(a.text))
}

func uriPattern(uri string) pattern {
	text, wild := strings.CutSuffix(uri, "*")
	return pattern{text, wild}
}

func hostPattern(host string) pattern {
	text, wild := strings.CutPrefix(strings.ToLower(host), "*")
	return pattern{text, wild}
}

// way is one host and path of a route.
type way struct {
	host, uri pattern
	anyHost   bool
	route     *liveRoute
}

// routeTable is what a request is matched with: the first that fits is the one. The order is that of APISIX's router
// radixtree_host_uri: routes with a host, exact before wildcard; then exact path, longest prefix, priority.
type routeTable []way

func newRouteTable(routes map[string]*liveRoute) *routeTable {
	var t routeTable
	for _, r := range routes {
		if r.Disabled {
			continue
		}
		for _, uri := range r.URIs {
			w := way{uri: uriPattern(uri), anyHost: true, route: r}
			if len(r.Hosts) == 0 {
				t = append(t, w)
			}
			for _, host := range r.Hosts {
				w.host, w.anyHost = hostPattern(host), false
				t = append(t, w)
			}
		}
	}
	slices.SortFunc(t, compareWays)
	return &t
}

func compareWays(a, b way) int {
	if a.anyHost != b.anyHost {
		if a.anyHost {
			return 1
		}
		return -1
	}
	return cmp.Or(
		moreSpecific(a.host, b.host),
		strings.Compare(a.host.text, b.host.text), // keeps the paths of one host together
		moreSpecific(a.uri, b.uri),
		cmp.Compare(b.route.Priority, a.route.Priority),
		strings.Compare(a.route.ID, b.route.ID),
	)
}

func (t routeTable) match(method, host, path string) *liveRoute {
	for i := range t {
		w := &t[i]
		if w.uri.matches(path, strings.HasPrefix) && (w.anyHost || w.host.matches(host, strings.HasSuffix)) &&
			(len(w.route.Methods) == 0 || slices.Contains(w.route.Methods, method)) {
			return w.route
		}
	}
	return nil
}
