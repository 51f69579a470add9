package deadline_test

import (
	"context"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/deadline"
)

// far is further away than a test may take.
func far() time.Time { return time.Now().Add(time.Hour) }

func TestContextEndsAtItsTime(t *testing.T) {
	at := time.Now().Add(5 * time.Millisecond)
	c := deadline.New(at)
	defer c.Release()
	if d, ok := c.Deadline(); !ok || !d.Equal(at) {
		t.Errorf("deadline %v, %t", d, ok)
	}
	<-c.Done()
	if time.Now().Before(at) || c.Err() != context.DeadlineExceeded {
		t.Errorf("it ended %v before its time with %v", time.Until(at), c.Err())
	}
}

func TestContextThatNobodyWaitsForKnowsItsEnd(t *testing.T) {
	c := deadline.New(time.Now().Add(-time.Millisecond))
	defer c.Release()
	if c.Err() != context.DeadlineExceeded {
		t.Error(c.Err())
	}
	<-c.Done()
	other := deadline.New(far())
	defer other.Release()
	if other.Err() != nil {
		t.Error(other.Err())
	}
}

func TestGroupBringsTheEndForward(t *testing.T) {
	var g deadline.Group
	waited, asked, released := g.New(far()), g.New(far()), g.New(far())
	done := waited.Done()
	released.Release()
	early := g.New(time.Now())
	g.EndAt(time.Now())
	<-done
	<-g.New(far()).Done()
	for _, c := range []*deadline.Context{waited, asked} {
		if c.Err() != context.Canceled {
			t.Error(c.Err())
		}
		c.Release()
	}
	if early.Err() != context.DeadlineExceeded {
		t.Errorf("%v, although it was over before the group", early.Err())
	}
}

// TestContextIsUsedAgain makes many contexts that end or do not, at once: none may end
// with another's time.
func TestContextIsUsedAgain(t *testing.T) {
	var g deadline.Group
	ended := make(chan bool)
	for range 8 {
		go func() {
			ok := true
			for i := range 2000 {
				if i%3 == 0 {
					c := deadline.New(time.Now().Add(time.Duration(i%50) * time.Microsecond))
					<-c.Done()
					c.Release()
					continue
				}
				c := g.New(far())
				select {
				case <-c.Done():
					ok = false
				default:
				}
				ok = ok && c.Err() == nil
				c.Release()
			}
			ended <- ok
		}()
	}
	for range 8 {
		if !<-ended {
			t.Error("a context ended an hour too early")
		}
	}
}

func TestContextOfTheStandardLibraryEndsWithIt(t *testing.T) {
	c := deadline.New(time.Now().Add(time.Millisecond))
	child, cancel := context.WithCancel(c)
	defer cancel()
	<-child.Done()
	c.Release()
}

func TestContextAllocatesNothing(t *testing.T) {
	var g deadline.Group
	use := func() {
		c := g.New(time.Now().Add(time.Minute))
		c.Done()
		c.Release()
	}
	// The race detector has sync.Pool lose some of what it is given: then there are allocations.
	for range 1000 {
		if testing.AllocsPerRun(1, use) == 0 {
			return
		}
	}
	t.Error("each use allocates")
}

func BenchmarkContext(b *testing.B) {
	var g deadline.Group
	for b.Loop() {
		c := g.New(time.Now().Add(time.Minute))
		c.Done()
		c.Release()
	}
}
