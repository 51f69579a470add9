package durable

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func (b *broker) transactional(t *testing.T) *kafkaconf.Connection {
	t.Helper()
	return b.connect(t).As(record.Mode{Delivery: record.Durable, Transactional: true})
}

// sendUnit sends a unit, its records' values separated by spaces, and says what became
// of it.
func (g *gateway) sendUnit(conn *kafkaconf.Connection, topic, values string, policy Policy, timeout time.Duration) string {
	var recs []record.Record
	for _, v := range strings.Fields(values) {
		recs = append(recs, *recordOf(topic, v))
	}
	return what(g.deliver(conn, policy, timeout, recs...))
}

func what(b *record.Batch) string {
	switch {
	case b.Err != nil && b.Err.Unconfirmed:
		return "unconfirmed"
	case b.Err != nil:
		return fmt.Sprintf("refused %d", b.Err.Kind)
	case b.Outcomes == nil:
		return "committed before"
	case len(b.Outcomes) != len(b.Records) || b.Outcomes[0].Ack.Offset < 0:
		return fmt.Sprintf("outcomes %+v", b.Outcomes)
	case b.Outcomes[0].Receipt != "":
		return "kept"
	}
	return "committed"
}

func (g *gateway) wantUnit(want string, conn *kafkaconf.Connection, topic, values string, timeout time.Duration) {
	g.t.Helper()
	if got := g.sendUnit(conn, topic, values, DeadLetter, timeout); got != want {
		g.t.Fatalf("unit %s: %s, want %s", values, got, want)
	}
}

// committed reads values as a consumer does that sees what is committed only, until
// there are n.
func (b *broker) committed(t *testing.T, topic string, n int) string {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	var values []string
	for len(values) < n {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("only %d of %d records arrived: %v", len(values), n, values)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return strings.Join(values, " ")
}

// loseCommits makes the broker break the connection instead of answering a commit,
// which it carries out before or not, until the function that it returns is called.
func (b *broker) loseCommits(t *testing.T, carryOut bool) (answer func()) {
	t.Helper()
	// As librdkafka does: from version 5 on, a commit is another thing.
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.MaxVersions(kversion.V3_0_0()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	var losing, own atomic.Bool
	losing.Store(true)
	b.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		if !losing.Load() || own.Load() {
			return nil, nil, false
		}
		commit := *req.(*kmsg.EndTxnRequest)
		if carryOut {
			own.Store(true)
			b.SleepControl(func() { _, _ = cl.Request(context.Background(), &commit) })
			own.Store(false)
		}
		return nil, errors.New("the answer is lost"), true
	})
	return func() { losing.Store(false) }
}

func TestWhileKafkaAnswersAUnitIsCommittedAndNothingIsWrittenToDisk(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.transactional(t)
	g.wantUnit("committed", conn, "t", "0 1 2", patient)
	g.wantUnit("committed", conn, "t", "3", patient)
	if got := b.committed(t, "t", 4); got != "0 1 2 3" {
		t.Error(got)
	}
	if found := files(t, dir); len(found) > 0 {
		t.Error(found)
	}
}

func TestUnitsQueueInOrderWhileKafkaIsAwayAndAreSentOnceItIsBack(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.transactional(t)
	g.wantUnit("committed", conn, "t", "0", patient)
	b.failWith(func(string) *kerr.Error { return kerr.NotEnoughReplicas })
	g.wantUnit("kept", conn, "t", "1 2", soon)
	g.wantUnit("kept", conn, "t", "3", patient)
	if n := g.pending(); n != 2 {
		t.Errorf("%d units are on disk, want 2", n)
	}
	b.failWith(nil)
	g.awaitEmpty()
	g.wantUnit("committed", conn, "t", "4 5", patient)
	if got := b.committed(t, "t", 6); got != "0 1 2 3 4 5" {
		t.Error(got)
	}
}

// The unit is on disk with the identity under which it was sent, and a mark of that
// says whether it is in Kafka.
func TestAUnitWhoseCommitWasNotAnsweredIsInKafkaOnce(t *testing.T) {
	for name, committed := range map[string]bool{"committed": true, "not committed": false} {
		t.Run(name, func(t *testing.T) {
			b := startBroker(t)
			g := startQueue(t, t.TempDir(), Options{}).await()
			conn := b.transactional(t)
			g.wantUnit("committed", conn, "t", "0", patient)
			answer := b.loseCommits(t, committed)
			g.wantUnit("kept", conn, "t", "1 2", time.Second)
			g.wantUnit("kept", conn, "t", "3", patient)
			answer()
			g.awaitEmpty()
			g.wantUnit("committed", conn, "t", "4", patient)
			if got := b.committed(t, "t", 5); got != "0 1 2 3 4" {
				t.Error(got)
			}
		})
	}
}

