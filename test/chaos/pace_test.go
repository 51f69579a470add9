package chaos

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

func TestPace(t *testing.T) {
	p := newPace()
	var taken atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for p.take() {
				taken.Add(1)
			}
		})
	}
	if all := p.grant(10); all != 10 {
		t.Errorf("%d granted", all)
	}
	await.True(t, "what is granted is taken", func() bool { return taken.Load() == 10 })
	p.feed(500)
	await.True(t, "what is fed is taken", func() bool { return taken.Load() > 30 })
	p.steady()
	granted := p.grant(0)
	await.True(t, "no more is fed", func() bool { return taken.Load() == int64(granted) })
	if p.grant(0) != granted {
		t.Error("it is still fed")
	}
	p.end()
	workers.Wait()
	if p.grant(1); p.take() {
		t.Error("it can be taken from after the end")
	}
}

func TestWhatNobodyTakesIsNotSavedUp(t *testing.T) {
	const perSecond = 100
	idle, busy := newPace(), newPace()
	idle.feed(perSecond)
	busy.feed(perSecond)
	for range 2 * perSecond { // for two seconds
		busy.take()
	}
	busy.end()
	idle.end()
	if n := idle.waiting(); n > perSecond || n < perSecond/2 {
		t.Errorf("%d wait, want %d", n, perSecond)
	}
}
