package chaos

import (
	"sync"
	"time"
)

// pace lets workers send as many records as it has granted, so that a load lasts as
// long as the fault it is meant for, however quick the answers are.
type pace struct {
	mu      sync.Mutex
	changed sync.Cond
	tokens  int
	granted int
	over    bool

	stopFeeding func()
}

func newPace() *pace {
	p := &pace{stopFeeding: func() {}}
	p.changed.L = &p.mu
	return p
}

// take waits for leave to send a record; false: the load is over.
func (p *pace) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.tokens == 0 && !p.over {
		p.changed.Wait()
	}
	if p.over {
		return false
	}
	p.tokens--
	return true
}

// grant lets n more records be sent, at once. It returns how many were granted in
// all.
func (p *pace) grant(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens += n
	p.granted += n
	p.changed.Broadcast()
	return p.granted
}

// waiting is how many granted records nobody has begun to send.
func (p *pace) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tokens
}

// feedInterval is the grain of feed.
const feedInterval = 10 * time.Millisecond

// feed grants records at a rate until steady is called. What the workers do not
// take within a second is not saved up for later.
func (p *pace) feed(perSecond float64) {
	stop, done := make(chan struct{}), make(chan struct{})
	p.stopFeeding = sync.OnceFunc(func() {
		close(stop)
		<-done
	})
	go func() {
		defer close(done)
		tick := time.NewTicker(feedInterval)
		defer tick.Stop()
		due, last := 0.0, time.Now()
		for {
			select {
			case <-stop:
				return
			case now := <-tick.C:
				due += perSecond * now.Sub(last).Seconds()
				last = now
				whole := int(due)
				due -= float64(whole)
				p.grant(min(whole, max(int(perSecond)-p.waiting(), 0)))
			}
		}
	}()
}

// steady ends the feeding.
func (p *pace) steady() { p.stopFeeding() }

// end makes every take return false.
func (p *pace) end() {
	p.stopFeeding()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.changed.Broadcast()
}
