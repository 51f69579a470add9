package notify

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// grace is how long Close waits for what it has cut short to end.
const grace = 200 * time.Millisecond

// Options say how an operator is told. Without Command and Webhook nobody is.
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
	// Log is told of notifications that failed, and never of URLs beyond the host.
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

// targets returns the command and the webhook, those of them that are given.
func (o Options) targets() []target {
	var targets []target
	if o.Command != "" {
		targets = append(targets, target{"command", command(o.Command)})
	}
	if o.Webhook != "" {
		url, err := parseWebhook(o.Webhook)
		if err != nil {
			o.Log.Error("no notification will be sent by webhook", "error", err)
			return targets
		}
		targets = append(targets, target{"webhook", webhook(url)})
	}
	return targets
}

// Notifier tells an operator of events. It can be used by several goroutines at
// once. A nil Notifier, and one without command and webhook, does nothing.
type Notifier struct {
	workers []*worker
	cancel  context.CancelFunc
}

// New starts a notifier, which is to be closed. A webhook that Validate refuses is
// logged and not used.
func New(o Options) *Notifier {
	o = o.withDefaults()
	return start(o, o.targets())
}

func start(o Options, targets []target) *Notifier {
	ctx, cancel := context.WithCancel(context.Background())
	n := &Notifier{cancel: cancel}
	for _, t := range targets {
		w := newWorker(t, o)
		n.workers = append(n.workers, w)
		go w.run(ctx)
	}
	return n
}

// Tell has the operator told of an event, and never waits. If the same event of the
// same stream and topic was sent within the interval, it is sent at the interval's
// end, with the reason, receipt and time of the last one and the sum of the counts.
// From 1,000 causes within an interval, further ones are sent as one, whose event is
// "others", with the sum of theirs. A count below 1 is 1, a zero time is now; texts
// end after 1,000 bytes. After Close it does nothing.
func (n *Notifier) Tell(e Event) {
	if n == nil || len(n.workers) == 0 {
		return
	}
	now := time.Now()
	e = e.normal(now)
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
	for _, w := range n.workers {
		if err := n.await(ctx, w); err != nil {
			return fmt.Errorf("not all notifications were sent: %w", err)
		}
	}
	return nil
}

// await waits for a worker. When ctx ends, it still waits a little for all of them:
// a process that ends before it has killed its command would leave it running.
func (n *Notifier) await(ctx context.Context, w *worker) error {
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
	}
	n.cancel()
	patience := time.After(grace)
	for _, w := range n.workers {
		select {
		case <-w.done:
		case <-patience:
			return ctx.Err()
		}
	}
	return ctx.Err()
}
