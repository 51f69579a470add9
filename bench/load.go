package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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

// tally is what became of the calls of one run.
type tally struct {
	Answered int64 // 200
	Failed   int64
	Elapsed  time.Duration
	failure  error // the first one
}

// load calls a runner in a closed loop: on each connection the next call is made
// when the one before is answered.
type load struct {
	connections int
	// connect opens a connection; call returns the status and the body of a reply.
	connect func() (call func() (status int, body []byte, err error), err error)
	close   func()
}

// pluginLoad calls as APISIX does.
func pluginLoad(socket string, token uint32, connections int, body []byte, contentType string) *load {
	client := gateway.NewClient(socket, gateway.ClientOptions{MaxIdle: connections, Timeout: callTimeout})
	return &load{connections, func() (func() (int, []byte, error), error) {
		request := newRequest(body, contentType)
		return func() (int, []byte, error) {
			// Not the run's context: to be cancellable costs the client time in every call.
			r, err := client.Call(context.Background(), token, request)
			if err == nil && r.Action != gateway.ActionStop {
				err = errPassed
			}
			if err != nil {
				return 0, nil, err
			}
			return r.Status, r.Body, nil
		}, nil
	}, func() { client.Close() }}
}

// httpLoad calls as a gateway does that keeps its connections to an upstream.
func httpLoad(socket string, connections int, body []byte, contentType string) *load {
	request := fmt.Appendf(nil, "POST /orders HTTP/1.1\r\nHost: 127.0.0.1:9080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		contentType, len(body), body)
	var mu sync.Mutex
	var open []net.Conn
	return &load{connections, func() (func() (int, []byte, error), error) {
		c, err := net.Dial("unix", socket)
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
	}, func() {
		for _, c := range open {
			c.Close()
		}
	}}
}

// run calls for the time d, or until ctx ends.
func (l *load) run(ctx context.Context, d time.Duration) tally {
	var (
		stop             atomic.Bool
		answered, failed atomic.Int64
		first            sync.Once
		failure          error
		done             sync.WaitGroup
	)
	timer := time.AfterFunc(d, func() { stop.Store(true) })
	defer timer.Stop()
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()

	begin := time.Now()
	for range l.connections {
		done.Go(func() {
			call, err := l.connect()
			for err == nil && !stop.Load() {
				status, body, wrong := call()
				if wrong == nil && status == http.StatusOK {
					answered.Add(1)
					continue
				}
				if wrong == nil {
					wrong = fmt.Errorf("status %d: %s", status, body)
					if status == http.StatusServiceUnavailable {
						time.Sleep(backOff)
					}
				}
				failed.Add(1)
				first.Do(func() { failure = wrong })
			}
			if err != nil {
				first.Do(func() { failure = err })
			}
		})
	}
	done.Wait()
	return tally{answered.Load(), failed.Load(), time.Since(begin), failure}
}

// newRequest is a request as APISIX hands a POST of curl's over.
func newRequest(body []byte, contentType string) *gateway.Request {
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

// jsonBody returns a JSON array of orders without white space, of exactly n bytes
// (at least jsonBodyMin).
func jsonBody(n int) []byte {
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

// jsonBodyMin is the shortest body that jsonBody makes, in bytes.
const jsonBodyMin = len(`[""]`)
