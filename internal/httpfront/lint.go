package httpfront

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/routefile"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
)

// Weight says how much a finding weighs.
type Weight int

// The weights.
const (
	Note    Weight = iota // of what depends on how the server is started
	Warning               // of what works otherwise than it looks
	Problem               // the route cannot be served
)

// Finding is one thing to be said of a route of a file.
type Finding struct {
	Weight
	Route *routefile.Route
	routeconf.Problem
}

func (f Finding) Error() string { return placed(f.Route, f.Problem).Error() }

func placed(r *routefile.Route, err error) error {
	return fmt.Errorf("%s (%s): %w", r.Place, r.ID, err)
}

// Findings are all that is to be said of the routes of a file.
type Findings struct {
	All []Finding // in the order of the routes
	// Parsed are the routes' configurations, nil where one cannot be used.
	Parsed []*routeconf.Route

	routes *Routes
	ready  []*route
	places [2]map[string]entered // of a pattern in each mux
}

// entered is a pattern of the file's.
type entered struct {
	*routefile.Route
	pattern string
}

// Err joins the problems, nil when there are none.
func (f *Findings) Err() error {
	var all []error
	for _, one := range f.All {
		if one.Weight == Problem {
			all = append(all, one)
		}
	}
	return errors.Join(all...)
}

func (f *Findings) add(weight Weight, r *routefile.Route, said ...routeconf.Problem) {
	for _, p := range said {
		f.All = append(f.All, Finding{weight, r, p})
	}
}

// limits: HTTP sets none. A configuration's own are librdkafka's.
var limits = routeconf.Limits{}

// Lint looks at routes, and begins nothing: Build refuses what it calls a problem, and `check` says it. trust is nil
// where nothing is known of the server's gateway.
func Lint(list []routefile.Route, trust *Trust) *Findings {
	f := &Findings{
		routes: &Routes{muxes: [2]*http.ServeMux{http.NewServeMux(), http.NewServeMux()}, byConf: map[string]*kafkaupstream.Served{}, Count: len(list)},
		places: [2]map[string]entered{{}, {}},
	}
	for i := range list {
		r := &list[i]
		parsed, findings := routeconf.Lint([]byte(r.Conf), limits)
		for _, d := range r.Doubts {
			f.add(Warning, r, routeconf.Problem{Message: d})
		}
		f.add(Warning, r, findings.Warnings...)
		f.add(Problem, r, findings.Problems...)
		to := &route{id: r.ID, parsed: parsed}
		if parsed != nil {
			f.variables(r, to, trust)
		}
		f.enter(r, to)
		f.Parsed, f.ready = append(f.Parsed, parsed), append(f.ready, to)
	}
	return f
}

// variables looks whether the route's requests must come from the gateway, and why they can never have their variables.
func (f *Findings) variables(r *routefile.Route, to *route, trust *Trust) {
	for _, name := range to.parsed.Variables() {
		if !fromGateway(name) {
			continue
		}
		to.gatewayOnly = true
		if trust == nil {
			f.add(Note, r, routeconf.Problem{Message: fmt.Sprintf("the variable $%s is what the gateway says: serve does not start unless that can prove itself "+
				"(a Unix socket, --tls-client-ca or --gateway-secret-file), and has a header for it (--variable)", name)})
		} else if why := trust.lacks(name); why != "" {
			f.add(Problem, r, routeconf.Problem{Message: why})
		}
	}
}

// enter enters a route under each of its patterns. It stops at the first that is wrong.
func (f *Findings) enter(r *routefile.Route, to *route) {
	for _, path := range r.Paths {
		for _, host := range orNone(r.Hosts) {
			for _, method := range orNone(r.Methods) {
				pattern := strings.TrimSpace(method + " " + host + path)
				for i, inMux := range muxPatterns(pattern) {
					if inMux == "" {
						continue
					}
					if wrong := add(f.routes.muxes[i], inMux, to); wrong != "" {
						wrong = strings.Replace(wrong, strconv.Quote(inMux), strconv.Quote(routefile.Written(pattern)), 1)
						f.add(Problem, r, routeconf.Problem{Path: "match", Message: f.clash(r, pattern, f.places[i], wrong)})
						return
					}
					f.places[i][inMux] = entered{r, pattern}
				}
			}
		}
	}
}

// add enters a route under a pattern, and returns what is wrong with that.
func add(mux *http.ServeMux, pattern string, to *route) (wrong string) {
	defer func() {
		if p := recover(); p != nil { // the mux panics where a pattern is wrong or taken
			wrong = fmt.Sprint(p)
		}
	}()
	mux.Handle(pattern, to)
	return ""
}

// taken finds in the mux's words the pattern that another conflicts with.
var taken = regexp.MustCompile(`conflicts with pattern ("(?:[^"\\]|\\.)*")`)

// clash says in the file's words what is wrong with a pattern.
func (f *Findings) clash(r *routefile.Route, pattern string, places map[string]entered, wrong string) string {
	shown := routefile.Written(pattern)
	quoted := taken.FindStringSubmatch(wrong)
	if quoted == nil {
		return wrong
	}
	other, _ := strconv.Unquote(quoted[1])
	first := places[other]
	switch {
	case first.Route == nil:
		return wrong
	case first.Route == r:
		return fmt.Sprintf("%q is given twice", shown)
	case first.pattern == pattern:
		return fmt.Sprintf("%q: %s (%s) has this path, too", shown, first.Place, first.ID)
	}
	return fmt.Sprintf("%q: %s (%s) has %q, and some requests fit both", shown, first.Place, first.ID, routefile.Written(first.pattern))
}
