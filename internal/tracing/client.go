package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

const (
	// firstPause is before the second attempt; each further pause is twice as long.
	firstPause = 200 * time.Millisecond
	// maxReply bounds what is read of a reply, in bytes: nothing in it is of interest.
	maxReply = 64 << 10
)

// client posts spans to a collector: OTLP over HTTP, in protobuf. It implements
// otlptrace.Client, which calls it from one goroutine in the background; meanwhile spans
// wait in a queue of the SDK's, and are dropped when that is full.
type client struct {
	*settings
	http *http.Client
	log  *slog.Logger

	exported, failed atomic.Int64 // spans
	ending           chan struct{}
	hurry            func()
}

func newClient(s *settings, log *slog.Logger) *client {
	ending := make(chan struct{})
	return &client{
		settings: s, log: log, ending: ending,
		hurry: sync.OnceFunc(func() { close(ending) }), // no attempt is repeated any more
		http: &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: s.tls, ForceAttemptHTTP2: true, MaxIdleConns: 1, IdleConnTimeout: time.Minute,
			},
			// The headers are for this collector, and for nobody that it names.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Start does nothing: a collector that is away is no reason not to begin.
func (c *client) Start(context.Context) error { return nil }

// Stop closes the connection.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces posts spans. It never fails: what was not taken in time is counted, and
// logged without a word of what the collector said.
func (c *client) UploadTraces(ctx context.Context, all []*tracepb.ResourceSpans) error {
	n := int64(0)
	for _, of := range all {
		for _, scope := range of.GetScopeSpans() {
			n += int64(len(scope.GetSpans()))
		}
	}
	// An ExportTraceServiceRequest has the same encoding.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: all})
	if err == nil {
		err = c.export(ctx, c.compressed(body))
	}
	if err != nil {
		c.failed.Add(n)
		c.log.Warn("spans could not be exported; they are lost", "collector", c.url.Host, "spans", n, "error", err)
		return nil
	}
	c.exported.Add(n)
	return nil
}

func (c *client) compressed(body []byte) []byte {
	if !c.gzip {
		return body
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // into memory: cannot fail
	_ = w.Close()
	return b.Bytes()
}

// export posts until the collector has taken the body or refused it, or time is up.
func (c *client) export(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for pause := firstPause; ; pause *= 2 {
		again, err := c.post(ctx, body)
		if err == nil || !again {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-c.ending:
			return err
		case <-time.After(pause):
		}
	}
}

// post makes one attempt; again reports whether another one is worth while.
func (c *client) post(ctx context.Context, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.String(), bytes.NewReader(body))
	if err != nil {
		return false, errors.New("the endpoint is no URL to post to")
	}
	req.Header = c.header.Clone()
	req.Header.Set("Content-Type", "application/x-protobuf")
	if c.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return true, secrets.WithoutURL(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxReply))
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	if resp.StatusCode/100 != 2 {
		return again, fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	return false, nil
}
