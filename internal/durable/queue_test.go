package durable

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

func TestQueueWritesNothingToDiskWhileKafkaAnswers(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.Connect(t)
	for i := range 10 {
		g.Want("acknowledged", conn, "t", fmt.Sprint(i), durabletest.Patient)
	}
	if left := durabletest.Files(t, dir); len(left) > 0 {
		t.Errorf("on disk: %v", left)
	}
	durabletest.Ascending(t, b.Values(t, "t", 10))
}

func TestQueueDoesNotSendTwiceWhatIsAcknowledgedLate(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	b.Block()
	g.Want("kept", conn, "t", "1", durabletest.Soon)
	g.Want("kept", conn, "t", "2", durabletest.Soon) // behind the first, without asking Kafka
	b.Release()
	g.awaitEmpty()
	g.Want("acknowledged", conn, "t", "3", durabletest.Patient)
	durabletest.Ascending(t, b.Values(t, "t", 4))
	await.True(t, "the empty stream's files are removed", func() bool { return len(durabletest.Files(t, dir)) == 0 })
}

func TestQueueKeepsWhatPassesAndRefusesWhatDoesNot(t *testing.T) {
	cases := []struct {
		name, topic string
		fail        *kerr.Error
		brokers     string
		want        string
	}{
		{"no broker answers", "t", nil, "127.0.0.1:1", "kept"},
		{"too few replicas", "t", kerr.NotEnoughReplicas, "", "kept"},
		{"the leader is moving", "t", kerr.NotLeaderForPartition, "", "kept"},
		{"larger than the topic takes", "t", kerr.MessageTooLarge, "", fmt.Sprintf("refused %v", record.KindTooLarge)},
		{"invalid for the broker", "t", kerr.InvalidRecord, "", fmt.Sprintf("refused %v", record.KindRejected)},
		{"the topic is not the credentials'", "t", kerr.TopicAuthorizationFailed, "", fmt.Sprintf("refused %v", record.KindForbidden)},
		{"there is no such topic", "nowhere", nil, "", fmt.Sprintf("refused %v", record.KindTopicNotFound)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b, dir := startBroker(t), t.TempDir()
			g := startQueue(t, dir, Options{}).await()
			conn := b.Connect(t)
			if c.brokers != "" {
				conn = durabletest.Connect(t, c.brokers)
			}
			if c.fail != nil {
				b.FailWith(func(string) *kerr.Error { return c.fail })
			}
			timeout := 2 * time.Second
			if c.want != "kept" { // Kafka's refusal may take longer than that on a busy machine
				timeout = durabletest.Patient
			}
			g.Want(c.want, conn, c.topic, "0", timeout)
			if onDisk := len(durabletest.Files(t, dir)) > 0; onDisk != (c.want == "kept") {
				t.Errorf("on disk: %v", durabletest.Files(t, dir))
			}
		})
	}
}

// startAway starts a queue whose broker is to be started later.
func startAway(t *testing.T) (*gateway, *kafkaconf.Connection, func() *broker) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	g := startQueue(t, t.TempDir(), Options{}).await()
	return g, durabletest.Connect(t, fmt.Sprintf("127.0.0.1:%d", port)), func() *broker { return startBroker(t, kfake.Ports(port)) }
}

func TestQueueKeepsOrderWhenTheBrokerComesBack(t *testing.T) {
	g, conn, start := startAway(t)
	n := 0
	for range 20 {
		g.Want("kept", conn, "t", fmt.Sprint(n), durabletest.Soon)
		n++
	}
	b := start()
	await.True(t, "records go straight to Kafka again", func() bool {
		n++
		return g.Send(conn, "t", fmt.Sprint(n-1), durabletest.Soon) == "acknowledged"
	})
	durabletest.Ascending(t, b.Values(t, "t", n))
}

