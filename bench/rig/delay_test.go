package rig

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// echo answers each connection with what it says.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func TestDelayIsARoundTripAndLosesNothing(t *testing.T) {
	d, err := NewDelay()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.Forward(echo(t))
	c, err := net.Dial("tcp4", d.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	trip := func(sent []byte) time.Duration {
		begin := time.Now()
		go func() { _, _ = c.Write(sent) }()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%v: %d bytes are not what was sent", err, len(got))
		}
		return time.Since(begin)
	}
	trip([]byte("x"))
	const long = 60 * time.Millisecond
	d.Set(long)
	if took := trip([]byte("x")); took < long {
		t.Errorf("a round trip of %s took %s", long, took)
	}
	d.Set(time.Millisecond)
	big := bytes.Repeat([]byte("0123456789"), 1<<18)
	trip(big)
}

func TestDelayClosesWhatIsOpen(t *testing.T) {
	d, err := NewDelay()
	if err != nil {
		t.Fatal(err)
	}
	d.Forward(echo(t))
	c, err := net.Dial("tcp4", d.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still there")
	}
}
