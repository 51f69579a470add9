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
	muxes  [2]*http.ServeMux                // of paths without a slash at their end, which get one, and of those with one
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

// muxPatterns are a pattern's in each of the muxes, "" where it has none. In these every path ends in a slash: of one that does not a
// mux looks whether it would have a route of its own with a slash, and redirects there, although a wider pattern takes it as it
// is. Of /* and /orders/* none got /orders.
func muxPatterns(pattern string) [2]string {
	if above, all := strings.CutSuffix(pattern, "{rest...}"); all {
		return [2]string{above + "{first_of_rest}/{rest...}", pattern}
	}
	if strings.HasSuffix(pattern, "{$}") {
		return [2]string{"", pattern}
	}
	return [2]string{pattern + "/{$}", ""}
}

// find returns the route of a request whose URL is clean. Without one, allow are the methods that have one, "" if none has.
func (t *Routes) find(r *http.Request) (found *route, allow string) {
	host, path := r.Host, r.URL.Path
	mux := t.muxes[1]
	if !strings.HasSuffix(path, "/") {
		mux, r.URL.Path = t.muxes[0], path+"/"
	}
	r.Host = hostOf(r) // a mux compares hosts letter by letter
	h, _ := mux.Handler(r)
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
