package verify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

// Header is a header line of each request.
type Header struct{ Name, Value string }

// What stands for a record's key and value in a request's URL, headers and body. The key is
// of letters, digits and "-", the value is JSON.
const (
	KeyMark   = "{key}"
	ValueMark = "{value}"
)

// maxReply is how much of a reply is read.
const maxReply = 64 << 10

// load sends records.
type load struct {
	*Options
	run    ledger.Run
	client *http.Client
	ledger ledger.Ledger
	pace   *ledger.Pace
	left   atomic.Int64           // records that may be sent
	sent   atomic.Int64           // replies, or the lack of one
	broken atomic.Int64           // replies that are no 2xx, or the lack of one
	silent atomic.Pointer[string] // why the first request without a reply has none
	other  atomic.Pointer[string] // a topic that a reply names instead of Topic
}

// reserved is the most records for which there is room from the beginning.
const reserved = 1_000_000

func newLoad(o *Options, run ledger.Run) *load {
	l := &load{Options: o, run: run, pace: ledger.NewPace()}
	l.ledger.Reserve(min(o.Records, reserved))
	// No clone of http.DefaultTransport, whose TLS settings go on offering HTTP/2 to the gateway.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: o.Connections, MaxIdleConnsPerHost: o.Connections}
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true) // HTTP/2 would make one connection of all
	l.client = &http.Client{
		Transport: transport,
		Timeout:   o.Timeout,
		// A redirect is a reply. To follow it would send the record twice.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return l
}

// reach looks whether somebody listens at the URL, without asking anything.
func (l *load) reach(ctx context.Context) error {
	u, err := url.Parse(l.URL)
	if err != nil {
		return secrets.WithoutURL(err)
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err != nil || proxy != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	port := u.Port()
	var dial interface {
		DialContext(context.Context, string, string) (net.Conn, error)
	} = &net.Dialer{}
	if u.Scheme == "https" {
		dial = &tls.Dialer{}
	}
	if port == "" {
		port = u.Scheme // "http" and "https" are names of ports
	}
	conn, err := dial.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return fmt.Errorf("the gateway cannot be reached: %w", err)
	}
	return conn.Close()
}

// send sends the records and returns when all have an answer. When sending ends, no
// further request is begun; when ctx ends, those under way are given up.
func (l *load) send(sending, ctx context.Context) {
	l.left.Store(int64(l.Records))
	if l.Rate > 0 {
		l.pace.Feed(l.Rate)
	} else {
		l.pace.Grant(l.Records)
	}
	stop := context.AfterFunc(sending, l.pace.End)
	defer stop()
	if l.Duration > 0 {
		timer := time.AfterFunc(l.Duration, l.pace.End)
		defer timer.Stop()
	}
	var workers sync.WaitGroup
	for worker := range l.Connections {
		workers.Go(func() { l.work(ctx, worker) })
	}
	workers.Wait()
	l.pace.End()
	l.client.CloseIdleConnections()
}

// work is one client. It has keys of its own and waits for each answer, so that the
// records of a key are sent one after another.
func (l *load) work(ctx context.Context, worker int) {
	numbers := make([]int32, (l.Keys-worker+l.Connections-1)/l.Connections)
	for i := 0; l.take() && ctx.Err() == nil; i = (i + 1) % len(numbers) {
		numbers[i]++
		e := ledger.Entry{ID: ledger.ID{Key: int32(worker + i*l.Connections), Number: numbers[i]}}
		e.Size = int32(max(l.Size-len(l.run.Value(e.ID, e.Content)), 0))
		l.post(ctx, &e)
		l.ledger.Write(e)
		l.sent.Add(1)
		if e.Status < 200 || e.Status > 299 {
			l.broken.Add(1)
		}
	}
}

// take waits for leave to send a record. Who takes the last one ends the load.
func (l *load) take() bool {
	if l.pace.Take(1) == 0 {
		return false
	}
	left := l.left.Add(-1)
	if left <= 0 {
		l.pace.End()
	}
	return left >= 0
}

// post sends a record and writes down what comes back.
func (l *load) post(ctx context.Context, e *ledger.Entry) {
	req, err := l.request(ctx, e)
	e.Send()
	defer e.Answered()
	if err == nil {
		err = l.exchange(req, e)
	}
	if err != nil {
		why := secrets.WithoutURL(err).Error()
		l.silent.CompareAndSwap(nil, &why)
	}
}

// exchange has an error where there is no reply.
func (l *load) exchange(req *http.Request, e *ledger.Entry) error {
	resp, err := l.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err == nil {
		_, err = io.CopyN(io.Discard, resp.Body, maxReply) // what is left, so that the connection can be used again
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if topic := e.Enter(resp.StatusCode, body); topic != "" && topic != l.Topic {
		l.other.Store(&topic)
	}
	return nil
}

func (l *load) request(ctx context.Context, e *ledger.Entry) (*http.Request, error) {
	fill := strings.NewReplacer(KeyMark, ledger.KeyText(e.Key), ValueMark, string(l.run.Value(e.ID, e.Content)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.ReplaceAll(l.URL, KeyMark, ledger.KeyText(e.Key)),
		strings.NewReader(fill.Replace(l.Body)))
	if err != nil {
		return nil, err
	}
	// Without it net/http repeats no request. It would, when a connection breaks and the
	// headers have an Idempotency-Key, and the gateway be charged with the second record.
	req.GetBody = nil
	req.Header.Set("content-type", "application/json")
	req.Header.Set("user-agent", "kafkaupstream-verify")
	for _, h := range l.Headers {
		if value := fill.Replace(h.Value); strings.EqualFold(h.Name, "host") {
			req.Host = value
		} else {
			req.Header.Set(h.Name, value)
		}
	}
	return req, nil
}
