package control

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/durable"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/operator"
	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/test/durabletest"
)

func TestControlClientCarriesEveryCommandAndItsErrors(t *testing.T) {
	b, dir := durabletest.StartBroker(t), t.TempDir()
	g := startQueue(t, dir, durable.Options{}).await()
	conn := durabletest.Connect(t, durabletest.Nobody)
	for i := range 3 {
		g.Want("kept", conn, "t", fmt.Sprint(i), durabletest.Soon)
	}
	c, id := dial(t, dir), g.Queue.StreamOf(conn, durable.DeadLetter).ID
	all := operator.Selection{Stream: id, Pending: true}
	wantError := func(err error, part string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want an error with %q", err, part)
		}
	}
	want := func(name string, done operator.Done, err error, records int64) {
		t.Helper()
		if err != nil || done.Records != records {
			t.Errorf("%s: %+v, %v, want %d records", name, done, err, records)
		}
	}

	if info := infoOf(t, c, id); info.Pending != 3 || info.Brokers != durabletest.Nobody || info.Suspension != nil {
		t.Errorf("listed as %+v", info)
	}
	done, err := c.Find(t.Context(), all)
	want("find", done, err, 3)
	var values, receipts []string
	err = c.Show(t.Context(), operator.ShowRequest{Selection: all}, func(r *operator.RecordInfo) error {
		values, receipts = append(values, *r.Value), append(receipts, r.Receipt)
		return nil
	})
	if err != nil || strings.Join(values, " ") != "0 1 2" {
		t.Errorf("shown: %v, %v", values, err)
	}
	stop, n := errors.New("enough"), 0
	err = c.Show(t.Context(), operator.ShowRequest{Selection: all}, func(*operator.RecordInfo) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("after the caller's error: %v, %d records", err, n)
	}
	wantError(c.Show(t.Context(), operator.ShowRequest{Selection: all, Limit: -1}, nil), "not negative")

	_, err = c.Drop(t.Context(), all)
	wantError(err, "is not suspended")
	done, err = c.Suspend(t.Context(), id)
	want("suspend", done, err, 3)
	if s := infoOf(t, c, id).Suspension; s == nil || s.Reason == "" || s.Time.IsZero() {
		t.Errorf("suspended: %+v", s)
	}
	_, err = c.Suspend(t.Context(), id)
	wantError(err, "is suspended already")
	done, err = c.Drop(t.Context(), operator.Selection{Receipt: receipts[2], Pending: true})
	want("drop", done, err, 1)
	_, err = c.Find(t.Context(), operator.Selection{Receipt: receipts[2]})
	wantError(err, "an operator has dropped it")

	to := &durable.Target{Config: kafkaconf.Properties{"bootstrap.servers": b.Brokers()}}
	done, err = c.Replay(t.Context(), all, to)
	want("replay", done, err, 2)
	durabletest.Ascending(t, b.Values(t, "t", 2))
	_, err = c.Replay(t.Context(), all, nil)
	wantError(err, "-f names it")
	done, err = c.Resume(t.Context(), id)
	want("resume", done, err, 0)
	_, err = c.Resume(t.Context(), id)
	wantError(err, "is not suspended")
}
