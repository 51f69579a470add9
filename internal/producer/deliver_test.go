package producer

import (
	"context"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestLateOutcomesAreReported(t *testing.T) {
	c := startFake(t)
	p, _ := startPoolWith(t, Options{Keep: func(*kafkaconf.Connection, *record.Record) bool {
		t.Error("a record was offered to be kept")
		return true
	}})
	conn := connect(t, c, true)
	recs := func() []record.Record {
		return []record.Record{*recordOf("t", "a"), *recordOf("t", "b"), *recordOf("absent", "c")}
	}
	out, late := follow(p, conn, recs(), in(5*time.Second))
	if out[0].Err != nil || out[1].Err != nil || out[2].Err == nil || out[2].Err.Kind != record.KindTopicNotFound || late != nil {
		t.Fatalf("in time: %+v, late %v", out, late != nil)
	}

	release := holdProduce(c)
	defer release()
	out, late = follow(p, conn, recs(), in(100*time.Millisecond))
	for i, kind := range []record.Kind{record.KindUnconfirmed, record.KindUnconfirmed, record.KindTopicNotFound} {
		if err := out[i].Err; err == nil || err.Kind != kind || err.Unconfirmed != (kind == record.KindUnconfirmed) {
			t.Errorf("record %d: %+v", i, out[i])
		}
	}
	if late == nil {
		t.Fatal("what comes too late is not told")
	}
	told := make(chan []record.Outcome, 1)
	late(func(out []record.Outcome) { told <- out })
	select {
	case out := <-told:
		t.Fatalf("told before Kafka answered: %+v", out)
	default:
	}
	release()
	final := <-told
	if final[0].Err != nil || final[1].Err != nil || final[2].Err == nil || out[0].Err == nil {
		t.Errorf("in the end: %+v, and at first: %+v", final, out)
	}
}

func TestLateRefusalIsReported(t *testing.T) {
	c := startFake(t)
	p, _ := startPoolWith(t, Options{})
	conn := connect(t, c, true)
	if out, _ := follow(p, conn, []record.Record{*recordOf("t", "first")}, in(5*time.Second)); out[0].Err != nil {
		t.Fatal(out[0].Err)
	}
	release := holdProduce(c)
	defer release()
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: kerr.MessageTooLarge, Count: -1})
	_, late := follow(p, conn, []record.Record{*recordOf("t", "late")}, in(100*time.Millisecond))
	told := make(chan []record.Outcome, 1)
	late(func(out []record.Outcome) { told <- out })
	release()
	if out := <-told; out[0].Err == nil || out[0].Err.Kind != record.KindTooLarge || out[0].Err.Unconfirmed {
		t.Errorf("in the end: %+v", out)
	}
}

func TestLateOutcomesAreReportedAtTheEndOfThePool(t *testing.T) {
	c := startFake(t)
	p, _ := startPoolWith(t, Options{})
	conn := connect(t, c, true)
	if out, _ := follow(p, conn, []record.Record{*recordOf("t", "first")}, in(5*time.Second)); out[0].Err != nil {
		t.Fatal(out[0].Err)
	}
	defer holdProduce(c)()
	_, late := follow(p, conn, []record.Record{*recordOf("t", "late")}, in(100*time.Millisecond))
	told := make(chan []record.Outcome, 1)
	late(func(out []record.Outcome) { told <- out })
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	p.Drain(ctx)
	if out := <-told; out[0].Err == nil || !out[0].Err.Unconfirmed {
		t.Errorf("in the end: %+v", out)
	}
}
