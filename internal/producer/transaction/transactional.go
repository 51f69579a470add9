package transaction

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
	"github.com/kafkaupstream/kafkaupstream/internal/librdkafka"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
)

const (
	// abortWait bounds how long a reply waits for an abort, which happens in any case.
	abortWait = time.Second
	// callPause is before a call that failed at once is tried again.
	callPause = 10 * time.Millisecond
)

// transactional is a producer with a transactional.id. One transaction uses it at a time.
type transactional struct {
	*client.Client
	lock  *os.File       // of the id; nil: of a stream, which has one sender anyway
	ready bool           // transactions have been initialized
	dead  atomic.Bool    // it is of no more use
	calls sync.WaitGroup // of librdkafka's functions, some of which nobody waits for
}

// A context that ends before its deadline, as when the process is to end, is a hurry: then
// nothing is waited for, not even the end of a call.

func inHurry(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// errHurry: a hurry came during a call.
var errHurry = &librdkafka.Error{Code: kafka.ErrTimedOut, Reason: "there was no time to wait for the answer"}

// try calls f, one of librdkafka's transactional calls, until it succeeds, fails with an
// error that no repetition changes, or ctx ends.
//
// A call that has timed out is never repeated, although librdkafka says that it would go
// on where it was: a result that comes between the two is then taken for that of another
// step, and a transaction was said to be committed that was not (and librdkafka ended
// the process). The producer is given up instead.
func (t *transactional) try(ctx context.Context, f func(wait time.Duration) error) error {
	for {
		err := t.call(ctx, f)
		var cause *librdkafka.Error
		if err == nil || !errors.As(err, &cause) || cause.Fatal || cause.RequiresAbort || !cause.Retriable ||
			cause.Code == kafka.ErrTimedOut || !deadline.Sleep(ctx, callPause, nil) {
			return err
		}
	}
}

// call calls f, which waits until ctx's deadline at most. In a hurry it does not wait for the
// end of that: the producer, which is good for nothing more then, does before it is closed.
func (t *transactional) call(ctx context.Context, f func(wait time.Duration) error) error {
	deadline, _ := ctx.Deadline()
	done := make(chan error, 1)
	t.calls.Go(func() { done <- f(time.Until(deadline)) })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if !inHurry(ctx) {
		return <-done
	}
	t.dead.Store(true)
	return errHurry
}

// send carries out one transaction, with the mark in it where there is one.
func (t *transactional) send(ctx context.Context, recs []record.Record, m *mark) ([]record.Outcome, *record.Error) {
	if err := t.init(ctx); err != nil {
		return nil, err
	}
	if err := t.AwaitUp(ctx); err != nil {
		return nil, err
	}
	out := make([]record.Outcome, len(recs))
	sent := make([]*client.Delivery, len(recs))
	for i := range recs { // what is refused here leaves the producer as it is
		if _, err := t.Admit(ctx, &recs[i]); err != nil {
			out[i].Err = err
			return t.aborted(out, sent, nil)
		}
	}
	if err := t.Kafka.BeginTransaction(); err != nil {
		t.dead.Store(true)
		return nil, &record.Error{Kind: record.KindUnavailable, Reason: "begin: " + t.Redact(err.Error())}
	}
	for i := range recs {
		d, err := t.queueInto(ctx, &recs[i], sent[:i], m != nil)
		if err != nil {
			out[i].Err = err
			return t.aborted(out, sent, t.abort(ctx))
		}
		sent[i] = d
	}
	if !t.arrived(ctx, sent) {
		return t.aborted(out, sent, t.abort(ctx))
	}
	if m != nil {
		if err := t.mark(ctx, m); err != nil {
			_ = t.abort(ctx) // err says why
			out, _ = t.aborted(out, sent, err)
			return out, m.explain(err, t.Redact)
		}
	}
	return t.commit(ctx, out, sent)
}

// commit ends the transaction, all records of which have arrived: an error is about the commit
// itself, whatever it says of an abort.
func (t *transactional) commit(ctx context.Context, out []record.Outcome, sent []*client.Delivery) ([]record.Outcome, *record.Error) {
	if err := t.try(ctx, t.Kafka.CommitTransaction); err != nil {
		t.dead.Store(true) // the next one with this id finds out
		t.forgetAll(sent)
		return nil, &record.Error{Kind: record.KindUnconfirmed, Unconfirmed: true, Reason: "commit: " + t.Redact(err.Error())}
	}
	deadline, _ := ctx.Deadline()
	reports, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(abortWait))
	defer cancel()
	for i, d := range sent { // a commit comes after all reports
		if !d.Reported() && !d.Wait(reports) {
			t.forgetAll(sent[i:])
			return nil, &record.Error{Kind: record.KindInternal, Unconfirmed: true, Reason: "a committed record was not reported"}
		}
		out[i] = d.End()
	}
	return out, nil
}

// queueInto queues a record of the transaction. With wait, it waits for earlier ones
// where there is no room.
func (t *transactional) queueInto(ctx context.Context, rec *record.Record, earlier []*client.Delivery, wait bool) (*client.Delivery, *record.Error) {
	for {
		d, err := t.Queue(ctx, rec, nil, client.ForKeeper)
		if err == nil || err.Kind != record.KindQueueFull || !wait {
			return d, err
		}
		for len(earlier) > 0 && earlier[0].Reported() {
			earlier = earlier[1:]
		}
		if len(earlier) == 0 || !earlier[0].Wait(ctx) {
			return nil, err
		}
	}
}