func TestTheNextProcessFindsOutAboutAUnitWhoseCommitWasNotAnswered(t *testing.T) {
	for name, committed := range map[string]bool{"committed": true, "not committed": false} {
		t.Run(name, func(t *testing.T) {
			b, dir := startBroker(t), t.TempDir()
			conn := b.transactional(t)
			g := startQueue(t, dir, Options{}).await()
			g.wantUnit("committed", conn, "t", "0", patient)
			answer := b.loseCommits(t, committed)
			g.wantUnit("kept", conn, "t", "1 2", time.Second)
			g.wantUnit("kept", conn, "t", "3", patient)
			g.close()
			answer()
			next := startQueue(t, dir, Options{}).await()
			next.awaitEmpty()
			next.wantUnit("committed", conn, "t", "4", patient)
			if got := b.committed(t, "t", 5); got != "0 1 2 3 4" {
				t.Error(got)
			}
		})
	}
}

func TestAUnitThatKafkaCanNeverTakeIsRefusedOrBecomesOneDeadLetter(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.transactional(t)
	g.wantUnit("committed", conn, "t", "0", patient)
	b.failWith(func(string) *kerr.Error { return kerr.InvalidRecord })
	g.wantUnit(fmt.Sprintf("refused %d", record.KindRejected), conn, "t", "1 2", patient)
	g.wantUnit(fmt.Sprintf("refused %d", record.KindTopicNotFound), conn, "nowhere", "x", patient)
	b.failWith(func(string) *kerr.Error { return kerr.NotEnoughReplicas })
	g.wantUnit("kept", conn, "t", "3 4", soon)
	g.wantUnit("kept", conn, "u", "5", patient)
	b.failWith(func(topic string) *kerr.Error {
		if topic == "t" {
			return kerr.InvalidRecord
		}
		return nil
	})
	g.awaitEmpty()
	b.failWith(nil)
	infos, err := g.queue.Streams()
	if err != nil || len(infos) != 1 || infos[0].DeadLetters != 1 || !infos[0].Transactional {
		t.Fatalf("%+v, %v", infos, err)
	}
	info := infos[0]
	if got := shown(t, g.queue.Show, ShowRequest{Selection: Selection{Stream: info.Stream}}); got != "3 4" {
		t.Errorf("shown %q", got)
	}
	if _, err := g.queue.Replay(t.Context(), Selection{Stream: info.Stream}, nil); err != nil {
		t.Fatal(err)
	}
	g.awaitEmpty()
	if got := b.committed(t, "u", 1); got != "5" {
		t.Error(got)
	}
	if got := b.committed(t, "t", 3); got != "0 3 4" {
		t.Error(got)
	}
}

func TestUnitsOfATopicThatIsMissingHoldNoOtherTopicUp(t *testing.T) {
	g, conn, start := startAway(t)
	conn = conn.As(record.Mode{Delivery: record.Durable, Transactional: true})
	g.wantUnit("kept", conn, "nowhere", "x", soon)
	g.wantUnit("kept", conn, "t", "0 1", soon)
	g.wantUnit("kept", conn, "nowhere", "y", soon)
	g.wantUnit("kept", conn, "u", "2", soon)
	b := start()
	if got := b.committed(t, "t", 2) + " " + b.committed(t, "u", 1); got != "0 1 2" {
		t.Error(got)
	}
	if n := g.pending(); n < 2 {
		t.Errorf("%d units wait, want 2", n)
	}
}

func TestASuspendedStreamOfUnitsKeepsItsOrder(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.transactional(t)
	b.failWith(func(string) *kerr.Error { return kerr.NotEnoughReplicas })
	if got := g.sendUnit(conn, "t", "0 1", Suspend, time.Second); got != "kept" {
		t.Fatal(got)
	}
	b.failWith(func(string) *kerr.Error { return kerr.InvalidRecord })
	st := g.queue.stream(conn, Suspend)
	await.True(t, "the stream is suspended", func() bool { return st.suspension.Load() != nil })
	b.failWith(nil)
	if got := g.sendUnit(conn, "t", "2", Suspend, patient); got != "kept" {
		t.Fatal(got)
	}
	if _, err := g.queue.Resume(st.id); err != nil {
		t.Fatal(err)
	}
	g.awaitEmpty()
	if got := b.committed(t, "t", 3); got != "0 1 2" {
		t.Error(got)
	}
}