func TestQueueUnderLoadBecomesEmptyAgainAfterAnOutage(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "first", durabletest.Patient)
	b.Block()
	var acknowledged, sent atomic.Int64
	var timeout atomic.Int64
	timeout.Store(int64(durabletest.Soon))
	done := make(chan struct{})
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if g.Send(conn, "t", "x", time.Duration(timeout.Load())) == "acknowledged" {
					acknowledged.Add(1)
				}
				sent.Add(1)
			}
		})
	}
	await.True(t, "records are kept", func() bool { return g.pending() > 100 })
	b.SetDelay(20 * time.Millisecond)         // in which new records come
	timeout.Store(int64(durabletest.Patient)) // a busy machine is no outage
	b.Release()
	before := acknowledged.Load()
	await.True(t, "records go straight to Kafka again, under load", func() bool { return acknowledged.Load() > before+500 })
	close(done)
	workers.Wait()
	g.awaitEmpty()
	if n := len(b.Values(t, "t", int(sent.Load())+1)); n != int(sent.Load())+1 {
		t.Errorf("%d records were taken, %d are in the topic", sent.Load()+1, n)
	}
}

func TestQueueSendsInOrderAfterARestartWhatWasNotAcknowledged(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	conn := b.Connect(t)
	g := startQueue(t, dir, Options{}).await()
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	b.Block()
	for i := range 50 {
		g.Want("kept", conn, "t", fmt.Sprint(i+1), durabletest.Soon)
	}
	b.Release()
	g.awaitEmpty()
	away := durabletest.Connect(t, "127.0.0.1:1")
	for i := range 50 {
		g.Want("kept", away, "u", fmt.Sprint(i), durabletest.Soon)
	}
	g.Close()

	g = startQueue(t, dir, Options{}).await()
	if n := g.pending(); n != 50 {
		t.Errorf("%d records wait after the restart, want 50", n)
	}
	durabletest.Ascending(t, b.Values(t, "t", 51))
}

func TestQueueSendsAStreamWhoseConnectionIsReadableAgain(t *testing.T) {
	for _, damage := range []string{"missing", "damaged"} {
		for _, shown := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, shown to an operator meanwhile: %v", damage, shown), func(t *testing.T) {
				g, conn, start := startAway(t)
				dir := g.Queue.opts.Dir
				g.Want("kept", conn, "t", "0", durabletest.Soon)
				g.Close()
				path := filepath.Join(dir, streamID(conn, DeadLetter), "connection.json")
				content, err := os.ReadFile(path)
				if err == nil && damage == "missing" {
					err = os.Remove(path)
				} else if err == nil {
					err = os.WriteFile(path, content[:10], 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				b := start()
				g = startQueue(t, dir, Options{}).await()
				if shown && g.info(streamID(conn, DeadLetter)).Problem == "" {
					t.Error("no problem is shown")
				}
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
				b.Values(t, "t", 1)
				await.True(t, "the empty stream's files are removed", func() bool { return len(durabletest.Files(t, dir)) == 0 })
			})
		}
	}
}

func TestQueueOfTheNextProcessServesMeanwhileAndSendsAfterThisOneHasEnded(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	conn := b.Connect(t)
	old := startQueue(t, dir, Options{}).await()
	old.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	next := startQueue(t, dir, Options{})
	next.Want("acknowledged", conn, "t", "1", durabletest.Patient) // nothing is before it
	b.Block()
	old.Want("kept", conn, "t", "2", durabletest.Soon)
	next.Want("kept", conn, "t", "3", durabletest.Patient) // behind the other process's record
	b.Release()
	old.awaitEmpty()
	b.Values(t, "t", 3)
	next.Want("kept", conn, "t", "4", durabletest.Patient) // behind its own
	if n := next.pending(); n != 2 {
		t.Errorf("%d records wait with the process that does not own the spool, want 2", n)
	}
	old.Close()
	next.await()
	next.awaitEmpty()
	next.Want("acknowledged", conn, "t", "5", durabletest.Patient)
	durabletest.Ascending(t, b.Values(t, "t", 6))
}

func TestQueueThatDoesNotOwnTheSpoolCountsALateAcknowledgement(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	conn := b.Connect(t)
	old := startQueue(t, dir, Options{}).await()
	next := startQueue(t, dir, Options{})
	next.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	b.Block()
	next.Want("kept", conn, "t", "1", durabletest.Soon)
	b.Release()
	next.awaitEmpty()
	old.Close()
	next.await()
	next.Want("acknowledged", conn, "t", "2", durabletest.Patient)
	durabletest.Ascending(t, b.Values(t, "t", 3))
}

