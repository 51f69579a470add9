package durable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

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

func TestUnitIsCommittedWithoutTheDiskWhileKafkaAnswers(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.Transactional(t)
	g.WantUnit("committed", conn, "t", "0 1 2", durabletest.Patient)
	g.WantUnit("committed", conn, "t", "3", durabletest.Patient)
	if got := b.Committed(t, "t", 4); got != "0 1 2 3" {
		t.Error(got)
	}
	if found := durabletest.Files(t, dir); len(found) > 0 {
		t.Error(found)
	}
}

func TestUnitsQueueInOrderWhileKafkaIsAwayAndAreSentOnceItIsBack(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.Transactional(t)
	g.WantUnit("committed", conn, "t", "0", durabletest.Patient)
	b.FailWith(func(string) *kerr.Error { return kerr.NotEnoughReplicas })
	g.WantUnit("kept", conn, "t", "1 2", durabletest.Soon)
	g.WantUnit("kept", conn, "t", "3", durabletest.Patient)
	if n := g.pending(); n != 2 {
		t.Errorf("%d units are on disk, want 2", n)
	}
	b.FailWith(nil)
	g.awaitEmpty()
	g.WantUnit("committed", conn, "t", "4 5", durabletest.Patient)
	if got := b.Committed(t, "t", 6); got != "0 1 2 3 4 5" {
		t.Error(got)
	}
}

// A unit is sent whole or not at all: an attempt that is given up begins anew.
func TestUnitThatTakesLongerThanAnAttemptIsSentAtLast(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{unitWait: 300 * time.Millisecond}).await()
	conn := b.Transactional(t)
	g.WantUnit("committed", conn, "t", "0", durabletest.Patient)
	b.SetDelay(time.Second)
	g.WantUnit("kept", conn, "t", "1 2", durabletest.Soon)
	g.WantUnit("kept", conn, "t", "3", durabletest.Soon)
	g.awaitEmpty()
	if got := b.Committed(t, "t", 4); got != "0 1 2 3" {
		t.Error(got)
	}
}

// The unit is on disk with the identity under which it was sent, and a mark of that
// says whether it is in Kafka.
func TestUnitWhoseCommitWasNotAnsweredIsInKafkaOnce(t *testing.T) {
	for name, committed := range map[string]bool{"committed": true, "not committed": false} {
		t.Run(name, func(t *testing.T) {
			b := startBroker(t)
			g := startQueue(t, t.TempDir(), Options{}).await()
			conn := b.Transactional(t)
			g.WantUnit("committed", conn, "t", "0", durabletest.Patient)
			answer := b.loseCommits(t, committed)
			g.WantUnit("kept", conn, "t", "1 2", time.Second)
			g.WantUnit("kept", conn, "t", "3", durabletest.Patient)
			answer()
			g.awaitEmpty()
			g.WantUnit("committed", conn, "t", "4", durabletest.Patient)
			if got := b.Committed(t, "t", 5); got != "0 1 2 3 4" {
				t.Error(got)
			}
		})
	}
}

func TestUnitWhoseCommitWasNotAnsweredIsSettledByTheNextProcess(t *testing.T) {
	for name, committed := range map[string]bool{"committed": true, "not committed": false} {
		t.Run(name, func(t *testing.T) {
			b, dir := startBroker(t), t.TempDir()
			conn := b.Transactional(t)
			g := startQueue(t, dir, Options{}).await()
			g.WantUnit("committed", conn, "t", "0", durabletest.Patient)
			answer := b.loseCommits(t, committed)
			g.WantUnit("kept", conn, "t", "1 2", time.Second)
			g.WantUnit("kept", conn, "t", "3", durabletest.Patient)
			g.Close()
			answer()
			next := startQueue(t, dir, Options{}).await()
			next.awaitEmpty()
			next.WantUnit("committed", conn, "t", "4", durabletest.Patient)
			if got := b.Committed(t, "t", 5); got != "0 1 2 3 4" {
				t.Error(got)
			}
		})
	}
}