func TestUnitsAndRecordsDoNotMoveIntoEachOthersStreams(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.transactional(t)
	b.failWith(func(string) *kerr.Error { return kerr.NotEnoughReplicas })
	g.wantUnit("kept", conn, "t", "0", time.Second)
	st := g.queue.stream(conn, DeadLetter)
	if _, err := g.queue.Suspend(t.Context(), st.id); err != nil {
		t.Fatal(err)
	}
	_, err := g.queue.Replay(t.Context(), Selection{Stream: st.id, Pending: true}, targetOf(b))
	wantError(t, err, "transactional stream")
	if n := g.pending(); n != 1 {
		t.Errorf("%d units are on disk", n)
	}
}

// Kafka says for ever that a transaction has not ended, which it has.
func TestATransactionThatKafkaLosesTrackOfIsNotWaitedForForever(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.transactional(t)
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.UnstableOffsetCommit, Count: -1,
		When: func(req kmsg.Request) bool { return req.(*kmsg.OffsetFetchRequest).RequireStable }})
	g.wantUnit("kept", conn, "t", "1", time.Second)
	g.awaitEmpty()
	g.wantUnit("committed", conn, "t", "2", patient)
	if got := b.committed(t, "t", 2); got != "1 2" {
		t.Error(got)
	}
}

func TestAMissingRightToTheTransactionalIDIsTheRoutesFault(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.transactional(t)
	withdrawn := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.TransactionalIDAuthorizationFailed, Count: -1})
	g.wantUnit(fmt.Sprintf("refused %d", record.KindConfig), conn, "t", "1", patient)
	withdrawn.Remove()
	g.wantUnit("committed", conn, "t", "2", patient)
}

func TestAMissingRightToTheGroupIsTheRoutesFault(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.transactional(t)
	g.wantUnit("committed", conn, "t", "0", patient)
	withdrawn := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.AddOffsetsToTxn}, TopLevel: true, Err: kerr.GroupAuthorizationFailed, Count: -1})
	g.wantUnit(fmt.Sprintf("refused %d", record.KindConfig), conn, "t", "1", patient)
	withdrawn.Remove()
	g.wantUnit("committed", conn, "t", "2", patient)
	if got := b.committed(t, "t", 2); got != "0 2" {
		t.Error(got)
	}
}

func TestARunnerThatDoesNotOwnTheSpoolKeepsUnits(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	conn := b.transactional(t)
	old := startQueue(t, dir, Options{}).await()
	old.wantUnit("committed", conn, "t", "0", patient)
	next := startQueue(t, dir, Options{})
	next.wantUnit("kept", conn, "t", "1", patient)
	old.wantUnit("committed", conn, "t", "x", patient)
	next.wantUnit("kept", conn, "t", "2", patient)
	old.close()
	next.await().awaitEmpty()
	next.wantUnit("committed", conn, "t", "3", patient)
	if got := b.committed(t, "t", 5); got != "0 x 1 2 3" {
		t.Error(got)
	}
}

func TestHurryKeepsAUnitThatWaitsForKafka(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.transactional(t)
	g.wantUnit("committed", conn, "t", "0", patient)
	b.block()
	got := make(chan string, 2)
	go func() { got <- g.sendUnit(conn, "t", "1 2", DeadLetter, patient) }()
	await.True(t, "the unit is under way", b.waiting)
	go func() { got <- g.sendUnit(conn, "t", "3", DeadLetter, patient) }()
	g.queue.Hurry(time.Now())
	for range 2 {
		if s := <-got; s != "kept" {
			t.Errorf("%s, want kept", s)
		}
	}
	g.close()
	b.release()
	next := startQueue(t, dir, Options{}).await()
	next.awaitEmpty()
	if got := b.committed(t, "t", 4); got != "0 1 2 3" && got != "0 3 1 2" {
		t.Error(got)
	}
}