func TestQueueGivesARecordTheTimeAtWhichItWasTaken(t *testing.T) {
	g := startQueue(t, t.TempDir(), Options{}).await()
	away := durabletest.Connect(t, "127.0.0.1:1")
	begin := time.Now()
	g.Want("kept", away, "t", "1", durabletest.Soon)
	g.Want("kept", away, "t", "2", durabletest.Soon)
	g.SendAll(away, durabletest.Soon, "3", "4")
	entries, err := g.Queue.stream(away, DeadLetter).disk.Load().Next(spool.Position{}, 10, 1000)
	if err != nil || len(entries) != 4 {
		t.Fatal(len(entries), err)
	}
	for i, e := range entries {
		if e.Record.Timestamp.Before(begin) || e.Record.Timestamp.After(time.Now()) {
			t.Errorf("record %d: %v", i+1, e.Record.Timestamp)
		}
	}
}

func TestQueueHurryEndsTheWaitingForKafka(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	b.Block()
	got := make(chan string)
	go func() { got <- g.Send(conn, "t", "1", time.Hour) }()
	await.True(t, "the record is under way", func() bool { return b.Waiting() })
	g.Queue.Hurry(time.Now())
	if outcome := <-got; outcome != "kept" {
		t.Errorf("the record that was under way: %s", outcome)
	}
	g.Want("kept", conn, "t", "2", time.Hour)
	g.Close()
	// The second record is under way, too, if the forwarder was quick.
	counted := strings.Contains(g.Log.String(), "records=1") || strings.Contains(g.Log.String(), "records=2")
	if !strings.Contains(g.Log.String(), "the next one sends them again") || !counted {
		t.Errorf("the log does not count what was under way:\n%s", g.Log)
	}
}

// The end of the process has less time than a silent cluster is given to answer.
func TestQueueStopEndsWhatAForwarderAsksKafka(t *testing.T) {
	g := startQueue(t, t.TempDir(), Options{}).await()
	f := newRecordForwarder(g.Queue.stream(durabletest.Connect(t, durabletest.Nobody), DeadLetter))
	before := f.ask()
	defer before.Release()
	g.Queue.Stop()
	after := f.ask()
	defer after.Release()
	for _, ctx := range []context.Context{before, after} {
		if <-ctx.Done(); ctx.Err() != context.Canceled { // and not for want of time
			t.Error(ctx.Err())
		}
	}
}

func TestQueueRefusesOrLeavesUnconfirmedWhatItCannotKeep(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(dir string) error
		kind  record.Kind
	}{
		{"the spool is full", func(string) error { return nil }, record.KindSpoolFull},
		{"the directory is gone", func(dir string) error {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			return os.WriteFile(dir, nil, 0o600)
		}, record.KindSpoolFailed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b, dir := startBroker(t), filepath.Join(t.TempDir(), "spool")
			opts := Options{}
			if c.kind == record.KindSpoolFull {
				opts.MaxBytes = 10
			}
			g := startQueue(t, dir, opts).await()
			conn := b.Connect(t)
			g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
			if err := c.spoil(dir); err != nil {
				t.Fatal(err)
			}
			g.Want(fmt.Sprintf("refused %v", c.kind), durabletest.Connect(t, "127.0.0.1:1"), "t", "1", durabletest.Soon)
			b.Block()
			g.Want("unconfirmed", conn, "t", "2", durabletest.Soon)
			b.Release()
			g.Want("acknowledged", conn, "t", "3", durabletest.Patient)
		})
	}
}

func TestQueueKeepsInOrderWhatIsStillQueuedAtTheEnd(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn, err := kafkaconf.New(kafkaconf.Properties{"bootstrap.servers": strings.Join(b.ListenAddrs(), ",")}, record.Mode{})
	if err != nil {
		t.Fatal(err)
	}
	if err := durabletest.Deliver(g.Pool.Way(conn, true), durabletest.Patient, *durabletest.RecordOf("t", "0")).Outcomes[0].Err; err != nil {
		t.Fatal(err)
	}
	b.Block()
	for i := range 2000 {
		if err := durabletest.Deliver(g.Pool.Way(conn, false), durabletest.Patient, *durabletest.RecordOf("t", fmt.Sprint(i+1))).Outcomes[0].Err; err != nil {
			t.Fatal(err)
		}
	}
	g.Close()
	b.Release()
	g = startQueue(t, dir, Options{}).await()
	g.awaitEmpty()
	// The broker had some of them: of a record under way nobody knows, so it is sent again.
	seen := -1
	for _, v := range b.Values(t, "t", 2001) {
		var n int
		if _, err := fmt.Sscan(v, &n); err != nil {
			t.Fatal(err)
		}
		if n > seen+1 {
			t.Fatalf("record %d comes after %d", n, seen)
		}
		seen = max(seen, n)
	}
}

