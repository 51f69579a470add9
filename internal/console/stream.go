package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxStreams is how many pages are served at once. It is less than the six connections that a browser opens to one
	// server, of which each page holds one: with all in use, no request could be sent.
	maxStreams = 4
	// pace is the shortest time between two writes to a page: a flood of records comes in fewer, larger pieces.
	pace = 50 * time.Millisecond
	// lastWord is how long telling a page that another one has taken its place may take.
	lastWord = time.Second
)

// errReplaced ends a stream in whose place a newer page's has come.
var errReplaced = errors.New("a newer page has taken this one's place")

// stream is one page's.
type stream struct{ end context.CancelCauseFunc }

// serveRecords is the stream of events (Server-Sent Events, https://html.spec.whatwg.org/multipage/server-sent-events.html):
//
//	hello     {"boot": TEXT}  first; another boot than before: dev was started anew
//	record    a record, see record.go
//	routes    {}              what serveRoutes says has changed: a route, or whether the broker is away
//	lost      {"count": N}    so many events were not sent, since the page was too slow
//	replaced  {}              the last: there are too many pages, and newer ones
func (c *Console) serveRecords(w http.ResponseWriter, r *http.Request) {
	ctx, end := context.WithCancelCause(r.Context())
	defer end(nil)
	s := &stream{end}
	if !c.enter(s) {
		http.Error(w, "dev is stopping", http.StatusServiceUnavailable)
		return
	}
	defer c.leave(s)
	control := http.NewResponseController(w)
	// A page that does not read blocks the write below, and is not to block the end.
	stop := context.AfterFunc(ctx, func() {
		deadline := time.Now()
		if context.Cause(ctx) == errReplaced {
			deadline = deadline.Add(lastWord)
		}
		_ = control.SetWriteDeadline(deadline) // a writer without deadlines is a test's, and does not block
	})
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	c.send(ctx, w, control, c.begin(r.Header.Get("Last-Event-ID")))
}

// send writes events until the page goes or the stream is ended.
func (c *Console) send(ctx context.Context, w http.ResponseWriter, control *http.ResponseController, next uint64) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "retry: 1000\nevent: hello\ndata: {\"boot\":%q}\n\n", c.recent.boot)
	for {
		events, first, more := c.recent.from(next)
		if next > 0 && first > next {
			fmt.Fprintf(&out, "event: lost\ndata: {\"count\":%d}\n\n", first-next)
		}
		for i, e := range events {
			fmt.Fprintf(&out, "id: %s.%d\nevent: %s\ndata: %s\n\n", c.recent.boot, first+uint64(i), e.name, e.data)
		}
		next = first + uint64(len(events))
		if _, err := w.Write(out.Bytes()); err != nil || control.Flush() != nil {
			return
		}
		out.Reset()
		select {
		case <-ctx.Done():
		case <-time.After(pace):
		}
		select {
		case <-more:
		case <-ctx.Done():
			if context.Cause(ctx) == errReplaced {
				fmt.Fprint(w, "event: replaced\ndata: {}\n\n") // an error is the client's going away
			}
			return
		}
	}
}

// begin is where a stream resumes: after the last event that the page has had, or with all there is.
func (c *Console) begin(lastID string) uint64 {
	if number, ok := strings.CutPrefix(lastID, c.recent.boot+"."); ok {
		if n, err := strconv.ParseUint(number, 10, 63); err == nil {
			return n + 1
		}
	}
	return 0
}

// enter notes a stream, and ends the oldest one if there are too many.
func (c *Console) enter(s *stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.streams = append(c.streams, s)
	if len(c.streams) > maxStreams {
		c.streams[0].end(errReplaced)
		c.streams = slices.Delete(c.streams, 0, 1)
	}
	return true
}

func (c *Console) leave(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams = slices.DeleteFunc(c.streams, func(other *stream) bool { return other == s })
}
