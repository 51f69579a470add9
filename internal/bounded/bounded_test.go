package bounded

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// listen returns a bounded listener, and what it accepts.
func listen(t *testing.T, limit int, patience time.Duration) (net.Listener, <-chan net.Conn) {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() })
	l, accepted := Listener(plain, limit, patience), make(chan net.Conn, 10)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	return l, accepted
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestConnectionsBeyondTheLimitAreClosedUntilThereIsRoom(t *testing.T) {
	l, accepted := listen(t, 2, 0)
	dial(t, l)
	first := <-accepted
	dial(t, l)
	<-accepted
	if _, err := dial(t, l).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the third connection: %v", err)
	}
	first.Close()
	first.Close() // makes room once
	dial(t, l)
	<-accepted
	if _, err := dial(t, l).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("one more: %v", err)
	}
}

func TestWriteThatThePeerDoesNotReadFails(t *testing.T) {
	l, accepted := listen(t, 1, 20*time.Millisecond)
	dial(t, l) // and reads nothing
	c := <-accepted
	var err error
	for err == nil {
		_, err = c.Write(make([]byte, 1<<20))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}
