package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/api7/ext-plugin-proto/go/A6"

	"github.com/kafkaupstream/kafkaupstream/internal/nginxuri"
)

// Options of a Gateway; the zero value is a gateway without a log.
type Options struct {
	// Logger gets what APISIX writes to its error.log: why a request was answered 503. nil: nothing.
	Logger *slog.Logger
	// Vars are variables that win over the gateway's own, such as consumer_name, which an authentication plugin sets
	// in APISIX. Not to be changed once the gateway serves.
	Vars map[string]string
	// Rewrite returns what is used of the value of a plugin's configuration. The Admin API shows the value as it was put.
	Rewrite func(name, value string) string
	// OnRoute is called with each route that was put, with the configuration as it goes to the runner.
	OnRoute func(Route)
	// OnDelete is called with the ID of each route that was deleted.
	OnDelete func(id string)
}

// Gateway serves routes over HTTP by calling the runner, and the Admin API below /apisix/admin. It is an
// http.Handler for any server; it starts nothing and needs no closing.
//
// A request goes the way that it goes in APISIX: match a route (else 404), prepare the route's configuration once, call
// the runner. A body of more than MaxBody bytes is answered 503 when the runner asks for it. A stop is answered as the runner says. A token that the runner no longer knows is prepared again, up to
// three tries in all. Any other error is 503. A request that the runner lets pass is 503 too: there is no upstream.
type Gateway struct {
	client     *Client
	options    Options
	generation atomic.Uint64

	mu     sync.Mutex
	index  uint64
	routes map[string]*liveRoute
	table  atomic.Pointer[routeTable] // of routes
}

// New makes a gateway that calls the runner through c.
//
// Versions of routes begin at a random number: a runner may give the token of old for a key that it has seen, and
// another gateway may have used the same route IDs with it.
func New(c *Client, o Options) *Gateway {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{client: c, options: o, index: rand.Uint64N(1 << 40), routes: map[string]*liveRoute{}}
	g.generation.Store(1)
	g.table.Store(newRouteTable(nil))
	return g
}

// PutRoute creates or replaces the route with that ID. The error says what is wrong with it.
func (g *Gateway) PutRoute(r Route) error {
	_, _, err := g.put(r, nil)
	return err
}

// put puts a route that the Admin API shows as value; nil: as it is given here.
func (g *Gateway) put(r Route, value map[string]any) (live *liveRoute, created bool, err error) {
	r = r.clone()
	r.Phase = cmp.Or(r.Phase, PostReq)
	if err := r.Validate(); err != nil {
		return nil, false, err
	}
	if value == nil {
		value = routeValue(&r)
	}
	if g.options.Rewrite != nil {
		for i, c := range r.Conf {
			r.Conf[i].Value = g.options.Rewrite(c.Name, c.Value)
		}
	}
	live = &liveRoute{Route: r, value: value}
	created = g.install(live)
	if g.options.OnRoute != nil {
		g.options.OnRoute(live.Route.clone())
	}
	return live, created, nil
}

func (g *Gateway) install(live *liveRoute) (created bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.index++
	old := g.routes[live.ID]
	live.created, live.modified, live.createTime = g.index, g.index, time.Now().Unix()
	if old != nil {
		live.created, live.createTime = old.created, old.createTime
	}
	live.Version = g.index
	live.value["create_time"], live.value["update_time"] = live.createTime, time.Now().Unix()
	g.routes[live.ID] = live
	g.table.Store(newRouteTable(g.routes))
	return old == nil
}

// DeleteRoute removes a route and reports whether there was one. Requests that have matched it are still served.
func (g *Gateway) DeleteRoute(id string) bool {
	deleted := g.remove(id)
	if deleted && g.options.OnDelete != nil {
		g.options.OnDelete(id)
	}
	return deleted
}

func (g *Gateway) remove(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.routes[id]
	delete(g.routes, id)
	g.table.Store(newRouteTable(g.routes))
	return ok
}

// Routes returns the routes as they are in use, ordered by ID.
func (g *Gateway) Routes() []Route {
	var routes []Route
	for _, live := range g.list() {
		routes = append(routes, live.Route.clone())
	}
	return routes
}

func (g *Gateway) list() []*liveRoute {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]*liveRoute, 0, len(g.routes))
	for _, live := range g.routes {
		list = append(list, live)
	}
	slices.SortFunc(list, func(a, b *liveRoute) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func (g *Gateway) get(id string) *liveRoute {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.routes[id]
}

func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// As nginx, answer before the rest of a body that nobody asked for; net/http would wait for it. The error is
		// that of a ResponseWriter which does not wait.
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		defer linger(c, r.Body)
	}
	if !nginxuri.Clean(r.URL) {
		errorPage(w, http.StatusBadRequest)
		return
	}
	path := r.URL.Path
	if isAdmin(path) {
		g.serveAdmin(w, r, path)
		return
	}
	route := g.table.Load().match(r.Method, nginxuri.HostName(r.Host), path)
	if route == nil {
		writeJSON(w, http.StatusNotFound, map[string]string{"error_msg": "404 Route Not Found"})
		return
	}
	if _, ok := A6.EnumValuesMethod[r.Method]; !ok {
		// APISIX fails in its own code here and answers 500: it has no number for the method.
		errorPage(w, http.StatusMethodNotAllowed)
		return
	}
	g.serve(w, r, route)
}

// lingerTime is how long the rest of a body is read after the answer (nginx: lingering_time, 30 s).
const lingerTime = 5 * time.Second

// linger reads what is left of a body after the answer has been sent, as nginx does: a client that is still sending
// would otherwise see a reset connection instead. It also keeps net/http from finding the end of the body after it
// has begun to wait for the next request, which it does not survive in full duplex.
func linger(c *http.ResponseController, body io.Reader) {
	if c.Flush() != nil || c.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	if _, err := io.Copy(io.Discard, body); err == nil {
		_ = c.SetReadDeadline(time.Time{})
	}
}

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, route *liveRoute) {
	c := newRequestContext(g, r, route)
	resp, err := g.communicate(r.Context(), route, &c.request)
	switch {
	case err == nil && resp.Action == ActionStop:
		writeStop(w, resp)
		return
	case err == nil: // the runner lets it pass
	case errors.Is(err, errClientBody):
		errorPage(w, http.StatusBadRequest)
		return
	default:
		g.options.Logger.Error("the ext-plugin runner failed", "route", route.ID, "error", err)
		if !route.AllowDegradation {
			errorPage(w, http.StatusServiceUnavailable)
			return
		}
	}
	writeJSON(w, http.StatusServiceUnavailable,
		map[string]string{"error_msg": "missing upstream configuration in Route or Service"})
}

// communicate is APISIX's function of that name: up to three tries while the runner does not know the token. As in
// APISIX, where nobody watches the client during a call, a client that goes away does not end the call.
func (g *Gateway) communicate(ctx context.Context, route *liveRoute, r *Request) (resp *Response, err error) {
	ctx = context.WithoutCancel(ctx)
	for range 3 {
		var t *token
		var value uint32
		if t, value, err = g.tokenOf(route); err == nil {
			resp, err = g.client.Call(ctx, value, r)
		}
		if !errors.Is(err, ErrConfTokenNotFound) {
			return resp, err
		}
		g.flush(t)
	}
	return nil, fmt.Errorf("after 3 tries: %w", err)
}
