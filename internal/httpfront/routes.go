package httpfront

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
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

// limits: HTTP sets none. A configuration's own are librdkafka's.
var limits = routeconf.Limits{}

// Build makes routes ready to be served by the handler. What they have in common with the routes before, nil
// for none, is taken from there. Doubts are what is no error; the error joins what is wrong with each route, and
// then nothing has been begun.
func Build(list []routefile.Route, handler *kafkaupstream.Handler, trust *Trust, before *Routes) (routes *Routes, doubts []error, err error) {
	routes = &Routes{mux: http.NewServeMux(), byConf: map[string]*kafkaupstream.Served{}, Count: len(list)}
	ready, doubts, err := lint(list, trust)
	for i := range ready {
		if err == nil {
			if ready[i].served, err = routes.prepare(list[i].Conf, ready[i].parsed, handler, before); err != nil {
				err = placed(&list[i], err)
			}
		}
		if wrong := routes.add(&list[i], ready[i]); wrong != nil {
			err = errors.Join(err, placed(&list[i], wrong))
		}
	}
	return routes, doubts, err
}

// lint reads the configurations.
func lint(list []routefile.Route, trust *Trust) (ready []*route, doubts []error, err error) {
	var problems []error
	for i := range list {
		r := &list[i]
		parsed, findings := routeconf.Lint([]byte(r.Conf), limits)
		for _, d := range r.Doubts {
			doubts = append(doubts, placed(r, errors.New(d)))
		}
		for _, w := range findings.Warnings {
			doubts = append(doubts, placed(r, w))
		}
		for _, p := range findings.Problems {
			problems = append(problems, placed(r, p))
		}
		to := &route{id: r.ID, parsed: parsed}
		if parsed != nil {
			if to.gatewayOnly, err = trust.check(parsed); err != nil {
				problems = append(problems, placed(r, err))
			}
		}
		ready = append(ready, to)
	}
	return ready, doubts, errors.Join(problems...)
}

func placed(r *routefile.Route, err error) error {
	return fmt.Errorf("%s (%s): %w", r.Place, r.ID, err)
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

// add enters a route under each of its patterns.
func (t *Routes) add(r *routefile.Route, to *route) (err error) {
	defer func() {
		if p := recover(); p != nil { // the mux panics where a pattern is wrong or taken
			text, _, _ := strings.Cut(fmt.Sprint(p), " (registered at")
			err = fmt.Errorf("match: %s", text)
		}
	}()
	for _, path := range r.Paths {
		for _, host := range orNone(r.Hosts) {
			for _, method := range orNone(r.Methods) {
				t.mux.Handle(strings.TrimSpace(method+" "+host+path), to)
			}
		}
	}
	return nil
}

func orNone(list []string) []string {
	if list == nil {
		return []string{""}
	}
	return list
}

// find returns the request's route. Without one, allow are the methods that have one, "" if none has.
func (t *Routes) find(r *http.Request) (found *route, allow string) {
	// As nginx and APISIX have it. The mux would redirect from a path with // and .., for a POST in vain, and look at
	// what is escaped without reading it.
	r.URL.Path, r.URL.RawPath = cleaned(r.URL.Path), ""
	h, _ := t.mux.Handler(r)
	if found, ok := h.(*route); ok {
		return found, ""
	}
	// Any other handler of the mux's says 404, 405 or, of a path that is only right with a / at its end, 307.
	reply := &header{}
	h.ServeHTTP(reply, &http.Request{Method: r.Method, URL: &url.URL{Path: r.URL.Path}})
	if reply.status == http.StatusMethodNotAllowed {
		return nil, reply.Header().Get("Allow")
	}
	return nil, ""
}

// cleaned is the path without empty and . and .. segments.
func cleaned(p string) string {
	if !strings.HasPrefix(p, "/") || !strings.Contains(p, "//") && !strings.Contains(p, "/.") {
		return p
	}
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// header is a response writer of which only the status and the header are of interest.
type header struct {
	fields http.Header
	status int
}

// Header returns the header.
func (h *header) Header() http.Header {
	if h.fields == nil {
		h.fields = http.Header{}
	}
	return h.fields
}

// Write drops the body.
func (h *header) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader keeps the status.
func (h *header) WriteHeader(status int) { h.status = status }