func TestUnitsOfATopicThatIsMissingHoldNoOtherTopicUp(t *testing.T) {
	g, conn, start := startAway(t)
	conn = conn.As(record.Mode{Delivery: record.Durable, Transactional: true})
	g.WantUnit("kept", conn, "nowhere", "x", durabletest.Soon)
	g.WantUnit("kept", conn, "t", "0 1", durabletest.Soon)
	g.WantUnit("kept", conn, "nowhere", "y", durabletest.Soon)
	g.WantUnit("kept", conn, "u", "2", durabletest.Soon)
	b := start()
	if got := b.Committed(t, "t", 2) + " " + b.Committed(t, "u", 1); got != "0 1 2" {
		t.Error(got)
	}
	if n := g.pending(); n < 2 {
		t.Errorf("%d units wait, want 2", n)
	}
}

// withdraw takes a right to topic t away: requests of these kinds are refused for it.
func (b *broker) withdraw(keys ...kmsg.Key) *kfake.FaultHandle {
	return b.Fault(kfake.Fault{Keys: keys, Topic: "t", Err: kerr.TopicAuthorizationFailed, Count: -1})
}

func TestUnitOfATopicWithoutTheRightToWriteIsForbidden(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.Transactional(t)
	b.withdraw(kmsg.AddPartitionsToTxn)
	g.WantUnit(fmt.Sprintf("refused %d", record.KindForbidden), conn, "t", "1 2", durabletest.Patient)
	g.WantUnit("committed", conn, "u", "3", durabletest.Patient)
}

// The units are on disk when the right is gone.
func TestUnitsOfATopicWithoutARightHoldNoOtherTopicUp(t *testing.T) {
	for name, c := range map[string]struct {
		refused []kmsg.Key
		dead    int64 // otherwise they wait
	}{
		"to write": {[]kmsg.Key{kmsg.AddPartitionsToTxn}, 2},
		"at all":   {[]kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.Metadata, kmsg.OffsetFetch}, 2},
		"to read":  {[]kmsg.Key{kmsg.TxnOffsetCommit}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b, dir := startBroker(t), t.TempDir()
			conn := b.Transactional(t)
			g := startQueue(t, dir, Options{}).await()
			g.WantUnit("committed", conn, "u", "0", durabletest.Patient)
			g.Close()
			g = startQueue(t, dir, Options{}).await()
			away := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.CoordinatorNotAvailable, Count: -1})
			g.WantUnit("kept", conn, "t", "x", durabletest.Soon)
			g.WantUnit("kept", conn, "u", "1", durabletest.Soon)
			g.WantUnit("kept", conn, "t", "y", durabletest.Soon)
			g.WantUnit("kept", conn, "u", "2", durabletest.Soon)
			withdrawn := b.withdraw(c.refused...)
			away.Remove()
			if got := b.Committed(t, "u", 3); got != "0 1 2" {
				t.Error(got)
			}
			await.True(t, "the units of t are dead letters or wait", func() bool {
				return g.pending() == 2-c.dead && g.info(streamID(conn, DeadLetter)).DeadLetters == c.dead
			})
			withdrawn.Remove()
			g.awaitEmpty()
		})
	}
}

// To try one takes longer than the next one's turn is away.
func TestUnitsOfManyTopicsWithoutARightHoldNoOtherTopicUp(t *testing.T) {
	var topics []string
	for i := range 8 {
		topics = append(topics, fmt.Sprint("unreadable", i))
	}
	b, dir := startBroker(t, kfake.SeedTopics(1, append(topics, "u")...)), t.TempDir()
	conn := b.Transactional(t)
	g := startQueue(t, dir, Options{}).await()
	g.WantUnit("committed", conn, "u", "0", durabletest.Patient)
	g.Close()
	away := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.CoordinatorNotAvailable, Count: -1})
	g = startQueue(t, dir, Options{}).await()
	for _, topic := range topics {
		b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Topic: topic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		g.WantUnit("kept", conn, topic, "x", durabletest.Soon)
	}
	want := "0"
	for i := range 20 {
		want += fmt.Sprint(" ", i+1)
		g.WantUnit("kept", conn, "u", fmt.Sprint(i+1), durabletest.Soon)
	}
	away.Remove()
	if got := b.Committed(t, "u", 21); got != want {
		t.Error(got)
	}
}

