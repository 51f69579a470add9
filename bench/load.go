package main

import (
	"context"
	"errors"
	"fmt"
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
	client      *gateway.Client
	token       uint32
	connections int
	body        []byte
	contentType string
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
			request := newRequest(l.body, l.contentType)
			for !stop.Load() {
				// Not ctx: to be cancellable costs the client time in every call.
				response, err := l.client.Call(context.Background(), l.token, request)
				switch {
				case err == nil && response.Action == gateway.ActionStop && response.Status == http.StatusOK:
					answered.Add(1)
					continue
				case err == nil && response.Action != gateway.ActionStop:
					err = errPassed
				case err == nil:
					err = fmt.Errorf("status %d: %s", response.Status, response.Body)
					if response.Status == http.StatusServiceUnavailable {
						time.Sleep(backOff)
					}
				}
				failed.Add(1)
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
