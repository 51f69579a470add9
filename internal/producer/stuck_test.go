package producer

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/kafkaupstream/kafkaupstream/internal/logging"
	"github.com/kafkaupstream/kafkaupstream/internal/producer/client"
	"github.com/kafkaupstream/kafkaupstream/internal/record"
	"github.com/kafkaupstream/kafkaupstream/test/await"
)

// sieve is a listener that, once closed to strangers, drops every connection but those
// of the client that looks whether the cluster answers.
type sieve struct {
	net.Listener
	closed atomic.Bool
	other  atomic.Int32 // connections of that client
}

func (s *sieve) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	return &sieved{Conn: c, s: s}, err
}

type sieved struct {
	net.Conn
	s     *sieve
	begun bool
	other bool
}

func (c *sieved) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.begun && n > 4 { // the first request's header has the client's name
		c.begun = true
		if c.other = bytes.Contains(p[:n], []byte(client.ProbeID)); c.other {
			c.s.other.Add(1)
		}
	}
	if n > 4 && c.s.closed.Load() && !c.other {
		c.Close()
		return 0, io.EOF
	}
	return n, err
}

func stuckPool(t *testing.T, after time.Duration) (*Pool, *await.Log) {
	log := &await.Log{}
	logger := logging.New(io.MultiWriter(log, testWriter{t}), slog.LevelInfo)
	p := NewPool(Options{Log: logger.Logger, StuckAfter: after})
	t.Cleanup(func() {
		p.Close(t.Context())
		logger.Close(time.Second)
	})
	return p, log
}

func TestProducerThatAloneDoesNotReachTheClusterIsReplaced(t *testing.T) {
	s := &sieve{}
	c := startFake(t, kfake.ListenFn(func(network, address string) (_ net.Listener, err error) {
		s.Listener, err = net.Listen(network, address)
		return s, err
	}))
	p, log := stuckPool(t, 500*time.Millisecond)
	conn := connect(t, c, true)
	send := func() *record.Error {
		_, err := send(p, conn, recordOf("t", "x"), true, in(2*time.Second))
		return err
	}
	if err := send(); err != nil {
		t.Fatal(err)
	}
	first := p.client(conn)
	s.closed.Store(true)
	await.True(t, "the producer is replaced", func() bool {
		return send() != nil && p.client(conn) != first
	})
	await.True(t, "the log says so", func() bool {
		return strings.Contains(log.String(), "cannot reach the cluster although a new client can")
	})
	s.closed.Store(false)
	await.True(t, "the next producer sends", func() bool { return send() == nil })
}
