package ledger

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func TestPace(t *testing.T) {
	p := NewPace()
	var taken atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for p.Take(1) > 0 {
				taken.Add(1)
			}
		})
	}
	if all := p.Grant(10); all != 10 {
		t.Errorf("%d granted", all)
	}
	await.True(t, "what is granted is taken", func() bool { return taken.Load() == 10 })
	p.Feed(500)
	await.True(t, "what is fed is taken", func() bool { return taken.Load() > 30 })
	p.Steady()
	granted := p.Grant(0)
	await.True(t, "no more is fed", func() bool { return taken.Load() == int64(granted) })
	if p.Grant(0) != granted {
		t.Error("it is still fed")
	}
	p.End()
	workers.Wait()
	if p.Grant(1); p.Take(1) > 0 {
		t.Error("it can be taken from after the end")
	}
}

func TestPaceNeverGrantsLessThanNothing(t *testing.T) {
	p := NewPace()
	f := feeder{pace: p, perSecond: 1000}
	for _, step := range []struct {
		elapsed time.Duration
		granted int
	}{
		{-50 * time.Millisecond, 0}, // the clock of a goroutine that had to wait for its turn
		{10 * time.Millisecond, 10},
		{5 * time.Millisecond, 10},
		{10 * time.Millisecond, 10},
		{11500 * time.Microsecond, 11},
		{12 * time.Millisecond, 12},
		{time.Second, 1000},
		{10 * time.Second, 1000}, // a second's worth waits, and no more
	} {
		if f.at(step.elapsed); p.Grant(0) != step.granted {
			t.Fatalf("%d granted after %v, want %d", p.Grant(0), step.elapsed, step.granted)
		}
	}
}

func TestPaceGivesAsManyAsThereAre(t *testing.T) {
	p := NewPace()
	p.Grant(5)
	for _, step := range []struct{ most, got int }{{1, 1}, {3, 3}, {3, 1}} {
		if n := p.Take(step.most); n != step.got {
			t.Errorf("%d of %d taken, want %d", n, step.most, step.got)
		}
	}
	if n := p.Waiting(); n != 0 {
		t.Errorf("%d are left", n)
	}
}
