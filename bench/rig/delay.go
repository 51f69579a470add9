package rig

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Delay is a TCP proxy that adds latency: it forwards connections to a target, and each byte arrives half a round trip after it
// was sent, however much is in flight.
type Delay struct {
	listener net.Listener
	half     atomic.Int64 // nanoseconds
	running  sync.WaitGroup

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

// chunk is what was read at once, and when it arrives.
type chunk struct {
	bytes []byte
	at    time.Time
}

// underWay bounds the chunks of a direction that have not arrived.
const underWay = 1 << 12

// NewDelay listens on a free port of 127.0.0.1. Connections wait until Forward is called.
func NewDelay() (*Delay, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	return &Delay{listener: l, open: map[net.Conn]struct{}{}}, err
}

// Address is where clients connect.
func (d *Delay) Address() string { return d.listener.Addr().String() }

// Set makes round trips take so long from now on.
func (d *Delay) Set(roundTrip time.Duration) { d.half.Store(int64(roundTrip / 2)) }

// Forward begins to connect clients with the target, "host:port".
func (d *Delay) Forward(target string) {
	d.running.Go(func() {
		for {
			client, err := d.listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp4", target)
			if err != nil {
				client.Close() // as if nobody listened
				continue
			}
			if d.keep(client, server) {
				d.running.Go(func() { d.copy(server, client) })
				d.running.Go(func() { d.copy(client, server) })
			}
		}
	})
}

// keep notes connections for Close; false: it was called.
func (d *Delay) keep(both ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range both {
		if d.closed {
			c.Close()
		} else {
			d.open[c] = struct{}{}
		}
	}
	return !d.closed
}

// copy forwards one direction, and closes both ends when one has ended.
func (d *Delay) copy(to, from net.Conn) {
	sent := make(chan chunk, underWay)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(sent)
		for {
			b := make([]byte, 64<<10)
			n, err := from.Read(b)
			if n > 0 {
				sent <- chunk{b[:n], time.Now().Add(time.Duration(d.half.Load()))}
			}
			if err != nil {
				return
			}
		}
	})
	for c := range sent {
		time.Sleep(time.Until(c.at))
		if _, err := to.Write(c.bytes); err != nil {
			from.Close() // ends the reader; what it has read is dropped
		}
	}
	reader.Wait()
	to.Close()
	from.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, from)
}

// Close ends all connections, and returns when nothing of it runs.
func (d *Delay) Close() {
	d.listener.Close()
	d.mu.Lock()
	d.closed = true
	for c := range d.open {
		c.Close()
	}
	d.mu.Unlock()
	d.running.Wait()
}
