// Package notify notifies an operator of what needs a person, by a command, a webhook
// or both: a [Notifier] takes an [Event], and each of the two gets at most one
// notification for a cause (an event of a stream and a topic) in an interval.
//
// It is not a log, nor a queue: what happens again within the interval is counted
// and the sum sent at its end, nothing is tried twice, and nothing is kept over a
// restart. A notification carries no key, no payload and no property. internal/durable
// calls it; flags or their environment give it its Options.
package notify

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	// maxText bounds each text of an event, in bytes, so that events that wait are
	// small and fit into a process's environment.
	maxText = 1000
	// grace is how long Close waits for what it has cut short to end.
	grace = 200 * time.Millisecond
)

// StreamSuspended is the Event of a stream that is not sent until an operator resumes it: it is sent before all others, and
// always under its own name.
const StreamSuspended = "stream_suspended"

// Event is something that needs a person. It never has a key, payload or property.
type Event struct {
	Event   string    `json:"event"`   // what happened: StreamSuspended, "dead_letter"; "others", see Tell
	Stream  string    `json:"stream"`  // where
	Topic   string    `json:"topic"`   // the topic of the records, may be empty
	Reason  string    `json:"reason"`  // why, for a person to read
	Receipt string    `json:"receipt"` // by which the records are found, may be empty
	Count   int       `json:"count"`   // how many times, at least 1
	Time    time.Time `json:"time"`    // when, the last time
}

// printable returns a copy, so that a short text does not keep a long one in memory.
// Topics and reasons can come from clients and brokers: control characters would break
// a variable or a mail's header.
func printable(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxText)], "\uFFFD")
	return strings.Clone(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
}

// Options say how an operator is notified. Without Command and Webhook, events are dropped.
type Options struct {
	// Command is run by /bin/sh -c with the Event as JSON on its standard input, and
	// in KAFKAUPSTREAM_EVENT, _STREAM, _TOPIC, _REASON, _RECEIPT, _COUNT and _TIME
	// besides this process's environment. It fails if its status is not 0.
	Command string
	// Webhook is an http or https URL that the Event is posted to as JSON. It fails
	// if the reply's status is not 2xx; redirects are not followed.
	Webhook string
	// Interval is the shortest time between two notifications of a cause, 1 m if 0.
	Interval time.Duration
	// Timeout is the longest that one command or request may take, 10 s if 0.
	Timeout time.Duration
	// Log gets a line for each notification that failed, with no more of a URL than its host.
	Log *slog.Logger
}

// Validate returns an error that names the option and what is allowed, and quotes no
// value.
func (o Options) Validate() error {
	switch {
	case o.Interval < 0:
		return fmt.Errorf("interval: expected a duration that is not negative, got %v", o.Interval)
	case o.Timeout < 0:
		return fmt.Errorf("timeout: expected a duration that is not negative, got %v", o.Timeout)
	case o.Webhook == "":
		return nil
	}
	_, err := parseWebhook(o.Webhook)
	return err
}

func (o Options) withDefaults() Options {
	if o.Interval <= 0 {
		o.Interval = time.Minute
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Notifier notifies an operator of events. It can be used by several goroutines at
// once. A nil Notifier, and one without command and webhook, does nothing.
type Notifier struct {
	workers []*worker
	running sync.WaitGroup
	cancel  context.CancelFunc
}

// New starts a notifier, which is to be closed. A webhook that Validate refuses is
// logged and not used.
func New(o Options) *Notifier {
	o = o.withDefaults()
	var targets []target
	if o.Command != "" {
		targets = append(targets, target{"command", command(o.Command)})
	}
	if o.Webhook != "" {
		if url, err := parseWebhook(o.Webhook); err != nil {
			o.Log.Error("notifications by webhook are off", "error", err)
		} else {
			targets = append(targets, target{"webhook", webhook(url)})
		}
	}
	return start(o, targets)
}

func start(o Options, targets []target) *Notifier {
	ctx, cancel := context.WithCancel(context.Background())
	n := &Notifier{cancel: cancel}
	for _, t := range targets {
		w := &worker{target: t, opts: o, wake: make(chan struct{}, 1), causes: map[cause]*held{}}
		n.workers = append(n.workers, w)
		n.running.Go(func() { w.run(ctx) })
	}
	return n
}

// Tell queues a notification of an event, and never waits. If the same event of the
// same stream and topic was sent within the interval, it is sent at the interval's
// end, with the reason, receipt and time of the last one and the sum of the counts.
// From 1,000 causes within an interval, further ones are sent as one, whose event is
// "others", with the sum of theirs. A count below 1 is 1, a zero time is now; texts
// end after 1,000 bytes. After Close it does nothing.
func (n *Notifier) Tell(e Event) {
	if n == nil || len(n.workers) == 0 {
		return
	}
	for _, text := range []*string{&e.Event, &e.Stream, &e.Topic, &e.Reason, &e.Receipt} {
		*text = printable(*text)
	}
	now := time.Now()
	if e.Time.IsZero() {
		e.Time = now
	}
	e.Time, e.Count = e.Time.UTC(), max(e.Count, 1)
	for _, w := range n.workers {
		w.tell(e, now)
	}
}

// Close sends what waits, due or not, and returns when that is done. When ctx ends
// before, what is under way is cut short (a command is killed), the rest is not
// sent, and the error is that of ctx.
func (n *Notifier) Close(ctx context.Context) error {
	if n == nil || len(n.workers) == 0 {
		return nil
	}
	defer n.cancel()
	for _, w := range n.workers {
		w.close()
	}
	sent := make(chan struct{})
	go func() {
		n.running.Wait()
		close(sent)
	}()
	select {
	case <-sent:
		return nil
	case <-ctx.Done():
	}
	n.cancel()
	select { // a process that ends before it has killed its command would leave it running
	case <-sent:
	case <-time.After(grace):
	}
	return fmt.Errorf("not all notifications were sent: %w", ctx.Err())
}
