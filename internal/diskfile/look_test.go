package diskfile

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLookAtADiskThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		release := make(chan struct{})
		l := NewLook(func() (int, error) {
			looks.Add(1)
			<-release
			return 5, nil
		})
		for _, wait := range []time.Duration{lookWait, 0, 0} {
			began := time.Now()
			if got, err := l.Latest(); got != 0 || !errors.Is(err, ErrHangs) || time.Since(began) != wait {
				t.Errorf("got %v, %v from a disk that hangs, after %v", got, err, time.Since(began))
			}
		}
		if looks := looks.Load(); looks != 1 {
			t.Errorf("%d looks were taken at a disk that hangs", looks)
		}
		close(release)
		synctest.Wait()
		if got, err := l.Latest(); got != 5 || err != nil {
			t.Errorf("got %v, %v", got, err)
		}
		gone := errors.New("gone")
		l.ask = func() (int, error) { return 0, gone }
		if got, err := l.Latest(); got != 5 || !errors.Is(err, gone) {
			t.Errorf("got %v, %v after an error", got, err)
		}
	})
}
