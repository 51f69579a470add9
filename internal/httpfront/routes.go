package httpfront

import (
	"net/http"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
	"github.com/kafkaupstream/kafkaupstream/internal/routefile"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream"
)

// Routes are ready to be served, and do not change.
type Routes struct {
	mux    *http.ServeMux
	byConf map[string]*kafkaupstream.Served // of a configuration's text
	Count  int
}

// route is a route in the mux, which never calls it.
type route struct {
	http.Handler
	id     string
	parsed *routeconf.Route
	served *kafkaupstream.Served
	// gatewayOnly: its texts hold variables that only a gateway can say.
	gatewayOnly bool
}

// Build makes routes ready to be served by the handler. What they have in common with the routes before, nil
// for none, is taken from there. Doubts are what is no error; the error joins what is wrong with each route, and
// then nothing has been begun.
func Build(list []routefile.Route, handler *kafkaupstream.Handler, trust *Trust, before *Routes) (routes *Routes, doubts []error, err error) {
	found := Lint(list, trust)
	for i, parsed := range found.Parsed {
		if parsed != nil {
			found.add(Problem, &list[i], handler.Refusals(parsed)...)
		}
	}
	for _, f := range found.All {
		if f.Weight == Warning {
			doubts = append(doubts, f)
		}
	}
	if err := found.Err(); err != nil {
		return nil, doubts, err
	}
	for i, to := range found.ready {
		if to.served, err = found.routes.prepare(list[i].Conf, to.parsed, handler, before); err != nil {
			return nil, doubts, placed(&list[i], err)
		}
	}
	return found.routes, doubts, nil
}

func (t *Routes) prepare(conf string, parsed *routeconf.Route, handler *kafkaupstream.Handler, before *Routes) (*kafkaupstream.Served, error) {
	served := t.byConf[conf]
	if served == nil && before != nil {
		served = before.byConf[conf]
	}
	var err error
	if served == nil {
		served, err = handler.Prepare(parsed)
	}
	if err == nil {
		t.byConf[conf] = served
	}
	return served, err
}

func orNone(list []string) []string {
	if list == nil {
		return []string{""}
	}
	return list
}

// noSegment stands in the mux for the last, empty segment of a path that ends in a slash. No clean path has it.
const noSegment = "\x00"

// muxPattern is a pattern for the mux, in which every path ends in a slash. Of one that does not the mux looks whether it would have
// a route of its own with a slash, and redirects there, although a wider pattern takes it as it is: of /* and /orders/* none got /orders.
func muxPattern(pattern string) string {
	if above, below := strings.CutSuffix(pattern, "{rest...}"); below {
		return above + "{first_of_rest}/{rest...}"
	}
	if path, slash := strings.CutSuffix(pattern, "{$}"); slash {
		return path + noSegment + "/{$}"
	}
	return pattern + "/{$}"
}

// muxPath is a clean path for patterns of muxPattern.
func muxPath(path string) string {
	if strings.HasSuffix(path, "/") {
		return path + noSegment + "/"
	}
	return path + "/"
}

// find returns the route of a request whose URL is clean. Without one, allow are the methods that have one, "" if none has.
func (t *Routes) find(r *http.Request) (found *route, allow string) {
	host, path := r.Host, r.URL.Path
	r.Host, r.URL.Path = hostOf(r), muxPath(path) // the mux compares hosts letter by letter
	h, _ := t.mux.Handler(r)
	r.Host, r.URL.Path = host, path
	if found, ok := h.(*route); ok {
		return found, ""
	}
	reply := header{}
	h.ServeHTTP(reply, r) // the mux's own, which says 404 or 405
	return nil, http.Header(reply).Get("Allow")
}

// header is a response writer of which only the header is of interest.
type header http.Header

func (h header) Header() http.Header { return http.Header(h) }

// Write drops the body.
func (h header) Write(b []byte) (int, error) { return len(b), nil }

func (h header) WriteHeader(int) {}
