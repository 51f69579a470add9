package operator

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

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

func openIdle(t *testing.T, dir string) *Operator {
	t.Helper()
	q, err := OpenIdle(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

func infoOf(t *testing.T, q interface {
	Streams(context.Context) ([]durable.StreamInfo, error)
}, id string) durable.StreamInfo {
	t.Helper()
	infos, err := q.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(infos, func(s durable.StreamInfo) bool { return s.Stream == id })
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
func TestOperatorShowsRecordsOfAnyTime(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	far := durabletest.RecordOf("t", "far")
	far.Timestamp = time.UnixMilli(math.MaxInt64)
	b.Block()
	defer b.Release()
	for _, rec := range []*record.Record{far, durabletest.RecordOf("t", "near")} {
		if result := g.Deliver(b.Connect(t), durable.DeadLetter, durabletest.Soon, *rec).Outcomes[0]; result.Err != nil || result.Receipt == "" {
			t.Fatalf("record %s was not kept: %+v, %v", rec.Value, result, result.Err)
		}
	}
	c := g.op
	id := g.streamID(b.Connect(t), durable.DeadLetter)
	if got := shown(t, c.Show, ShowRequest{Selection: Selection{Stream: id, Pending: true}}); got != "far near" {
		t.Errorf("shown are %q", got)
	}
}

func TestOperatorListsShowsAndReplaysADeadLetter(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := b.Connect(t)
	id := g.streamID(conn, durable.DeadLetter)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	b.Refuse()
	receipt := g.Hold(b, durable.DeadLetter, durabletest.RecordOf("u", "large"), durabletest.RecordOf("t", "1"))[0]
	g.awaitEmpty()
	c := g.op
	await.True(t, "it is a dead letter", func() bool { return infoOf(t, c, id).DeadLetters == 1 })
	b.Values(t, "t", 2) // the other went on

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

	b.FailWith(nil)
	done, err := c.Replay(t.Context(), Selection{Receipt: receipt}, nil)
	if err != nil || done.Records != 1 || done.Stream != id {
		t.Errorf("%+v, %v", done, err)
	}
	if got := b.Values(t, "u", 1); got[0] != "large" {
		t.Errorf("sent again: %v", got)
	}
	await.True(t, "nothing is on disk", func() bool { return len(durabletest.Files(t, dir)) == 0 })
	_, err = c.Replay(t.Context(), Selection{Receipt: letter.Receipt}, nil)
	wantError(t, err, "there is no record "+letter.Receipt)
}

func TestOperatorFindsAReceiptThroughDeathAndReplay(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := b.Connect(t)
	id := g.streamID(conn, durable.DeadLetter)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	b.Refuse()
	receipts := g.Hold(b, durable.DeadLetter, durabletest.RecordOf("u", "1"), durabletest.RecordOf("u", "2"))
	c := g.op
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

func TestOperatorSaysWhatBecameOfAResolvedReceipt(t *testing.T) {
	g := startQueue(t, t.TempDir(), durable.Options{}).await()
	conn := durabletest.Connect(t, durabletest.Nobody)
	var receipts []string
	for i := range 4 {
		r := g.Deliver(conn, durable.Suspend, durabletest.Soon, *durabletest.RecordOf("t", fmt.Sprint(i))).Outcomes[0]
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		receipts = append(receipts, r.Receipt)
	}
	disk := g.stream(g.streamID(conn, durable.Suspend)).Disk
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
		_, err := g.op.Find(t.Context(), Selection{Receipt: receipts[i]})
		wantError(t, err, want)
	}
	_, err := g.op.Find(t.Context(), Selection{Receipt: "0000000000000001-00000001-0"})
	wantError(t, err, "it was never kept here")
}

func TestOperatorReplaysALetterThatIsRefusedAgainOnceOnly(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	g.Want("acknowledged", b.Connect(t), "t", "0", durabletest.Patient)
	b.Refuse()
	g.Hold(b, durable.DeadLetter, durabletest.RecordOf("u", "1"), durabletest.RecordOf("u", "2"), durabletest.RecordOf("u", "3"))
	c, id := g.op, g.streamID(b.Connect(t), durable.DeadLetter)
	await.True(t, "they are dead letters", func() bool { return infoOf(t, c, id).DeadLetters == 3 })
	done, err := c.Replay(t.Context(), Selection{Stream: id}, nil)
	if err != nil || done.Records != 3 {
		t.Errorf("%+v, %v", done, err)
	}
	await.True(t, "they are dead letters again", func() bool { return infoOf(t, c, id).DeadLetters == 3 && g.pending() == 0 })
	if got := shown(t, c.Show, ShowRequest{Selection: Selection{Stream: id}}); got != "1 2 3" {
		t.Errorf("dead letters: %s", got)
	}
	g.Close()
	q := openIdle(t, dir)
	if got := shown(t, q.Show, ShowRequest{Selection: Selection{Stream: id}}); got != "1 2 3" {
		t.Errorf("dead letters of a process that has ended: %s", got)
	}
}

func TestOperatorMoveEndsAlthoughWhatItMovesComesBack(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	for i := range 3 {
		g.Want("kept", durabletest.Connect(t, durabletest.Nobody), "t", fmt.Sprint(i), durabletest.Soon)
	}
	g.Close()
	q := openIdle(t, dir)
	s, err := q.find(Selection{Stream: g.streamID(durabletest.Connect(t, durabletest.Nobody), durable.DeadLetter), Pending: true})
	if err != nil {
		t.Fatal(err)
	}
	m := move{o: q, selected: s, to: &s.Stream, state: spool.Replayed}
	if n, err := m.run(t.Context()); n != 3 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
}

func TestOperatorWaitsForTheForwardersRound(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	id := g.streamID(conn, durable.DeadLetter)
	if _, err := g.op.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	g.Want("kept", conn, "t", "1", durabletest.Patient)
	st := g.stream(id)
	end, err := st.Pause(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.op.Resume(t.Context(), id); err != nil {
		t.Error(err)
	}
	_, err = g.op.Drop(t.Context(), Selection{Stream: id, Pending: true}) // waits for a while
	wantError(t, err, "under way")
	if n := g.pending(); n != 1 || st.UnderWay() != 0 {
		t.Errorf("the forwarder did not wait for its turn: %d records wait", n)
	}
	end()
	durabletest.Ascending(t, b.Values(t, "t", 2))
}

func TestOperatorResumesASuspendedStreamInOrder(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	c, id := g.op, g.streamID(conn, durable.DeadLetter)
	if _, err := c.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		g.Want("kept", conn, "t", fmt.Sprint(i+1), durabletest.Patient)
	}
	info := infoOf(t, c, id)
	if s := info.Suspension; s == nil || s.Reason != byOperator || info.Pending != 10 || time.Since(info.Oldest).Abs() > time.Minute {
		t.Errorf("listed as %+v", info)
	}
	_, err := c.Suspend(t.Context(), id)
	wantError(t, err, "is suspended already")

	g.Close()
	g = startQueue(t, dir, durable.Options{}).await() // the mark outlives the process
	g.Want("kept", conn, "t", "11", durabletest.Patient)
	c = g.op
	if n := infoOf(t, c, id).Pending; n != 11 {
		t.Errorf("%d records wait, want 11", n)
	}
	done, err := c.Resume(t.Context(), id)
	if err != nil || done.Records != 11 {
		t.Errorf("%+v, %v", done, err)
	}
	durabletest.Ascending(t, b.Values(t, "t", 12))
	g.awaitEmpty()
	g.Want("acknowledged", conn, "t", "12", durabletest.Patient)
	_, err = c.Resume(t.Context(), id)
	wantError(t, err, "is not suspended")
}

func TestOperatorDropsTheRecordThatStopsAStreamAndResumesTheRest(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "warm", durabletest.Patient)
	b.Refuse()
	receipts := g.Hold(b, durable.Suspend, durabletest.RecordOf("u", "large"), durabletest.RecordOf("t", "1"), durabletest.RecordOf("t", "2"))
	q, id := g.op, g.streamID(conn, durable.Suspend)
	suspended := func() *durable.Suspension {
		infos, err := q.Streams(t.Context())
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
	wantError(t, err, "--pending means it")
	done, err := q.Drop(t.Context(), Selection{Receipt: receipts[0], Pending: true})
	if err != nil || done.Records != 1 || done.Stream != id {
		t.Errorf("%+v, %v", done, err)
	}
	if got := shown(t, q.Show, ShowRequest{Selection: Selection{Stream: id, Pending: true}}); got != "1 2" {
		t.Errorf("what waits is %s", got)
	}
	if _, err := q.Resume(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(b.Values(t, "t", 3), " "); got != "warm 1 2" {
		t.Errorf("Kafka got %s", got)
	}
}

func TestOperatorSuspendsAnEmptyStreamThatStillKeepsRecords(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	id := g.streamID(conn, durable.DeadLetter)
	if _, err := g.op.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	g.Want("kept", conn, "t", "dropped", durabletest.Patient)
	if done, err := g.op.Drop(t.Context(), Selection{Stream: id, Pending: true}); err != nil || done.Records != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	g.Want("kept", conn, "t", "1", durabletest.Patient)
	if _, err := g.op.Resume(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	durabletest.Ascending(t, b.Values(t, "t", 2))
	await.True(t, "nothing is on disk", func() bool { return len(durabletest.Files(t, dir)) == 0 })
}

func TestOperatorReplaysRecordsOfBrokersThatAreGoneToOthersInOrder(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := durabletest.Connect(t, durabletest.Nobody)
	id := g.streamID(conn, durable.DeadLetter)
	for i := range 30 {
		g.Want("kept", conn, "t", fmt.Sprint(i), durabletest.Soon)
	}
	c := g.op
	all := Selection{Stream: id, Pending: true}
	_, err := c.Replay(t.Context(), all, targetOf(b))
	wantError(t, err, "is not suspended")
	_, err = c.Drop(t.Context(), all)
	wantError(t, err, "is not suspended")
	if _, err := c.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	done, err := c.Replay(t.Context(), all, targetOf(b))
	if err != nil || done.Records != 30 || done.Stream != g.streamID(b.Connect(t), durable.DeadLetter) {
		t.Errorf("%+v, %v", done, err)
	}
	durabletest.Ascending(t, b.Values(t, "t", 30))
	if _, err := c.Resume(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	await.True(t, "nothing is on disk", func() bool { return len(durabletest.Files(t, dir)) == 0 })
}

func TestOperatorNeitherMovesNorDropsARecordUnderWay(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	b.Block()
	g.Want("kept", conn, "t", "1", durabletest.Soon)
	g.Want("kept", conn, "t", "2", durabletest.Soon)
	c, id := g.op, g.streamID(conn, durable.DeadLetter)
	done, err := c.Suspend(t.Context(), id)
	if err != nil || done.UnderWay == 0 {
		t.Errorf("%+v, %v", done, err)
	}
	all := Selection{Stream: id, Pending: true}
	_, err = c.Drop(t.Context(), all)
	wantError(t, err, "under way")
	_, err = c.Replay(t.Context(), all, &durable.Target{Config: kafkaconf.Properties{"bootstrap.servers": durabletest.Nobody}})
	wantError(t, err, "under way")
	b.Release()
	await.True(t, "what was under way has arrived", func() bool { return infoOf(t, c, id).UnderWay == 0 })
	if _, err := c.Resume(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	durabletest.Ascending(t, b.Values(t, "t", 3))
}

func TestOperatorLeavesAFlightToLandBetweenRounds(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	b.Block()
	got := make(chan string)
	go func() { got <- g.Send(conn, "t", "1", 2*time.Second) }()
	await.True(t, "the record is under way", b.Waiting)
	id := g.streamID(conn, durable.DeadLetter)
	if _, err := g.op.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if outcome := <-got; outcome != "kept" {
		t.Fatalf("the record under way: %s", outcome)
	}
	done, err := g.op.Drop(t.Context(), Selection{Stream: id, Pending: true})
	if wantError(t, err, "under way"); done.Records != 0 {
		t.Errorf("%d records were dropped", done.Records)
	}
	b.Release()
	durabletest.Ascending(t, b.Values(t, "t", 2))
}

func TestOperatorReplayRefusesWhatCannotBeMeant(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := durabletest.Connect(t, durabletest.Nobody)
	g.Want("kept", conn, "t", "0", durabletest.Soon)
	id := g.streamID(conn, durable.DeadLetter)
	receipt := ""
	err := g.op.Show(t.Context(), ShowRequest{Selection: Selection{Stream: id, Pending: true}}, func(r *RecordInfo) error {
		receipt = r.Receipt
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	own := &durable.Target{Config: kafkaconf.Properties{"bootstrap.servers": durabletest.Nobody}}
	cases := []struct {
		says string
		sel  Selection
		to   *durable.Target
		want string
	}{
		{"pending records have nowhere else to go without a target", Selection{Stream: id, Pending: true}, nil, "-f names it"},
		{"one pending record cannot overtake the others", Selection{Receipt: receipt, Pending: true}, targetOf(b), "without its neighbours"},
		{"a pending record is no dead letter", Selection{Receipt: receipt}, nil, "no dead letter"},
		{"a stream's target is another stream", Selection{Stream: id}, own, "that of the stream itself"},
		{"no stream has this name", Selection{Stream: "zzz"}, nil, "there is no stream \"zzz\""},
		{"no stream at all is named", Selection{}, nil, "there is no stream \"\""},
		{"a receipt has its form", Selection{Receipt: "../x"}, nil, "is no receipt"},
		{"a target names brokers", Selection{Stream: id}, &durable.Target{}, "bootstrap.servers: it is missing"},
		{"a target loads no code", Selection{Stream: id}, &durable.Target{Config: kafkaconf.Properties{"plugin.library.paths": "/x"}}, "may not be set"},
		{"a target's reaction has a name", Selection{Stream: id}, &durable.Target{OnPermanentError: "ignore"}, "on_permanent_error: expected"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			done, err := g.op.Replay(t.Context(), c.sel, c.to)
			if wantError(t, err, c.want); done.Records != 0 {
				t.Errorf("%+v", done)
			}
		})
	}
	if n := g.pending(); n != 1 {
		t.Errorf("%d records wait, want the one", n)
	}
}

func TestOperatorWithoutARunnerSendsNothing(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := durabletest.Connect(t, durabletest.Nobody)
	for i := range 5 {
		g.Want("kept", conn, "t", fmt.Sprint(i), durabletest.Soon)
	}
	_, err := OpenIdle(dir, slog.New(slog.DiscardHandler))
	if !errors.Is(err, durable.ErrHeld) {
		t.Errorf("while a runner has it: %v", err)
	}
	g.Close()

	id := g.streamID(conn, durable.DeadLetter)
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
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, id)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the empty stream's secrets are still there")
	}
	startQueue(t, dir, durable.Options{}).await()
	durabletest.Ascending(t, b.Values(t, "t", 5))
}

func TestOperatorLeavesADirectoryAloneThatIsNoSpool(t *testing.T) {
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

func TestOperatorReplaysAStreamWhoseConnectionIsUnreadable(t *testing.T) {
	for _, c := range []struct{ says, connection string }{
		{"damaged", `{"config":`},
		{"a property that this version refuses", `{"config":{"bootstrap.servers":"x","message.max.bytes":"many"}}`},
		{"of another stream", `{"config":{"bootstrap.servers":"elsewhere:9092"}}`},
		{"missing", ""},
	} {
		t.Run(c.says, func(t *testing.T) {
			b, dir := durabletest.StartBroker(t), t.TempDir()
			g := startQueue(t, dir, durable.Options{}).await()
			conn := durabletest.Connect(t, durabletest.Nobody)
			g.Want("kept", conn, "t", "0", durabletest.Soon)
			g.Want("kept", conn, "t", "1", durabletest.Soon)
			g.Close()
			id := g.streamID(conn, durable.DeadLetter)
			path := filepath.Join(dir, id, "connection.json")
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if c.connection != "" {
				if err := os.WriteFile(path, []byte(c.connection), 0o600); err != nil {
					t.Fatal(err)
				}
			}

			g = startQueue(t, dir, durable.Options{}).await()
			client := g.op
			if info := infoOf(t, client, id); info.Problem == "" || info.Pending != 2 {
				t.Errorf("listed as %+v", info)
			}
			_, err := client.Suspend(t.Context(), id)
			wantError(t, err, "is not sent anyway")
			done, err := client.Replay(t.Context(), Selection{Stream: id, Pending: true}, targetOf(b))
			if err != nil || done.Records != 2 {
				t.Errorf("%+v, %v", done, err)
			}
			durabletest.Ascending(t, b.Values(t, "t", 2))
			await.True(t, "nothing is on disk", func() bool { return len(durabletest.Files(t, dir)) == 0 })
		})
	}
}

func TestOperatorShowBeginsWhereAskedAndEndsAtTheLimit(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := durabletest.Connect(t, durabletest.Nobody)
	var receipts []string
	for i := range 120 {
		result := g.Deliver(conn, durable.DeadLetter, durabletest.Soon, *durabletest.RecordOf("t", fmt.Sprint(i))).Outcomes[0]
		if result.Err != nil {
			t.Fatal(result.Err)
		}
		receipts = append(receipts, result.Receipt)
	}
	all := Selection{Stream: g.streamID(conn, durable.DeadLetter), Pending: true}
	c := g.op
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

func TestOperatorShowsBytesAsTextWhereTheyAreText(t *testing.T) {
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

func TestOperatorFindsAStreamByTheBeginningOfItsName(t *testing.T) {
	dir := t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := durabletest.Connect(t, durabletest.Nobody)
	for _, policy := range []durable.Policy{durable.DeadLetter, durable.Suspend} {
		if err := g.Deliver(conn, policy, durabletest.Soon, *durabletest.RecordOf("t", "x")).Outcomes[0].Err; err != nil {
			t.Fatal(err)
		}
	}
	id := g.streamID(conn, durable.DeadLetter)
	for name, want := range map[string]string{id: id, id + "-s": id + "-s", id[:5]: id, id[:5] + "-s": id + "-s"} {
		if done, err := g.op.Find(t.Context(), Selection{Stream: name, Pending: true}); err != nil || done.Stream != want || done.Records != 1 {
			t.Errorf("%s: %+v, %v", name, done, err)
		}
	}
}

func TestOperatorMovesNoUnitsIntoAStreamOfRecords(t *testing.T) {
	b := durabletest.StartBroker(t)
	g := startQueue(t, t.TempDir(), durable.Options{}).await()
	conn := b.Transactional(t)
	b.FailWith(func(string) *kerr.Error { return kerr.NotEnoughReplicas })
	g.WantUnit("kept", conn, "t", "0", time.Second)
	id := g.streamID(conn, durable.DeadLetter)
	if _, err := g.op.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	_, err := g.op.Replay(t.Context(), Selection{Stream: id, Pending: true}, targetOf(b))
	wantError(t, err, "transactional stream")
	if n := g.pending(); n != 1 {
		t.Errorf("%d units are on disk", n)
	}
}

func TestOperatorReplaysAUnitThatBecameADeadLetter(t *testing.T) {
	b := durabletest.StartBroker(t)
	g := startQueue(t, t.TempDir(), durable.Options{}).await()
	conn := b.Transactional(t)
	g.WantUnit("committed", conn, "t", "0", durabletest.Patient)
	b.FailWith(func(string) *kerr.Error { return kerr.InvalidRecord })
	g.WantUnit(fmt.Sprintf("refused %d", record.KindRejected), conn, "t", "1 2", durabletest.Patient)
	g.WantUnit(fmt.Sprintf("refused %d", record.KindTopicNotFound), conn, "nowhere", "x", durabletest.Patient)
	b.FailWith(func(string) *kerr.Error { return kerr.NotEnoughReplicas })
	g.WantUnit("kept", conn, "t", "3 4", durabletest.Soon)
	g.WantUnit("kept", conn, "u", "5", durabletest.Patient)
	b.FailWith(func(topic string) *kerr.Error {
		if topic == "t" {
			return kerr.InvalidRecord
		}
		return nil
	})
	g.awaitEmpty()
	b.FailWith(nil)
	infos, err := g.op.Streams(t.Context())
	if err != nil || len(infos) != 1 || infos[0].DeadLetters != 1 || !infos[0].Transactional {
		t.Fatalf("%+v, %v", infos, err)
	}
	info := infos[0]
	if got := shown(t, g.op.Show, ShowRequest{Selection: Selection{Stream: info.Stream}}); got != "3 4" {
		t.Errorf("shown %q", got)
	}
	if _, err := g.op.Replay(t.Context(), Selection{Stream: info.Stream}, nil); err != nil {
		t.Fatal(err)
	}
	g.awaitEmpty()
	if got := b.Committed(t, "u", 1); got != "5" {
		t.Error(got)
	}
	if got := b.Committed(t, "t", 3); got != "0 3 4" {
		t.Error(got)
	}
}

func TestOperatorDropsDeadLettersThatFillTheirShare(t *testing.T) {
	large := strings.Repeat("x", 20_000)
	for _, drop := range []bool{true, false} {
		t.Run(fmt.Sprint("drop the oldest: ", drop), func(t *testing.T) {
			b, dir := durabletest.StartBroker(t), t.TempDir()
			g := startQueue(t, dir, durable.Options{MaxBytes: 200_000, DropLetters: drop}).await() // a share of 25,000
			conn := b.Connect(t)
			id, c := g.streamID(conn, durable.DeadLetter), g.op
			g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
			b.Refuse()
			g.Hold(b, durable.DeadLetter, durabletest.RecordOf("u", "1"+large))
			await.True(t, "the first is a dead letter", func() bool { return infoOf(t, c, id).DeadLetters == 1 && g.pending() == 0 })
			g.Hold(b, durable.DeadLetter, durabletest.RecordOf("u", "2"+large), durabletest.RecordOf("t", "1"))
			b.Values(t, "t", 2) // which waits for nothing

			if drop {
				await.True(t, "the first has made room", func() bool {
					stats, err := g.Queue.Stats()
					return err == nil && stats.DeadLettersDropped == 1 && stats.DeadLetters == 1 && stats.Records == 0
				})
				if got := shown(t, c.Show, ShowRequest{Selection: Selection{Stream: id}, Bytes: 1}); got != "2" {
					t.Errorf("dead letters: %s", got)
				}
				return
			}
			await.True(t, "the log says what the second waits for", func() bool {
				return strings.Contains(g.Log.String(), "a dead letter cannot be written")
			})
			await.True(t, "only the second waits", func() bool { return g.pending() == 1 })
			if got := shown(t, c.Show, ShowRequest{Selection: Selection{Stream: id, Pending: true}, Bytes: 1}); got != "2" {
				t.Errorf("to be sent: %s", got)
			}
			if _, err := c.Drop(t.Context(), Selection{Stream: id}); err != nil {
				t.Error(err)
			}
			await.True(t, "there is room for the second", func() bool { return infoOf(t, c, id).DeadLetters == 1 && g.pending() == 0 })
		})
	}
}