// A producer that loses its sequence, or is fenced, is good for nothing more. What it
// had is sent by the next one.
func TestQueueSendsByTheNextProducerWhatTheFailedOneHad(t *testing.T) {
	for _, cause := range []*kerr.Error{kerr.OutOfOrderSequenceNumber, kerr.InvalidProducerEpoch, kerr.UnknownProducerID, kerr.ProducerFenced, kerr.InvalidProducerIDMapping} {
		t.Run(cause.Message, func(t *testing.T) {
			b, dir := startBroker(t), t.TempDir()
			g := startQueue(t, dir, Options{}).await()
			conn := b.Connect(t)
			g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
			var failed atomic.Bool
			b.FailWith(func(string) *kerr.Error {
				if failed.Swap(true) {
					return nil
				}
				return cause
			})
			outcome := g.Send(conn, "t", "1", durabletest.Patient)
			if outcome != "kept" && outcome != "acknowledged" {
				t.Fatalf("the record that the producer had: %s", outcome)
			}
			g.awaitEmpty()
			g.Want("acknowledged", conn, "t", "2", durabletest.Patient)
			durabletest.Ascending(t, b.Values(t, "t", 3))
		})
	}
}

// What ends between reading records from disk and looking for their flights has been
// sent all the same.
func TestForwarderDoesNotSendAgainWhatIsAcknowledgedWhileItIsRead(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	b.Block()
	st := g.Queue.stream(conn, DeadLetter)
	st.turn <- struct{}{} // the forwarder is between two rounds
	g.Want("kept", conn, "t", "1", durabletest.Soon)
	disk := st.disk.Load()
	entries, err := disk.Next(spool.Position{}, 10, 1000)
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	b.Release()
	await.True(t, "the acknowledgement comes", func() bool {
		st.flights.mu.Lock()
		defer st.flights.mu.Unlock()
		st.flights.noteOutcomes() // as a request does that has just been kept
		return len(st.flights.acked) == 1
	})
	f := newRecordForwarder(st)
	for i := range entries {
		l := f.laneOf(&spool.Head{Position: entries[i].Position, Topic: []byte("t"), Partition: record.AnyPartition})
		f.take(l, 1)
		f.chosen = append(f.chosen, taken{l, 1})
	}
	if err := f.send(disk, entries); err != nil {
		t.Fatal(err)
	}
	<-st.turn
	g.awaitEmpty()
	g.Want("acknowledged", conn, "t", "2", durabletest.Patient)
	durabletest.Ascending(t, b.Values(t, "t", 3))
}

func TestQueueCloseWaitsForARecordThatIsBeingKept(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.Connect(t)
	st := g.Queue.stream(conn, DeadLetter)
	b.Block()
	d, perr := g.Pool.Queue(t.Context(), conn, durabletest.RecordOf("t", "0"))
	if perr != nil {
		t.Fatal(perr)
	}
	// What append does, which is between the write and the note of the flight when its
	// call is cut off and the process ends.
	st.keeping.RLock()
	disk, err := st.open()
	if err != nil {
		t.Fatal(err)
	}
	st.disk.Store(disk)
	appended := disk.AppendAll([]spool.Entry{{Record: *durabletest.RecordOf("t", "0")}})[0]
	if appended.Err != nil {
		t.Fatal(appended.Err)
	}
	b.Release()
	await.True(t, "the acknowledgement comes", d.Reported)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		g.Close()
	}()
	await.True(t, "the end waits for the record", func() bool {
		select {
		case <-closed:
			t.Fatal("it did not wait")
		default:
		}
		if st.keeping.TryRLock() {
			st.keeping.RUnlock()
			return false
		}
		return true
	})
	st.fly(appended.Position, d)
	st.keeping.RUnlock()
	<-closed
	if left := durabletest.Files(t, dir); len(left) > 0 {
		t.Errorf("it is on disk still: %v", left)
	}
}