func TestUnitsOfASuspendedStreamKeepTheirOrder(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.Transactional(t)
	b.FailWith(func(string) *kerr.Error { return kerr.NotEnoughReplicas })
	if got := g.SendUnit(conn, "t", "0 1", Suspend, time.Second); got != "kept" {
		t.Fatal(got)
	}
	b.FailWith(func(string) *kerr.Error { return kerr.InvalidRecord })
	st := g.Queue.stream(conn, Suspend)
	await.True(t, "the stream is suspended", func() bool { return st.suspension.Load() != nil })
	b.FailWith(nil)
	if got := g.SendUnit(conn, "t", "2", Suspend, durabletest.Patient); got != "kept" {
		t.Fatal(got)
	}
	if err := g.stream(st.id).Resume(); err != nil {
		t.Fatal(err)
	}
	g.awaitEmpty()
	if got := b.Committed(t, "t", 3); got != "0 1 2" {
		t.Error(got)
	}
}

// Kafka says for ever that a transaction has not ended, which it has.
func TestUnitDoesNotWaitForeverForATransactionThatKafkaLosesTrackOf(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.Transactional(t)
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.UnstableOffsetCommit, Count: -1,
		When: func(req kmsg.Request) bool { return req.(*kmsg.OffsetFetchRequest).RequireStable }})
	g.WantUnit("kept", conn, "t", "1", time.Second)
	g.awaitEmpty()
	g.WantUnit("committed", conn, "t", "2", durabletest.Patient)
	if got := b.Committed(t, "t", 2); got != "1 2" {
		t.Error(got)
	}
}

func TestUnitWithoutTheRightToItsTransactionalIDIsTheRoutesFault(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.Transactional(t)
	withdrawn := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.TransactionalIDAuthorizationFailed, Count: -1})
	g.WantUnit(fmt.Sprintf("refused %d", record.KindConfig), conn, "t", "1", durabletest.Patient)
	withdrawn.Remove()
	g.WantUnit("committed", conn, "t", "2", durabletest.Patient)
}

// The right is withdrawn before the unit is sent once more, since Kafka has refused its batch.
func TestUnitThatIsSentAgainWithoutTheRightToItsTransactionalIDIsTheRoutesFault(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.Transactional(t)
	g.WantUnit("committed", conn, "t", "0", durabletest.Patient)
	b.FailWith(func(string) *kerr.Error { return kerr.InvalidRecord })
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.TransactionalIDAuthorizationFailed, Count: -1})
	g.WantUnit(fmt.Sprintf("refused %d", record.KindConfig), conn, "t", "1 2", durabletest.Patient)
}

func TestUnitWithoutTheRightToItsGroupIsTheRoutesFault(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := b.Transactional(t)
	g.WantUnit("committed", conn, "t", "0", durabletest.Patient)
	withdrawn := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.AddOffsetsToTxn}, TopLevel: true, Err: kerr.GroupAuthorizationFailed, Count: -1})
	g.WantUnit(fmt.Sprintf("refused %d", record.KindConfig), conn, "t", "1", durabletest.Patient)
	withdrawn.Remove()
	g.WantUnit("committed", conn, "t", "2", durabletest.Patient)
	if got := b.Committed(t, "t", 2); got != "0 2" {
		t.Error(got)
	}
}

func TestUnitIsKeptByAProcessThatDoesNotOwnTheSpool(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	conn := b.Transactional(t)
	old := startQueue(t, dir, Options{}).await()
	old.WantUnit("committed", conn, "t", "0", durabletest.Patient)
	next := startQueue(t, dir, Options{})
	next.WantUnit("kept", conn, "t", "1", durabletest.Patient)
	old.WantUnit("committed", conn, "t", "x", durabletest.Patient)
	next.WantUnit("kept", conn, "t", "2", durabletest.Patient)
	old.Close()
	next.await().awaitEmpty()
	next.WantUnit("committed", conn, "t", "3", durabletest.Patient)
	if got := b.Committed(t, "t", 5); got != "0 x 1 2 3" {
		t.Error(got)
	}
}

