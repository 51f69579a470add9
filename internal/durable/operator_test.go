package durable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// nobody is where no broker answers.
const nobody = "127.0.0.1:1"

func dial(t *testing.T, dir string) *Client {
	t.Helper()
	var c *Client
	await.True(t, "the owner answers on its socket", func() (answers bool) {
		var err error
		c, err = Dial(t.Context(), dir)
		return err == nil
	})
	t.Cleanup(func() { c.Close() })
	return c
}

func openIdle(t *testing.T, dir string) *Queue {
	t.Helper()
	q, err := OpenIdle(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

// refuse makes the broker answer that records of topic u are too large for ever.
func (b *broker) refuse() {
	b.failWith(func(topic string) *kerr.Error {
		if topic == "u" {
			return kerr.MessageTooLarge
		}
		return nil
	})
}

// hold makes the queue keep records of a stream by sending them while the broker
// says nothing. The first of them is under way.
func (g *gateway) hold(b *broker, policy Policy, records ...*record.Record) (receipts []string) {
	g.t.Helper()
	b.block()
	defer b.release()
	for _, rec := range records {
		result := g.deliver(b.connect(g.t), policy, soon, *rec).Outcomes[0]
		if result.Err != nil || result.Receipt == "" {
			g.t.Fatalf("record %s was not kept: %+v, %v", rec.Value, result, result.Err)
		}
		receipts = append(receipts, result.Receipt)
	}
	return receipts
}

func infoOf(t *testing.T, q interface {
	Streams(context.Context) ([]StreamInfo, error)
}, id string) StreamInfo {
	t.Helper()
	infos, err := q.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(infos, func(s StreamInfo) bool { return s.Stream == id })
	if i < 0 {
		t.Fatalf("stream %s is not among %+v", id, infos)
	}
	return infos[i]
}

// shown is what Show shows: the values, and - for null or binary.
func shown(t *testing.T, show func(context.Context, ShowRequest, func(*RecordInfo) error) error, req ShowRequest) string {
	t.Helper()
	var values []string
	err := show(t.Context(), req, func(r *RecordInfo) error {
		if r.Value == nil {
			values = append(values, "-")
		} else {
			values = append(values, *r.Value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(values, " ")
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("got %v, want an error with %q", err, part)
	}
}

// A client may give a record any time, and one of a year that time.Time does not write as JSON must not hide the others.
func TestRecordsOfAnyTimeAreShown(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	far := recordOf("t", "far")
	far.Timestamp = time.UnixMilli(math.MaxInt64)
	b.block()
	defer b.release()
	for _, rec := range []*record.Record{far, recordOf("t", "near")} {
		if result := g.deliver(b.connect(t), DeadLetter, soon, *rec).Outcomes[0]; result.Err != nil || result.Receipt == "" {
			t.Fatalf("record %s was not kept: %+v, %v", rec.Value, result, result.Err)
		}
	}
	c := dial(t, dir)
	id := streamID(b.connect(t), DeadLetter)
	if got := shown(t, c.Show, ShowRequest{Selection: Selection{Stream: id, Pending: true}}); got != "far near" {
		t.Errorf("shown are %q", got)
	}
}

func TestADeadLetterIsListedShownAndSentAgain(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	id := streamID(conn, DeadLetter)
	g.want("acknowledged", conn, "t", "0", patient)
	b.refuse()
	receipt := g.hold(b, DeadLetter, recordOf("u", "large"), recordOf("t", "1"))[0]
	g.awaitEmpty()
	c := dial(t, dir)
	await.True(t, "it is a dead letter", func() bool { return infoOf(t, c, id).DeadLetters == 1 })
	b.values(t, "t", 2) // the other went on

	info := infoOf(t, c, id)
	if info.Brokers != b.ListenAddrs()[0] || info.OnPermanentError != "deadletter" || info.Pending != 0 || info.Bytes == 0 ||
		info.Suspension != nil || info.LastResolved == "" || info.Problem != "" {
		t.Errorf("listed as %+v", info)
	}
	var letter RecordInfo
	err := c.Show(t.Context(), ShowRequest{Selection: Selection{Stream: id[:4]}}, func(r *RecordInfo) error {
		letter = *r
		return nil
	})
	if err != nil || !letter.Dead || letter.Topic != "u" || *letter.Value != "large" || letter.Reason == "" || letter.Receipt == receipt ||
		time.Since(letter.Kept).Abs() > time.Minute {
		t.Errorf("shown as %+v, %v", letter, err)
	}

	var same RecordInfo
	err = c.Show(t.Context(), ShowRequest{Selection: Selection{Receipt: receipt}}, func(r *RecordInfo) error {
		same = *r
		return nil
	})
	if err != nil || letter.FirstReceipt != receipt || !reflect.DeepEqual(same, letter) {
		t.Errorf("by the client's receipt %s it is shown as %+v, %v", receipt, same, err)
	}
	if _, err := c.Find(t.Context(), Selection{Receipt: receipt, Pending: true}); err == nil || !strings.Contains(err.Error(), "is a dead letter") {
		t.Errorf("among the records to be sent: %v", err)
	}

	b.failWith(nil)
	done, err := c.Replay(t.Context(), Selection{Receipt: receipt}, nil)
	if err != nil || done.Records != 1 || done.Stream != id {
		t.Errorf("%+v, %v", done, err)
	}
	if got := b.values(t, "u", 1); got[0] != "large" {
		t.Errorf("sent again: %v", got)
	}
	await.True(t, "nothing is on disk", func() bool { return len(files(t, dir)) == 0 })
	_, err = c.Replay(t.Context(), Selection{Receipt: letter.Receipt}, nil)
	wantError(t, err, "there is no record "+letter.Receipt)
}

func TestAReceiptIsFoundThroughDeathAndReplay(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	id := streamID(conn, DeadLetter)
	g.want("acknowledged", conn, "t", "0", patient)
	b.refuse()
	receipts := g.hold(b, DeadLetter, recordOf("u", "1"), recordOf("u", "2"))
	c := dial(t, dir)
	g.awaitEmpty() // a letter is on disk before its record is marked there
	await.True(t, "they are dead letters", func() bool { return infoOf(t, c, id).DeadLetters == 2 })
	for range 2 { // refused again, it is found again
		if _, err := c.Replay(t.Context(), Selection{Receipt: receipts[0]}, nil); err != nil {
			t.Fatal(err)
		}
		await.True(t, "it is a dead letter again", func() bool { return infoOf(t, c, id).DeadLetters == 2 && g.pending() == 0 })
		if got := shown(t, c.Show, ShowRequest{Selection: Selection{Receipt: receipts[0]}}); got != "1" {
			t.Errorf("shown: %q", got)
		}
	}
	if _, err := c.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Replay(t.Context(), Selection{Receipt: receipts[0]}, nil); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, c.Show, ShowRequest{Selection: Selection{Receipt: receipts[0]}}); got != "1" || g.pending() != 1 {
		t.Errorf("of a record that is to be sent again: %q", got)
	}
	if _, err := c.Drop(t.Context(), Selection{Receipt: receipts[1]}); err != nil {
		t.Fatal(err)
	}
	_, err := c.Find(t.Context(), Selection{Receipt: receipts[1]})
	wantError(t, err, "there is no record "+receipts[1])
}

func TestOfAReceiptThatIsDoneWithItIsSaidWhatIsKnown(t *testing.T) {
	g := startQueue(t, t.TempDir(), Options{}).await()
	conn := connect(t, nobody)
	var receipts []string
	for i := range 4 {
		r := g.deliver(conn, Suspend, soon, *recordOf("t", fmt.Sprint(i))).Outcomes[0]
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		receipts = append(receipts, r.Receipt)
	}
	disk := g.queue.stream(conn, Suspend).disk.Load()
	for i, state := range []spool.State{spool.Acked, spool.Dropped, spool.Replayed} {
		p, err := spool.ParseReceipt(receipts[i])
		if err == nil {
			err = disk.Resolve(p, state)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"Kafka has acknowledged it", "an operator has dropped it", "an operator has put it back"} {
		_, err := g.queue.Find(Selection{Receipt: receipts[i]})
		wantError(t, err, want)
	}
	_, err := g.queue.Find(Selection{Receipt: "0000000000000001-00000001-0"})
	wantError(t, err, "it was never kept here")
}

func TestALetterThatIsRefusedAgainIsReplayedOnceOnly(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	g.want("acknowledged", b.connect(t), "t", "0", patient)
	b.refuse()
	g.hold(b, DeadLetter, recordOf("u", "1"), recordOf("u", "2"), recordOf("u", "3"))
	c, id := dial(t, dir), streamID(b.connect(t), DeadLetter)
	await.True(t, "they are dead letters", func() bool { return infoOf(t, c, id).DeadLetters == 3 })
	done, err := c.Replay(t.Context(), Selection{Stream: id}, nil)
	if err != nil || done.Records != 3 {
		t.Errorf("%+v, %v", done, err)
	}
	await.True(t, "they are dead letters again", func() bool { return infoOf(t, c, id).DeadLetters == 3 && g.pending() == 0 })
	if got := shown(t, c.Show, ShowRequest{Selection: Selection{Stream: id}}); got != "1 2 3" {
		t.Errorf("dead letters: %s", got)
	}
	g.close()
	q := openIdle(t, dir)
	if got := shown(t, q.Show, ShowRequest{Selection: Selection{Stream: id}}); got != "1 2 3" {
		t.Errorf("dead letters of a process that has ended: %s", got)
	}
}

func TestAMoveEndsAlthoughWhatItMovesComesBack(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	for i := range 3 {
		g.want("kept", connect(t, nobody), "t", fmt.Sprint(i), soon)
	}
	g.close()
	q := openIdle(t, dir)
	s, err := q.find(Selection{Stream: streamID(connect(t, nobody), DeadLetter), Pending: true})
	if err != nil {
		t.Fatal(err)
	}
	m := move{q: q, selected: s, to: s.stream, state: spool.Replayed}
	if n, err := m.run(t.Context()); n != 3 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
}

func TestARoundAndAnOperationKeepOutOfEachOthersWay(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	g.want("acknowledged", conn, "t", "0", patient)
	id := streamID(conn, DeadLetter)
	if _, err := g.queue.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	g.want("kept", conn, "t", "1", patient)
	st := g.queue.stream(conn, DeadLetter)
	end, err := st.betweenRounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.queue.Resume(id); err != nil {
		t.Error(err)
	}
	_, err = g.queue.Drop(t.Context(), Selection{Stream: id, Pending: true}) // waits for a while
	wantError(t, err, "under way")
	if n := g.pending(); n != 1 || st.underWay() != 0 {
		t.Errorf("the forwarder did not wait for its turn: %d records wait", n)
	}
	end()
	ascending(t, b.values(t, "t", 2))
}

func TestASuspendedStreamKeepsItsOrderUntilItIsResumed(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	g.want("acknowledged", conn, "t", "0", patient)
	c, id := dial(t, dir), streamID(conn, DeadLetter)
	if _, err := c.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		g.want("kept", conn, "t", fmt.Sprint(i+1), patient)
	}
	info := infoOf(t, c, id)
	if s := info.Suspension; s == nil || s.Reason != byOperator || info.Pending != 10 || time.Since(info.Oldest).Abs() > time.Minute {
		t.Errorf("listed as %+v", info)
	}
	_, err := c.Suspend(t.Context(), id)
	wantError(t, err, "is suspended already")

	g.close()
	g = startQueue(t, dir, Options{}).await() // the mark outlives the process
	g.want("kept", conn, "t", "11", patient)
	c = dial(t, dir)
	if n := infoOf(t, c, id).Pending; n != 11 {
		t.Errorf("%d records wait, want 11", n)
	}
	done, err := c.Resume(t.Context(), id)
	if err != nil || done.Records != 11 {
		t.Errorf("%+v, %v", done, err)
	}
	ascending(t, b.values(t, "t", 12))
	g.awaitEmpty()
	g.want("acknowledged", conn, "t", "12", patient)
	_, err = c.Resume(t.Context(), id)
	wantError(t, err, "is not suspended")
}

func TestARecordThatStopsAStreamIsDroppedAndTheRestGoesOn(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	g.want("acknowledged", conn, "t", "warm", patient)
	b.refuse()
	receipts := g.hold(b, Suspend, recordOf("u", "large"), recordOf("t", "1"), recordOf("t", "2"))
	q, id := g.queue, streamID(conn, Suspend)
	suspended := func() *Suspension {
		infos, err := q.Streams()
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range infos {
			if info.Stream == id {
				return info.Suspension
			}
		}
		return nil
	}
	await.True(t, "the stream stops", func() bool { return suspended() != nil })
	if s := suspended(); s.Receipt != receipts[0] || s.Topic != "u" {
		t.Errorf("it stopped at %+v", s)
	}
	_, err := q.Drop(t.Context(), Selection{Receipt: receipts[0]})
	wantError(t, err, "--pending means such")
	done, err := q.Drop(t.Context(), Selection{Receipt: receipts[0], Pending: true})
	if err != nil || done.Records != 1 || done.Stream != id {
		t.Errorf("%+v, %v", done, err)
	}
	if got := shown(t, q.Show, ShowRequest{Selection: Selection{Stream: id, Pending: true}}); got != "1 2" {
		t.Errorf("what waits is %s", got)
	}
	if _, err := q.Resume(id); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(b.values(t, "t", 3), " "); got != "warm 1 2" {
		t.Errorf("Kafka got %s", got)
	}
}

func TestAnEmptySuspendedStreamStillKeepsWhatComes(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	g.want("acknowledged", conn, "t", "0", patient)
	id := streamID(conn, DeadLetter)
	if _, err := g.queue.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	g.want("kept", conn, "t", "dropped", patient)
	if done, err := g.queue.Drop(t.Context(), Selection{Stream: id, Pending: true}); err != nil || done.Records != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	g.want("kept", conn, "t", "1", patient)
	if _, err := g.queue.Resume(id); err != nil {
		t.Fatal(err)
	}
	ascending(t, b.values(t, "t", 2))
	await.True(t, "nothing is on disk", func() bool { return len(files(t, dir)) == 0 })
}

func targetOf(b *broker) *Target {
	return &Target{Config: kafkaconf.Properties{"bootstrap.servers": strings.Join(b.ListenAddrs(), ",")}}
}

func TestRecordsOfBrokersThatAreGoneMoveToOthersInOrder(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := connect(t, nobody)
	id := streamID(conn, DeadLetter)
	for i := range 30 {
		g.want("kept", conn, "t", fmt.Sprint(i), soon)
	}
	c := dial(t, dir)
	all := Selection{Stream: id, Pending: true}
	_, err := c.Replay(t.Context(), all, targetOf(b))
	wantError(t, err, "is not suspended")
	_, err = c.Drop(t.Context(), all)
	wantError(t, err, "is not suspended")
	if _, err := c.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	done, err := c.Replay(t.Context(), all, targetOf(b))
	if err != nil || done.Records != 30 || done.Stream != streamID(b.connect(t), DeadLetter) {
		t.Errorf("%+v, %v", done, err)
	}
	ascending(t, b.values(t, "t", 30))
	if _, err := c.Resume(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	await.True(t, "nothing is on disk", func() bool { return len(files(t, dir)) == 0 })
}

func TestARecordUnderWayIsNeitherMovedNorDropped(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	g.want("acknowledged", conn, "t", "0", patient)
	b.block()
	g.want("kept", conn, "t", "1", soon)
	g.want("kept", conn, "t", "2", soon)
	c, id := dial(t, dir), streamID(conn, DeadLetter)
	done, err := c.Suspend(t.Context(), id)
	if err != nil || done.UnderWay == 0 {
		t.Errorf("%+v, %v", done, err)
	}
	all := Selection{Stream: id, Pending: true}
	_, err = c.Drop(t.Context(), all)
	wantError(t, err, "under way")
	_, err = c.Replay(t.Context(), all, &Target{Config: kafkaconf.Properties{"bootstrap.servers": nobody}})
	wantError(t, err, "under way")
	b.release()
	await.True(t, "what was under way has arrived", func() bool { return infoOf(t, c, id).UnderWay == 0 })
	if _, err := c.Resume(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	ascending(t, b.values(t, "t", 3))
}

func TestAFlightIsLeftToLandAlthoughTheForwarderIsBetweenRounds(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := b.connect(t)
	g.want("acknowledged", conn, "t", "0", patient)
	b.block()
	got := make(chan string)
	go func() { got <- g.send(conn, "t", "1", 2*time.Second) }()
	await.True(t, "the record is under way", b.waiting)
	id := streamID(conn, DeadLetter)
	if _, err := g.queue.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if outcome := <-got; outcome != "kept" {
		t.Fatalf("the record under way: %s", outcome)
	}
	done, err := g.queue.Drop(t.Context(), Selection{Stream: id, Pending: true})
	if wantError(t, err, "under way"); done.Records != 0 {
		t.Errorf("%d records were dropped", done.Records)
	}
	b.release()
	ascending(t, b.values(t, "t", 2))
}

func TestReplayAndDropRefuseWhatCannotBeMeant(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := connect(t, nobody)
	g.want("kept", conn, "t", "0", soon)
	id := streamID(conn, DeadLetter)
	receipt := ""
	err := g.queue.Show(t.Context(), ShowRequest{Selection: Selection{Stream: id, Pending: true}}, func(r *RecordInfo) error {
		receipt = r.Receipt
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	own := &Target{Config: kafkaconf.Properties{"bootstrap.servers": nobody}}
	cases := []struct {
		says string
		sel  Selection
		to   *Target
		want string
	}{
		{"pending records have nowhere else to go without a target", Selection{Stream: id, Pending: true}, nil, "-f names it"},
		{"one pending record cannot overtake the others", Selection{Receipt: receipt, Pending: true}, targetOf(b), "without its neighbours"},
		{"a pending record is no dead letter", Selection{Receipt: receipt}, nil, "no dead letter"},
		{"a stream's target is another stream", Selection{Stream: id}, own, "that of the stream itself"},
		{"no stream has this name", Selection{Stream: "zzz"}, nil, "there is no stream \"zzz\""},
		{"no stream at all is named", Selection{}, nil, "there is no stream \"\""},
		{"a receipt has its form", Selection{Receipt: "../x"}, nil, "is no receipt"},
		{"a target names brokers", Selection{Stream: id}, &Target{}, "bootstrap.servers: it is missing"},
		{"a target loads no code", Selection{Stream: id}, &Target{Config: kafkaconf.Properties{"plugin.library.paths": "/x"}}, "may not be set"},
		{"a target's reaction has a name", Selection{Stream: id}, &Target{OnPermanentError: "ignore"}, "on_permanent_error: expected"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			done, err := g.queue.Replay(t.Context(), c.sel, c.to)
			if wantError(t, err, c.want); done.Records != 0 {
				t.Errorf("%+v", done)
			}
		})
	}
	if n := g.pending(); n != 1 {
		t.Errorf("%d records wait, want the one", n)
	}
}

func TestWithoutARunnerTheSpoolIsHandledAndNothingIsSent(t *testing.T) {
	b, dir := startBroker(t), t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := connect(t, nobody)
	for i := range 5 {
		g.want("kept", conn, "t", fmt.Sprint(i), soon)
	}
	_, err := OpenIdle(dir, slog.New(slog.DiscardHandler))
	if !errors.Is(err, ErrHeld) {
		t.Errorf("while a runner has it: %v", err)
	}
	g.close()

	id := streamID(conn, DeadLetter)
	q := openIdle(t, dir)
	if got := shown(t, q.Show, ShowRequest{Selection: Selection{Stream: id[:3], Pending: true}}); got != "0 1 2 3 4" {
		t.Errorf("what waits is %s", got)
	}
	_, err = q.Drop(t.Context(), Selection{Stream: id, Pending: true})
	wantError(t, err, "is not suspended")
	done, err := q.Replay(t.Context(), Selection{Stream: id, Pending: true}, targetOf(b))
	if err != nil || done.Records != 5 {
		t.Errorf("%+v, %v", done, err)
	}
	if _, err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, id)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the empty stream's secrets are still there")
	}
	startQueue(t, dir, Options{}).await()
	ascending(t, b.values(t, "t", 5))
}

func TestADirectoryThatIsNoSpoolIsLeftAlone(t *testing.T) {
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "letters"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	for _, c := range []struct{ says, dir, want string }{
		{"something else's", other, "is no spool"},
		{"a file", filepath.Join(other, "letters"), "not a directory"},
		{"nothing", missing, "no such file"},
	} {
		t.Run(c.says, func(t *testing.T) {
			_, err := OpenIdle(c.dir, slog.New(slog.DiscardHandler))
			wantError(t, err, c.want)
		})
	}
	if entries, _ := os.ReadDir(other); len(entries) != 1 {
		t.Errorf("it left %v", entries)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("the directory was made")
	}
}

func TestAStreamWhoseConnectionIsUnreadableCanBeMovedAway(t *testing.T) {
	for _, c := range []struct{ says, connection string }{
		{"damaged", `{"config":`},
		{"a property that this version refuses", `{"config":{"bootstrap.servers":"x","message.max.bytes":"many"}}`},
		{"of another stream", `{"config":{"bootstrap.servers":"elsewhere:9092"}}`},
		{"missing", ""},
	} {
		t.Run(c.says, func(t *testing.T) {
			b, dir := startBroker(t), t.TempDir()
			g := startQueue(t, dir, Options{}).await()
			conn := connect(t, nobody)
			g.want("kept", conn, "t", "0", soon)
			g.want("kept", conn, "t", "1", soon)
			g.close()
			id := streamID(conn, DeadLetter)
			path := filepath.Join(dir, id, "connection.json")
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if c.connection != "" {
				if err := os.WriteFile(path, []byte(c.connection), 0o600); err != nil {
					t.Fatal(err)
				}
			}

			startQueue(t, dir, Options{}).await()
			client := dial(t, dir)
			if info := infoOf(t, client, id); info.Problem == "" || info.Pending != 2 {
				t.Errorf("listed as %+v", info)
			}
			_, err := client.Suspend(t.Context(), id)
			wantError(t, err, "is not sent anyway")
			done, err := client.Replay(t.Context(), Selection{Stream: id, Pending: true}, targetOf(b))
			if err != nil || done.Records != 2 {
				t.Errorf("%+v, %v", done, err)
			}
			ascending(t, b.values(t, "t", 2))
			await.True(t, "nothing is on disk", func() bool { return len(files(t, dir)) == 0 })
		})
	}
}

func TestShowBeginsWhereAskedAndEndsAtTheLimit(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := connect(t, nobody)
	var receipts []string
	for i := range 120 {
		result := g.deliver(conn, DeadLetter, soon, *recordOf("t", fmt.Sprint(i))).Outcomes[0]
		if result.Err != nil {
			t.Fatal(result.Err)
		}
		receipts = append(receipts, result.Receipt)
	}
	all := Selection{Stream: streamID(conn, DeadLetter), Pending: true}
	c := dial(t, dir)
	cases := []struct {
		says string
		req  ShowRequest
		want int
		from int
	}{
		{"the first twenty where nothing is said", ShowRequest{Selection: all}, 20, 0},
		{"the limit counts over several reads", ShowRequest{Selection: all, Limit: 110}, 110, 0},
		{"a limit that is not reached", ShowRequest{Selection: all, Limit: 1000}, 120, 0},
		{"from a record on, itself included", ShowRequest{Selection: all, Limit: 3, From: receipts[70]}, 3, 70},
		{"from the first", ShowRequest{Selection: all, Limit: 3, From: receipts[0]}, 3, 0},
		{"one record", ShowRequest{Selection: Selection{Receipt: receipts[5]}}, 1, 5},
		{"the first record", ShowRequest{Selection: Selection{Receipt: receipts[0]}}, 1, 0},
	}
	for _, tc := range cases {
		t.Run(tc.says, func(t *testing.T) {
			var want []string
			for i := range tc.want {
				want = append(want, fmt.Sprint(tc.from+i))
			}
			if got := shown(t, c.Show, tc.req); got != strings.Join(want, " ") {
				t.Errorf("got %s", got)
			}
		})
	}
	stop := errors.New("enough")
	n := 0
	err := c.Show(t.Context(), ShowRequest{Selection: all}, func(*RecordInfo) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("after the caller's error: %v, %d records", err, n)
	}
	err = c.Show(t.Context(), ShowRequest{Selection: all, Limit: -1}, nil)
	wantError(t, err, "not negative")
}

func TestBytesAreShownAsTextWhereTheyAreText(t *testing.T) {
	cases := []struct {
		says   string
		in     []byte
		n      int
		text   string
		binary []byte
	}{
		{"text", []byte("añb"), 0, "añb", nil},
		{"cut text", []byte("abcdef"), 3, "abc", nil},
		{"text that is cut between characters", []byte("añb"), 2, "a", nil},
		{"a character that begins at the cut", []byte("añb"), 3, "añ", nil},
		{"a cut behind the end", []byte("ab"), 5, "ab", nil},
		{"bytes", []byte{0xff, 1, 2}, 0, "", []byte{0xff, 1, 2}},
		{"cut bytes", []byte{'a', 'b', 0xff}, 2, "", []byte("ab")},
		{"empty", []byte{}, 5, "", nil},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			text, binary := text(c.in, c.n)
			if (text == nil) != (c.binary != nil) || text != nil && *text != c.text || string(binary) != string(c.binary) {
				t.Errorf("got %v, %q", text, binary)
			}
		})
	}
	if s, b := text(nil, 0); s != nil || b != nil {
		t.Errorf("null is %v, %v", s, b)
	}
}

func TestAnAmbiguousBeginningIsNoName(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, Options{}).await()
	conn := connect(t, nobody)
	for _, policy := range []Policy{DeadLetter, Suspend} {
		if err := g.deliver(conn, policy, soon, *recordOf("t", "x")).Outcomes[0].Err; err != nil {
			t.Fatal(err)
		}
	}
	id := streamID(conn, DeadLetter)
	_, err := g.queue.Find(Selection{Stream: id[:5]})
	wantError(t, err, "several streams: "+id+", "+id+"-s")
	for _, name := range []string{id, id + "-s"} {
		if done, err := g.queue.Find(Selection{Stream: name, Pending: true}); err != nil || done.Stream != name || done.Records != 1 {
			t.Errorf("the whole name %s: %+v, %v", name, done, err)
		}
	}
}