// arrived waits until all records have arrived; false: one has failed, or there was no
// more time. A commit would wait for them too, but librdkafka sends nothing more of a
// transaction of which a record was refused, and its commit then waits for what is still
// queued until its time is over.
func (t *transactional) arrived(ctx context.Context, sent []*client.Delivery) bool {
	for _, d := range sent {
		if !d.Reported() && !d.WaitOr(ctx, t.Failures) {
			return false
		}
		if d.Outcome().Err != nil {
			return false
		}
	}
	return true
}

// mark puts the mark into the transaction. Its records have arrived, so that Kafka knows
// of the transaction: asked too early, librdkafka waits for retry.backoff.ms.
func (t *transactional) mark(ctx context.Context, m *mark) error {
	return t.try(ctx, func(wait time.Duration) error { return t.Kafka.SendOffset(m.group, m.topic, 0, m.text, wait) })
}

// init makes the producer ready for transactions, and ends those that an earlier one
// with its id has left.
func (t *transactional) init(ctx context.Context) *record.Error {
	if t.ready {
		return nil
	}
	if err := t.AwaitReady(ctx); err != nil {
		if t.Broken() != nil {
			t.dead.Store(true)
		}
		return err
	}
	if err := t.AwaitUp(ctx); err != nil {
		return err
	}
	if err := t.try(ctx, t.Kafka.InitTransactions); err != nil {
		t.dead.Store(true)
		e := librdkafka.Classify(err)
		return &record.Error{Kind: e.Kind, Reason: "init: " + t.Redact(e.Reason)}
	}
	t.ready = true
	return nil
}

// abort ends the transaction without its records. What does not end in time is ended
// with the producer: it is never committed. The producer goes in any case: after a
// record that a broker refused, librdkafka's sequence numbers have a gap, of which its
// next transaction would die. The next producer with the id begins anew.
//
// The cause is why librdkafka has given the transaction up itself; nil: it has not.
func (t *transactional) abort(ctx context.Context) (cause error) {
	t.dead.Store(true)
	if inHurry(ctx) {
		return nil // the next producer ends it before it does anything else
	}
	cause = t.Kafka.AbortReason()
	wait := time.Now().Add(abortWait)
	if deadline, _ := ctx.Deadline(); deadline.Before(wait) {
		wait = deadline.Add(abortWait / 10)
	}
	aborting, cancel := context.WithDeadline(context.WithoutCancel(ctx), wait)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if inHurry(ctx) {
			cancel()
		}
	})()
	ended := make(chan struct{})
	t.calls.Go(func() { t.purgeUntil(ended) })
	err := t.call(aborting, t.Kafka.AbortTransaction)
	close(ended)
	if err != nil {
		t.Log.Info("a transaction was not aborted in time; it ends with its producer", "error", t.Redact(err.Error()))
	}
	return cause
}

// purgeUntil purges the queue again and again. librdkafka does so once, when an abort
// begins: a record that a broker refuses for a moment after that is queued again and never
// sent, and the abort would wait for it until its time is over.
func (t *transactional) purgeUntil(ended <-chan struct{}) {
	tick := time.NewTicker(client.PurgeInterval)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			t.Kafka.Purge(false)
		}
	}
}

// aborted gathers the records' outcomes after an abort: none is in Kafka, and those
// that Kafka refused say why. The batch's error is the first that is permanent: that a record
// was still queued when the abort came says only that it came. If the credentials may not write to
// a topic, only the cause shows it, because none of the topic's records was sent.
func (t *transactional) aborted(out []record.Outcome, sent []*client.Delivery, cause error) ([]record.Outcome, *record.Error) {
	var first *record.Error
	for i, d := range sent {
		if d != nil && d.Reported() {
			if err := d.End().Err; err != nil && !err.Unconfirmed && out[i].Err == nil {
				out[i].Err = err
			}
		} else if d != nil {
			t.forgetAll(sent[i : i+1])
		}
		if err := out[i].Err; err != nil && (first == nil || err.Permanent() && !first.Permanent()) {
			first = err
		}
	}
	if (first == nil || !first.Permanent()) && librdkafka.HasCode(cause, kafka.ErrTopicAuthorizationFailed) {
		first = &record.Error{Kind: record.KindForbidden, Reason: t.Redact(cause.Error())}
	}
	if first == nil {
		first = &record.Error{Kind: record.KindUnavailable, Reason: "the transaction was aborted"}
		if cause != nil {
			first.Reason += ": " + t.Redact(cause.Error())
		}
	}
	for i := range out {
		if out[i].Err == nil {
			out[i].Err = &record.Error{Kind: record.KindAborted, Reason: "the transaction was aborted"}
		}
	}
	return out, first
}

// forgetAll lets go of deliveries whose outcome says nothing any more.
func (t *transactional) forgetAll(sent []*client.Delivery) {
	for _, d := range sent {
		if d != nil {
			d.OnReport(func() { go d.End() })
		}
	}
}

// refusedTogether reports whether a transaction was aborted since Kafka has refused a
// batch, in which one record can have harmed the others. It is then sent again with
// batches of one record: what is refused there is refused for its own sake.
func refusedTogether(recs []record.Record, err *record.Error) bool {
	return err != nil && !err.Unconfirmed && len(recs) > 1 && (err.Kind == record.KindRejected || err.Kind == record.KindTooLarge)
}
