package main

import (
	"context"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// These tests hold /metrics to what happens: every event of the table is brought about
// with the real binary, and the series that are to move with it are looked at.

// event is something that happens to a runner which has just been started.
type event struct {
	name string
	args []string
	// before prepares what the runner finds; do brings the event about. Both may be nil.
	before, do func(*testing.T, *observed)
	// shows is what the series say then; of those that count requests, records, frames or
	// failures, all that are not 0.
	shows map[string]float64
}

// some is a value above 0 of which no more is known.
const some = -1

// observed is a runner, what is around it, and APISIX's side of its socket.
type observed struct {
	*gateway.Client
	t                    *testing.T
	dir, socket, address string
	spool                string
	process              *program.Process
	options              program.Options       // without --admin and --spool-dir
	broker               func() *kfake.Cluster // started when it is first asked for
}

// exact are the metrics of which an event moves the series that it names, and no other.
var exact = regexp.MustCompile(`^kafkaupstream_(requests|records|record_failures|delivery_reports|apisix_connections_broken|` +
	`apisix_frames_refused|apisix_tokens_unknown|configurations_invalid|producer_fatal_errors|log_lines_dropped|admin_listen_failures)_total`)

func TestSeriesMoveWithTheirEvents(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen, named, happened := map[string]bool{}, map[string]bool{}, 0
	t.Run("events", func(t *testing.T) {
		for _, e := range events() {
			for series := range e.shows {
				named[series] = true
			}
			t.Run(e.name, func(t *testing.T) {
				t.Parallel()
				samples := e.happens(t)
				mu.Lock()
				defer mu.Unlock()
				happened++
				for series := range samples {
					seen[series] = true
				}
			})
		}
	})
	if happened < len(events()) { // one has failed, or only some were asked for
		return
	}
	for _, series := range slices.Sorted(maps.Keys(seen)) {
		if !named[series] {
			t.Errorf("%s moves with no event", series)
		}
	}
	for _, series := range slices.Sorted(maps.Keys(named)) {
		if !seen[series] {
			t.Errorf("there is no %s", series)
		}
	}
}

// happens brings the event about, and returns what the runner showed after it.
func (e *event) happens(t *testing.T) map[string]float64 {
	o := observe(t, e.args...)
	if e.before != nil {
		e.before(t, o)
	}
	o.start()
	initially := samplesOf(o.address)
	if e.do != nil {
		e.do(t, o)
		for series := range e.shows {
			if v, ok := initially[series]; ok && e.is(series, v) {
				t.Errorf("%s was %v before anything happened", series, v)
			}
		}
	}
	var now map[string]float64
	defer func() {
		for series, v := range now {
			if want, ok := e.shows[series]; t.Failed() && (ok && !e.is(series, v) || !ok && v != 0 && exact.MatchString(series)) {
				t.Logf("%s is %v, want %v", series, v, want)
			}
		}
	}()
	program.Until(t, "the series show what has happened", func() bool {
		now = samplesOf(o.address)
		for series := range e.shows {
			if v, ok := now[series]; !ok || !e.is(series, v) {
				return false
			}
		}
		return true
	})
	for series, v := range now {
		if _, ok := e.shows[series]; !ok && v != 0 && exact.MatchString(series) {
			t.Errorf("%s is %v, and the event has nothing to do with it", series, v)
		}
	}
	return now
}

// is reports whether the value is what the event makes of the series.
func (e *event) is(series string, value float64) bool {
	want := e.shows[series]
	return value == want || want == some && value > 0
}

// observe returns a runner that is still to be started.
func observe(t *testing.T, args ...string) *observed {
	t.Helper()
	o := &observed{t: t, dir: shortDir(t), address: program.FreeAddress(t)}
	o.socket, o.spool = filepath.Join(o.dir, "r.sock"), filepath.Join(o.dir, "spool")
	o.options = program.Options{Args: args, Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + gone, "OTEL_BSP_SCHEDULE_DELAY=1"}}
	o.broker = sync.OnceValue(func() *kfake.Cluster { return startBroker(t) })
	o.Client = gateway.NewClient(o.socket, gateway.ClientOptions{})
	t.Cleanup(func() { o.Close() })
	return o
}

// start starts the runner and waits until its numbers can be had.
func (o *observed) start() {
	o.t.Helper()
	options := o.options
	options.Args = append([]string{"--admin", o.address, "--spool-dir", o.spool}, options.Args...)
	o.process = startRun(o.t, o.socket, options)
	program.Until(o.t, "the metrics are served", func() bool { return o.process.Ended() || answers(o.address) })
}

// route prepares a route to the broker.
func (o *observed) route(properties, rest string) *caller {
	o.t.Helper()
	return o.prepared(route(o.broker(), properties, rest))
}

func (o *observed) prepared(conf string) *caller {
	o.t.Helper()
	a := &caller{Client: o.Client}
	a.prepare(o.t, conf)
	return a
}

// sends posts a request of these headers and expects the status.
func (o *observed) sends(a *caller, want int, body string, headers ...string) {
	o.t.Helper()
	o.expects(a, want, request("POST", body, headers...))
}

func (o *observed) expects(a *caller, want int, r *gateway.Request) {
	o.t.Helper()
	reply, err := a.Call(context.Background(), a.token, r)
	if err != nil || reply.Status != want {
		o.t.Fatalf("got %+v, %v; want %d", reply, err, want)
	}
}

// request makes a request; headers are names and values in turn.
func request(method, body string, headers ...string) *gateway.Request {
	r := &gateway.Request{Method: method, Path: "/", Body: func() ([]byte, error) { return []byte(body), nil }}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, gateway.Entry{Name: headers[i], Value: headers[i+1]})
	}
	return r
}

var (
	sampleLine = regexp.MustCompile(`(?m)^(kafkaupstream_[a-z0-9_]+)(\{.*\})? (\S+)$`)
	names      = regexp.MustCompile(`(producer|broker)="[^"]*"`)
)

// samplesOf reads /metrics. Series of several producers or brokers are added up under
// one name, and of a histogram there is the count alone.
func samplesOf(address string) map[string]float64 {
	_, text := fetch(address, "/metrics")
	samples := map[string]float64{}
	for _, m := range sampleLine.FindAllStringSubmatch(text, -1) {
		if strings.HasSuffix(m[1], "_bucket") || strings.HasSuffix(m[1], "_sum") {
			continue
		}
		value, _ := strconv.ParseFloat(m[3], 64)
		samples[m[1]+names.ReplaceAllString(m[2], `$1="…"`)] += value
	}
	return samples
}