func TestUnitThatWaitsForKafkaIsKeptByHurry(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.Transactional(t)
	g.WantUnit("committed", conn, "t", "0", durabletest.Patient)
	b.Block()
	got := make(chan string, 2)
	go func() { got <- g.SendUnit(conn, "t", "1 2", DeadLetter, durabletest.Patient) }()
	await.True(t, "the unit is under way", b.Waiting)
	go func() { got <- g.SendUnit(conn, "t", "3", DeadLetter, durabletest.Patient) }()
	g.Queue.Hurry(time.Now())
	for range 2 {
		if s := <-got; s != "kept" {
			t.Errorf("%s, want kept", s)
		}
	}
	g.Close()
	b.Release()
	next := startQueue(t, dir, Options{}).await()
	next.awaitEmpty()
	if got := b.Committed(t, "t", 4); got != "0 1 2 3" && got != "0 3 1 2" {
		t.Error(got)
	}
}

// unit sends a unit with an identity of its own.
func (g *gateway) unit(conn *kafkaconf.Connection, id byte, again bool, value string, timeout time.Duration) *record.Batch {
	b := &record.Batch{Unit: [16]byte{id}, Records: []record.Record{*durabletest.RecordOf("t", value)}, Again: again}
	durabletest.DeliverBatch(g.Queue.Way(conn, DeadLetter), timeout, b)
	return b
}

// again sends a unit that may have been sent before.
func (g *gateway) again(conn *kafkaconf.Connection, id byte, value string, timeout time.Duration) (string, *record.Batch) {
	b := g.unit(conn, id, true, value, timeout)
	return durabletest.What(b), b
}

// first is again for the first time.
func (g *gateway) first(want string, conn *kafkaconf.Connection, id byte, value string, timeout time.Duration) *record.Batch {
	g.T.Helper()
	b := g.unit(conn, id, false, value, timeout)
	if got := durabletest.What(b); got != want {
		g.T.Fatalf("unit %s: %s, want %s", value, got, want)
	}
	return b
}

func TestUnitWhoseReplyWasNotStoredIsNotSentTwice(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	conn := b.Transactional(t)
	g := startQueue(t, dir, Options{}).await()
	g.first("committed", conn, 1, "1", durabletest.Patient)
	g.first("committed", conn, 2, "2", durabletest.Patient).Replied()
	g.first("committed", conn, 3, "3", durabletest.Patient)
	if got, _ := g.again(conn, 1, "1", durabletest.Patient); got != "committed before" {
		t.Errorf("the same process: %s", got)
	}
	g.Close()
	next := startQueue(t, dir, Options{}).await()
	for _, id := range []byte{1, 3} {
		if got, _ := next.again(conn, id, "x", durabletest.Patient); got != "committed before" {
			t.Errorf("unit %d: %s", id, got)
		}
	}
	if got, _ := next.again(conn, 4, "4", durabletest.Patient); got != "committed" {
		t.Errorf("one that never came to anything: %s", got)
	}
	if got := b.Committed(t, "t", 4); got != "1 2 3 4" {
		t.Error(got)
	}
}

func TestUnitThatIsOnDiskIsNotKeptTwice(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	conn := b.Transactional(t)
	g := startQueue(t, dir, Options{}).await()
	b.FailWith(func(string) *kerr.Error { return kerr.NotEnoughReplicas })
	kept := g.first("kept", conn, 1, "1", time.Second)
	g.Close()
	next := startQueue(t, dir, Options{})
	got, again := next.again(conn, 1, "1", durabletest.Patient)
	if got != "kept" || again.Outcomes[0].Receipt != kept.Outcomes[0].Receipt {
		t.Errorf("%s under %s, was %s", got, again.Outcomes[0].Receipt, kept.Outcomes[0].Receipt)
	}
	if n := next.pending(); n != 1 {
		t.Errorf("%d units are on disk", n)
	}
	b.FailWith(nil)
	next.awaitEmpty()
	if got, again := next.again(conn, 1, "1", durabletest.Patient); got != "kept" || again.Outcomes[0].Receipt != kept.Outcomes[0].Receipt {
		t.Errorf("after it was sent: %s under %s", got, again.Outcomes[0].Receipt)
	}
	next.WantUnit("committed", conn, "t", "2", durabletest.Patient)
	if got := b.Committed(t, "t", 2); got != "1 2" {
		t.Error(got)
	}
}

