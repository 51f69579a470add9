package ledger

import (
	"sync"
	"time"
)

// Pace lets workers send as many records as it has granted, so that a load lasts as
// long as the fault it is meant for, however quick the answers are.
type Pace struct {
	mu      sync.Mutex
	changed sync.Cond
	tokens  int
	granted int
	over    bool

	stopFeeding func()
}

// NewPace returns a pace that has granted nothing.
func NewPace() *Pace {
	p := &Pace{stopFeeding: func() {}}
	p.changed.L = &p.mu
	return p
}

// Take waits for leave to send at least one record, and takes it for most of them at
// most. It returns for how many; 0: the load is over.
func (p *Pace) Take(most int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.tokens == 0 && !p.over {
		p.changed.Wait()
	}
	if p.over {
		return 0
	}
	n := min(most, p.tokens)
	p.tokens -= n
	return n
}

// Grant lets n more records be sent, at once; n is 0 or more. It returns how many
// were granted in all.
func (p *Pace) Grant(n int) int {
	if n < 0 {
		panic("a pace takes nothing back")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens += n
	p.granted += n
	p.changed.Broadcast()
	return p.granted
}

// Waiting is how many granted records nobody has begun to send.
func (p *Pace) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tokens
}

// feedInterval is the grain of Feed.
const feedInterval = 10 * time.Millisecond

// Feed grants records at a rate until Steady is called. What the workers do not
// take within a second is not saved up for later.
func (p *Pace) Feed(perSecond float64) {
	stop, done := make(chan struct{}), make(chan struct{})
	p.stopFeeding = sync.OnceFunc(func() {
		close(stop)
		<-done
	})
	began := time.Now()
	tick := time.NewTicker(feedInterval)
	go func() {
		defer close(done)
		defer tick.Stop()
		f := feeder{pace: p, perSecond: perSecond}
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				f.at(time.Since(began))
			}
		}
	}()
}

// feeder grants records at a rate.
type feeder struct {
	pace      *Pace
	perSecond float64
	due       int // records that were due so far, granted or not
}

// at grants what has become due when the feed has lasted so long. A time that lies
// before an earlier one grants nothing and takes nothing back: it once did, when a
// ticker's first time was older than the clock's, and a pace with fewer than no
// tokens let the workers send without end.
func (f *feeder) at(elapsed time.Duration) {
	due := int(f.perSecond * elapsed.Seconds())
	if due <= f.due {
		return
	}
	more := due - f.due
	f.due = due
	f.pace.Grant(min(more, max(max(int(f.perSecond), 1)-f.pace.Waiting(), 0)))
}

// Steady ends the feeding.
func (p *Pace) Steady() { p.stopFeeding() }

// End makes every Take return 0.
func (p *Pace) End() {
	p.stopFeeding()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.changed.Broadcast()
}