// unit sends a unit with an identity of its own.
func (g *gateway) unit(conn *kafkaconf.Connection, id byte, again bool, value string, timeout time.Duration) *record.Batch {
	b := &record.Batch{Unit: [16]byte{id}, Records: []record.Record{*recordOf("t", value)}, Again: again}
	deliverBatch(g.queue.Way(conn, DeadLetter), timeout, b)
	return b
}

// again sends a unit that may have been sent before.
func (g *gateway) again(conn *kafkaconf.Connection, id byte, value string, timeout time.Duration) (string, *record.Batch) {
	b := g.unit(conn, id, true, value, timeout)
	return what(b), b
}

// first is again for the first time.
func (g *gateway) first(want string, conn *kafkaconf.Connection, id byte, value string, timeout time.Duration) *record.Batch {
	g.t.Helper()
	b := g.unit(conn, id, false, value, timeout)
	if got := what(b); got != want {
		g.t.Fatalf("unit %s: %s, want %s", value, got, want)
	}
	return b
}

func TestAUnitOfWhichNobodyKnowsIsNotSentTwice(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	conn := b.transactional(t)
	g := startQueue(t, dir, Options{}).await()
	g.first("committed", conn, 1, "1", patient)
	g.first("committed", conn, 2, "2", patient).Replied()
	g.first("committed", conn, 3, "3", patient)
	if got, _ := g.again(conn, 1, "1", patient); got != "committed before" {
		t.Errorf("the same process: %s", got)
	}
	g.close()
	next := startQueue(t, dir, Options{}).await()
	for _, id := range []byte{1, 3} {
		if got, _ := next.again(conn, id, "x", patient); got != "committed before" {
			t.Errorf("unit %d: %s", id, got)
		}
	}
	if got, _ := next.again(conn, 4, "4", patient); got != "committed" {
		t.Errorf("one that never came to anything: %s", got)
	}
	if got := b.committed(t, "t", 4); got != "1 2 3 4" {
		t.Error(got)
	}
}

func TestAUnitThatIsOnDiskIsNotKeptTwice(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	conn := b.transactional(t)
	g := startQueue(t, dir, Options{}).await()
	b.failWith(func(string) *kerr.Error { return kerr.NotEnoughReplicas })
	kept := g.first("kept", conn, 1, "1", time.Second)
	g.close()
	next := startQueue(t, dir, Options{})
	got, again := next.again(conn, 1, "1", patient)
	if got != "kept" || again.Outcomes[0].Receipt != kept.Outcomes[0].Receipt {
		t.Errorf("%s under %s, was %s", got, again.Outcomes[0].Receipt, kept.Outcomes[0].Receipt)
	}
	if n := next.pending(); n != 1 {
		t.Errorf("%d units are on disk", n)
	}
	b.failWith(nil)
	next.awaitEmpty()
	if got, again := next.again(conn, 1, "1", patient); got != "kept" || again.Outcomes[0].Receipt != kept.Outcomes[0].Receipt {
		t.Errorf("after it was sent: %s under %s", got, again.Outcomes[0].Receipt)
	}
	next.wantUnit("committed", conn, "t", "2", patient)
	if got := b.committed(t, "t", 2); got != "1 2" {
		t.Error(got)
	}
}

// The unit is committed, its answer lost, and there is no room on disk: the client is
// told that nobody knows, and finds out when it asks again.
func TestAUnitOfWhichNothingIsKnownIsFoundOutAboutWhenItComesAgain(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{MaxBytes: 1}).await()
	conn := b.transactional(t)
	g.first("committed", conn, 1, "1", patient)
	answer := b.loseCommits(t, true)
	g.first("unconfirmed", conn, 2, "2", time.Second)
	answer()
	if got, _ := g.again(conn, 2, "2", patient); got != "committed before" {
		t.Error(got)
	}
	g.first("committed", conn, 3, "3", patient)
	if got := b.committed(t, "t", 3); got != "1 2 3" {
		t.Error(got)
	}
}

func TestAMarkIsNotLargerThanKafkaTakes(t *testing.T) {
	st := &stream{}
	for i := range 3 * maxOwed {
		id := [16]byte{1, byte(i), byte(i >> 8)}
		st.expect(id)
		st.committed(id)
	}
	if n := len(st.markOf([16]byte{2})); n > 4096 || n < 32*maxOwed {
		t.Errorf("%d bytes", n)
	}
}