// The unit is committed, its answer lost, and there is no room on disk: the client is
// told that nobody knows, and finds out when it asks again.
func TestUnitThatIsUnconfirmedIsFoundWhenItComesAgain(t *testing.T) {
	b := startBroker(t)
	g := startQueue(t, t.TempDir(), Options{MaxBytes: 1}).await()
	conn := b.Transactional(t)
	g.first("committed", conn, 1, "1", durabletest.Patient)
	answer := b.loseCommits(t, true)
	g.first("unconfirmed", conn, 2, "2", time.Second)
	answer()
	if got, _ := g.again(conn, 2, "2", durabletest.Patient); got != "committed before" {
		t.Error(got)
	}
	g.first("committed", conn, 3, "3", durabletest.Patient)
	if got := b.Committed(t, "t", 3); got != "1 2 3" {
		t.Error(got)
	}
}

// Its reply was not stored, and the next process cannot ask for the marks: answered that it is not in
// Kafka, the client would send it as another one.
func TestUnitThatComesAgainIsNotRefusedBeforeTheMarksAreKnown(t *testing.T) {
	for name, c := range map[string]struct {
		fault   kfake.Fault
		room    int64
		timeout time.Duration
	}{
		"without the right to the id":        {kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.TransactionalIDAuthorizationFailed}, 0, durabletest.Patient},
		"without the right to the group":     {kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.GroupAuthorizationFailed}, 0, durabletest.Patient},
		"while Kafka is away, and disk full": {kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.CoordinatorNotAvailable}, 1, durabletest.Soon},
	} {
		t.Run(name, func(t *testing.T) {
			b, dir := startBroker(t), t.TempDir()
			conn := b.Transactional(t)
			g := startQueue(t, dir, Options{}).await()
			g.first("committed", conn, 1, "1", durabletest.Patient)
			g.Close()
			c.fault.Count = -1
			fault := b.Fault(c.fault)
			next := startQueue(t, dir, Options{MaxBytes: c.room}).await()
			if got, _ := next.again(conn, 1, "1", c.timeout); got != "unconfirmed" {
				t.Error(got)
			}
			fault.Remove()
			if got, _ := next.again(conn, 1, "1", durabletest.Patient); got != "committed before" {
				t.Error(got)
			}
		})
	}
}

// The disk takes the unit only when it comes again, while Kafka is away.
func TestUnitThatIsUnconfirmedAndKeptWhenItComesAgainIsInKafkaOnce(t *testing.T) {
	b, dir := startBroker(t), filepath.Join(t.TempDir(), "spool")
	g := startQueue(t, dir, Options{unitWait: 300 * time.Millisecond}).await()
	conn := b.Transactional(t)
	g.first("committed", conn, 1, "1", durabletest.Patient)
	answer := b.loseCommits(t, true)
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	g.first("unconfirmed", conn, 2, "2", time.Second)
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	away := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.CoordinatorNotAvailable, Count: -1})
	g.first("kept", conn, 3, "3", durabletest.Soon)
	if got, _ := g.again(conn, 2, "2", durabletest.Patient); got != "kept" {
		t.Error(got)
	}
	answer()
	away.Remove()
	g.awaitEmpty()
	g.first("committed", conn, 4, "4", durabletest.Patient)
	if got := b.Committed(t, "t", 4); got != "1 2 3 4" {
		t.Error(got)
	}
}

func TestUnitMarkIsNotLargerThanKafkaTakes(t *testing.T) {
	m := newMemory()
	for i := range 3 * maxOwed {
		id := [16]byte{1, byte(i), byte(i >> 8)}
		m.expect(id)
		m.committed(id)
	}
	if n := len(m.markOf([16]byte{2})); n > 4096 || n < 32*maxOwed {
		t.Errorf("%d bytes", n)
	}
}
