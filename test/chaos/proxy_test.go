package chaos

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// echo is a server behind a proxy. It counts what it gets and sends it back.
func echo(t *testing.T) (*proxy, *await.Log) {
	t.Helper()
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := &await.Log{}
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(io.MultiWriter(got, c), c) // ends when the other end does
			}()
		}
	}()
	p, err := newProxy()
	if err != nil {
		t.Fatal(err)
	}
	p.forward(server.Addr().String())
	t.Cleanup(func() {
		p.close()
		server.Close()
	})
	return p, got
}

func dial(t *testing.T, p *proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp4", p.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c net.Conn, text string) {
	t.Helper()
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("got %q and %v, want %q", b, err, text)
	}
}

// silent wants nothing to come within a moment: that is what is under test.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == io.EOF {
		t.Fatalf("got %d bytes and %v, want silence", n, err)
	}
	_ = c.SetReadDeadline(time.Time{})
}

func broken(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := c.Read(make([]byte, 1))
	if timeout, ok := err.(net.Error); n != 0 || ok && timeout.Timeout() {
		t.Fatalf("got %d bytes and %v, want an end", n, err)
	}
}

func TestProxyForwards(t *testing.T) {
	p, _ := echo(t)
	c := dial(t, p)
	say(t, c, "ping")
	hear(t, c, "ping")
}

func TestProxyCutsWhatIsOpenAndForwardsWhatIsNew(t *testing.T) {
	p, _ := echo(t)
	c := dial(t, p)
	say(t, c, "ping")
	hear(t, c, "ping")
	if n := p.cut(); n != 1 {
		t.Errorf("%d were cut", n)
	}
	broken(t, c)
	c = dial(t, p)
	say(t, c, "ping")
	hear(t, c, "ping")
}

func TestProxyStallsAndLosesNothing(t *testing.T) {
	p, got := echo(t)
	c := dial(t, p)
	say(t, c, "ping")
	hear(t, c, "ping")
	p.become(stalled)
	say(t, c, "pong")
	silent(t, c)
	if got.String() != "ping" {
		t.Errorf("the server got %q", got)
	}
	p.become(fair)
	hear(t, c, "pong")
}

func TestProxySwallowsAnswersAndThenBreaksTheConnection(t *testing.T) {
	p, got := echo(t)
	c, untouched := dial(t, p), dial(t, p)
	say(t, untouched, "a")
	hear(t, untouched, "a")
	p.become(swallowing)
	say(t, c, "ping")
	await.True(t, "the server gets it", func() bool { return got.String() == "aping" })
	await.True(t, "the answer is swallowed", func() bool { return p.swallowed.Load() == 4 })
	silent(t, c)
	p.become(fair)
	broken(t, c)
	say(t, untouched, "b")
	hear(t, untouched, "b")
}

func TestProxyEndsWhileItIsStalled(t *testing.T) {
	p, _ := echo(t)
	c := dial(t, p)
	say(t, c, "ping")
	hear(t, c, "ping")
	p.become(stalled)
	say(t, c, "pong")
	p.close()
	broken(t, c)
}
