package durable

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/notify"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/internal/spool"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

// inbox is a webhook that keeps the notifications it gets.
type inbox struct {
	mu     sync.Mutex
	events []notify.Event
}

func (i *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var e notify.Event
	if json.NewDecoder(r.Body).Decode(&e) == nil {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.events = append(i.events, e)
	}
}

func (i *inbox) get() []notify.Event {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]notify.Event(nil), i.events...)
}

func TestLettersOfARoundThatHaveRoomEndTheirFlightsThoughOthersDoNot(t *testing.T) {
	q, err := OpenIdle(Options{Dir: t.TempDir(), MaxBytes: 80_000, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	st := q.stream(durabletest.Connect(t, durabletest.Nobody), DeadLetter)
	f := newRecordForwarder(st)
	f.look = func(string, int32) (int32, *record.Error) { return 1, nil }
	var d dead
	for i := range 4 { // for two of which there is room
		e := spool.Entry{Record: *durabletest.RecordOf(fmt.Sprint(i), strings.Repeat("x", 4000))}
		kept := st.append([]spool.Entry{e})[0]
		if kept.Err != nil {
			t.Fatal(kept.Err)
		}
		e.Position = kept.Position
		refused := &record.Error{Kind: record.KindRejected, Reason: "refused"}
		st.flights.at[kept.Position] = &flight{position: kept.Position, err: refused}
		l := f.laneOf(&spool.Head{Topic: []byte(e.Record.Topic), Partition: e.Record.Partition})
		f.take(l, 4000)
		d.add(&e, taken{lane: l, size: 4000}, refused)
	}
	f.bury(st.disk.Load(), &d)
	dead, pending := st.disk.Load().Dead().Pending(), st.disk.Load().Pending()
	if dead == 0 || pending == 0 || dead+pending != 4 {
		t.Fatalf("%d are dead letters, %d pending", dead, pending)
	}
	if n := int64(len(st.flights.at)); n != pending {
		t.Errorf("%d are flights, want the %d that are pending", n, pending)
	}
	if n := int64(len(f.aside)); n != pending {
		t.Errorf("%d lanes stand aside, want those of the %d that are pending", n, pending)
	}
}

func TestForwarderNotifiesAnOperatorOnceAMinuteAtMost(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	told := &inbox{}
	web := httptest.NewServer(told)
	t.Cleanup(web.Close)
	n := notify.New(notify.Options{Webhook: web.URL})
	g := startQueue(t, dir, Options{Notifier: n}).await()
	conn := b.Connect(t)
	g.Want("acknowledged", conn, "t", "0", durabletest.Patient)
	b.Refuse()
	letters := func(n int64) {
		t.Helper()
		await.True(t, fmt.Sprintf("%d dead letters", n), func() bool { return g.info(streamID(conn, DeadLetter)).DeadLetters == n })
	}
	ofFirst := g.Hold(b, DeadLetter, durabletest.RecordOf("u", "1"))[0]
	letters(1)
	await.True(t, "the operator is notified of the first", func() bool { return len(told.get()) == 1 })
	ofLast := ""
	for i := range 3 {
		ofLast = g.Hold(b, DeadLetter, durabletest.RecordOf("u", "more"))[0]
		letters(int64(i + 2))
	}
	receipt := g.Hold(b, Suspend, durabletest.RecordOf("u", "stop"))[0]
	await.True(t, "the operator is notified of the stop", func() bool { return len(told.get()) >= 2 })
	first, second := told.get()[0], told.get()[1]
	if len(told.get()) != 2 || first.Event != "dead_letter" || first.Receipt != ofFirst || first.Count != 1 || first.Topic != "u" || first.Stream != streamID(conn, DeadLetter) {
		t.Errorf("told: %+v", told.get())
	}
	if second.Event != "stream_suspended" || second.Receipt != receipt || second.Stream != streamID(conn, Suspend) || second.Reason == "" {
		t.Errorf("told: %+v", second)
	}
	g.Close() // what waits for its minute is sent at the end
	n.Close(t.Context())
	if all := told.get(); len(all) != 3 || all[2].Event != "dead_letter" || all[2].Receipt != ofLast || all[2].Count != 3 {
		t.Errorf("told at the end: %+v", all)
	}
}
