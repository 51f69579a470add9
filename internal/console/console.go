// Package console is the page of `kafkaupstream dev` below /_console/: it sends requests through the gateway that it is
// served beside, and shows the records that reach the broker as they come. cmd/kafkaupstream serves it and feeds it.
//
// It is for a developer's own machine and no part of `run`. It keeps the last records in memory, bounded in number and
// bytes, and never makes the one who reports a record wait. It produces nothing itself: the page's requests are the
// browser's, to the gateway. What the page changes in dev, a route or the broker, cmd/kafkaupstream does for it.
package console

import (
	"context"
	"embed"
	"encoding/json"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Path is where the console is served.
const Path = "/_console/"

// Options say what the page is about.
type Options struct {
	// Gateway is the URL that the gateway was started at, and Brokers is where the records go, as dev prints them.
	Gateway, Brokers string
	// Broker is dev's own broker, so that sending one more record to it does no harm; nil: the brokers are others'.
	Broker Broker
	// ListenHost is the host that the gateway listens on: the page may be asked for by that name too.
	ListenHost string
	// AllowOrigins are the origins, as in Origin, of other pages that may send requests to the gateway.
	AllowOrigins []string
	// Routes gives the routes of the gateway as they are now.
	Routes func() []Route
	// PutRoute makes a route or changes one, in the gateway that runs; nil: its routes stay as they are. The error says what is wrong
	// with it, and has nothing of `config`.
	PutRoute func(Edit) error
	// Partitions gives the brokers' topics, and how many partitions each has.
	Partitions func() (map[string]int, error)
}

// Broker can be taken away and brought back, to show what clients are answered meanwhile.
type Broker interface {
	Away() bool
	SetAway(away bool) error
}

// Console serves the page. Its methods may be called at any time by any goroutine.
type Console struct {
	options Options
	recent  history

	mu      sync.Mutex
	closed  bool
	streams []*stream // the oldest first
}

// New makes a console. Close ends it.
func New(o Options) *Console { return &Console{options: o, recent: newHistory()} }

// Record shows a record on the pages that are open, and on those that will be opened soon. It does not wait for them.
func (c *Console) Record(m *kafka.Message) { c.recent.add("record", encodeRecord(m)) }

// Changed notifies the open pages that a route has changed, or whether the broker is away.
func (c *Console) Changed() { c.recent.add("routes", []byte("{}")) }

// Close ends the streams that are open, at once, and refuses new ones.
func (c *Console) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, s := range c.streams {
		s.end(context.Canceled)
	}
}

// Before serves the console's path, refuses requests of other web pages, and leaves every other request to next.
func (c *Console) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, Path):
			c.ServeHTTP(w, r)
		case r.URL.Path+"/" == Path:
			http.Redirect(w, r, Path, http.StatusPermanentRedirect)
		case c.foreign(r):
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			w.Write([]byte(notForOthers)) // an error is the client's going away
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// notForOthers is a reply in the form of the plugin's.
const notForOthers = `{"code":403,"message":"the development gateway is not for other web pages; --allow-origin names those that it is for","delivered":"no"}` + "\n"

// ServeHTTP serves a request below Path.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	guard(w.Header())
	name := strings.TrimPrefix(r.URL.Path, Path)
	change := c.change(name)
	isData := name == "routes" || name == "records" || name == "topics" || change != nil
	switch {
	case !c.knownHost(r.Host):
		http.Error(w, "the console is not asked for by this name; use "+c.options.Gateway+Path, http.StatusForbidden)
	case isData && !sameOrigin(r):
		http.Error(w, "the console is not for other web pages", http.StatusForbidden)
	case change != nil:
		serveChange(w, r, change)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are allowed here", http.StatusMethodNotAllowed)
	case name == "routes":
		c.serveRoutes(w)
	case name == "topics":
		c.serveTopics(w)
	case name == "records":
		c.serveRecords(w, r)
	default:
		serveAsset(w, name)
	}
}

//go:embed assets
var assets embed.FS

// mediaTypes are those of the assets. The system's table of media types decides nothing.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

func serveAsset(w http.ResponseWriter, name string) {
	if name == "" {
		name = "index.html"
	}
	content, err := assets.ReadFile("assets/" + name)
	if err != nil {
		http.Error(w, "the console has nothing here", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", mediaTypes[path.Ext(name)])
	w.Write(content) // an error is the client's going away
}

// serveRoutes says what the page is about.
func (c *Console) serveRoutes(w http.ResponseWriter) {
	routes := []shownRoute{}
	for _, r := range c.options.Routes() {
		routes = append(routes, r.shown())
	}
	writeJSON(w, map[string]any{
		"gateway": c.options.Gateway, "brokers": c.options.Brokers, "embedded": c.options.Broker != nil,
		"away": c.options.Broker != nil && c.options.Broker.Away(), "editable": c.options.PutRoute != nil, "routes": routes,
	})
}

// maxTopics is how many topics a page chooses among.
const maxTopics = 1000

// serveTopics says what topics the brokers have: {"topics": [[name, partitions], …]}, in the order of the names.
func (c *Console) serveTopics(w http.ResponseWriter) {
	counts, err := c.options.Partitions()
	if err != nil {
		http.Error(w, "the brokers do not say what topics there are: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	topics := [][2]any{}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if topics = append(topics, [2]any{name, counts[name]}); len(topics) == maxTopics {
			break
		}
	}
	writeJSON(w, map[string]any{"topics": topics})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // an error is the client's going away
}
