package rig

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
)

const (
	// callTimeout is how long a runner may leave a call unanswered.
	callTimeout = 10 * time.Second
	// backOff is how long a connection waits after a 503, the reply of a plugin whose queue is
	// full: without a pause the refusals would be measured.
	backOff = time.Millisecond
)

// errPassed: the plugin did not get the body and had nothing to answer.
var errPassed = errors.New("the runner answered nothing and let the request pass")

// Tally is what became of the calls of one run.
type Tally struct {
	Answered int64 // as Load.Expect has it
	Failed   int64
	Elapsed  time.Duration
	Failure  error           // the first one
	Took     []time.Duration // the answered calls, sorted
}

// Load calls a runner in a closed loop: on each connection the next call is made
// when the one before is answered.
type Load struct {
	Connections int
	Expect      int // the status that counts as answered; 0: 200

	// connect opens a connection; call returns the status and the body of a reply.
	connect func() (call func() (status int, body []byte, err error), err error)
	close   func()
}

// Requests is called for each connection, and what it returns for each call.
type Requests func() (next func() *gateway.Request)

// Same makes every request with the same body.
func Same(body []byte, contentType string) Requests {
	return func() func() *gateway.Request {
		request := NewRequest(body, contentType)
		return func() *gateway.Request { return request }
	}
}

// PluginLoad calls as APISIX does, the route that the token stands for.
func PluginLoad(socket string, token uint32, connections int, requests Requests) *Load {
	client := gateway.NewClient(socket, gateway.ClientOptions{MaxIdle: connections, Timeout: callTimeout})
	return &Load{Connections: connections, connect: func() (func() (int, []byte, error), error) {
		next := requests()
		return func() (int, []byte, error) {
			// Not the run's context: to be cancellable costs the client time in every call.
			r, err := client.Call(context.Background(), token, next())
			if err == nil && r.Action != gateway.ActionStop {
				err = errPassed
			}
			if err != nil {
				return 0, nil, err
			}
			return r.Status, r.Body, nil
		}, nil
	}, close: func() { client.Close() }}
}

// HTTPLoad calls as a gateway does that keeps its connections to an upstream.
func HTTPLoad(network, address string, connections int, body []byte, contentType string) *Load {
	request := fmt.Appendf(nil, "POST /orders HTTP/1.1\r\nHost: 127.0.0.1:9080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		contentType, len(body), body)
	var mu sync.Mutex
	var open []net.Conn
	return &Load{Connections: connections, connect: func() (func() (int, []byte, error), error) {
		c, err := net.Dial(network, address)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		open = append(open, c)
		mu.Unlock()
		reader := bufio.NewReader(c)
		return func() (int, []byte, error) {
			if _, err := c.Write(request); err != nil {
				return 0, nil, err
			}
			r, err := http.ReadResponse(reader, nil)
			if err != nil {
				return 0, nil, err
			}
			reply, err := io.ReadAll(r.Body)
			return r.StatusCode, reply, err
		}, nil
	}, close: func() {
		for _, c := range open {
			c.Close()
		}
	}}
}

// Close closes the connections.
func (l *Load) Close() { l.close() }

// Run calls for the time d, or until ctx ends.
func (l *Load) Run(ctx context.Context, d time.Duration) Tally {
	var stop atomic.Bool
	timer := time.AfterFunc(d, func() { stop.Store(true) })
	defer timer.Stop()
	return l.run(ctx, &stop, func() bool { return true })
}

// RunN makes n calls, or as many until ctx ends.
func (l *Load) RunN(ctx context.Context, n int64) Tally {
	var left atomic.Int64
	left.Store(n)
	return l.run(ctx, new(atomic.Bool), func() bool { return left.Add(-1) >= 0 })
}

// run calls on all connections until stop is set, or ctx ends, or more says no.
func (l *Load) run(ctx context.Context, stop *atomic.Bool, more func() bool) Tally {
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	own := make([]Tally, l.Connections)
	var done sync.WaitGroup
	begin := time.Now()
	for i := range own {
		done.Go(func() { own[i] = l.loop(stop, more) })
	}
	done.Wait()
	all := Tally{Elapsed: time.Since(begin)}
	for _, t := range own {
		all.Answered, all.Failed, all.Took = all.Answered+t.Answered, all.Failed+t.Failed, append(all.Took, t.Took...)
		if all.Failure == nil {
			all.Failure = t.Failure
		}
	}
	slices.Sort(all.Took)
	return all
}

// loop is one connection.
func (l *Load) loop(stop *atomic.Bool, more func() bool) (t Tally) {
	call, err := l.connect()
	if err != nil {
		t.Failure = err
		return t
	}
	for !stop.Load() && more() {
		begin := time.Now()
		status, body, wrong := call()
		if wrong == nil && status == cmp.Or(l.Expect, http.StatusOK) {
			t.Answered++
			t.Took = append(t.Took, time.Since(begin))
			continue
		}
		if wrong == nil {
			wrong = fmt.Errorf("status %d: %s", status, body)
			if status == http.StatusServiceUnavailable {
				time.Sleep(backOff)
			}
		}
		t.Failed++
		if t.Failure == nil {
			t.Failure = wrong
		}
	}
	return t
}

// NewRequest is a request as APISIX hands a POST of curl's over.
func NewRequest(body []byte, contentType string) *gateway.Request {
	return &gateway.Request{
		SrcIP:  []byte{127, 0, 0, 1},
		Method: http.MethodPost,
		Path:   "/orders",
		Headers: []gateway.Entry{
			{Name: "host", Value: "127.0.0.1:9080"},
			{Name: "user-agent", Value: "curl/8.5.0"},
			{Name: "accept", Value: "*/*"},
			{Name: "content-type", Value: contentType},
			{Name: "content-length", Value: strconv.Itoa(len(body))},
		},
		Body: func() ([]byte, error) { return body, nil },
	}
}

// JSONBody returns a JSON array of orders without white space, of exactly n bytes
// (at least JSONBodyMin).
func JSONBody(n int) []byte {
	body := []byte(`[`)
	for i := 0; ; i++ {
		order := fmt.Appendf(nil, `{"id":%d,"customer":"c-%05d","amount":%d.%02d,"paid":%t,"note":"n\u00e4chste Woche"},`,
			i, i*7919%100000, i*37%1000, i%100, i%2 == 0)
		if len(body)+len(order)+len(`""]`) > n {
			break
		}
		body = append(body, order...)
	}
	body = append(body, '"')
	for len(body) < n-len(`"]`) {
		body = append(body, 'x')
	}
	return append(body, `"]`...)
}

// JSONBodyMin is the shortest body that JSONBody makes, in bytes.
const JSONBodyMin = len(`[""]`)
