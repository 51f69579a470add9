package chaos

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// proxy is a network between a client and one broker: it forwards TCP connections
// from its address to the target, and can break them as networks do.
type proxy struct {
	listener  net.Listener
	target    string
	swallowed atomic.Int64 // bytes of answers

	running sync.WaitGroup

	mu      sync.Mutex
	changed sync.Cond
	state   weather
	links   map[*link]struct{}
	closed  bool
}

// weather is what the network does to connections that stay open.
type weather int

const (
	fair       weather = iota // forwards
	stalled                   // forwards nothing; what was sent arrives later
	swallowing                // forwards requests and throws away answers
)

// link is a connection through the proxy.
type link struct {
	client, broker net.Conn
	spoiled        bool // an answer is missing: the rest makes no sense to the client
	closed         bool
}

// newProxy listens on a free port of 127.0.0.1. Connections wait until forward is
// called.
func newProxy() (*proxy, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, links: map[*link]struct{}{}}
	p.changed.L = &p.mu
	return p, nil
}

// addr is where clients connect, "127.0.0.1:port".
func (p *proxy) addr() string { return p.listener.Addr().String() }

// forward starts the proxy's work towards a target, "host:port".
func (p *proxy) forward(target string) {
	p.target = target
	p.running.Go(p.accept)
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		broker, err := net.Dial("tcp4", p.target)
		if err != nil {
			client.Close() // as if nobody listened
			continue
		}
		p.join(client, broker)
	}
}

func (p *proxy) join(client, broker net.Conn) {
	l := &link{client: client, broker: broker}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		client.Close()
		broker.Close()
		return
	}
	p.links[l] = struct{}{}
	p.running.Go(func() { p.copy(l, broker, client, false) })
	p.running.Go(func() { p.copy(l, client, broker, true) })
}

// copy forwards one direction until an end closes.
func (p *proxy) copy(l *link, to, from net.Conn, answers bool) {
	defer p.cutLink(l)
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 && p.passes(l, n, answers) {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// passes waits while the network is stalled, and reports whether n bytes go on.
func (p *proxy) passes(l *link, n int, answers bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.state == stalled && !l.closed {
		p.changed.Wait()
	}
	if l.closed {
		return false
	}
	if answers && (p.state == swallowing || l.spoiled) {
		l.spoiled = true
		p.swallowed.Add(int64(n))
		return false
	}
	return true
}

func (p *proxy) cutLink(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeLink(l)
}

// closeLink closes both ends. p.mu is held.
func (p *proxy) closeLink(l *link) {
	l.closed = true
	l.client.Close()
	l.broker.Close()
	delete(p.links, l)
	p.changed.Broadcast()
}

// cut breaks every open connection and returns how many there were. New ones are
// forwarded.
func (p *proxy) cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.links)
	for l := range p.links {
		p.closeLink(l)
	}
	return n
}

// become changes the weather. When it is fair again, what was held back goes on, and
// connections whose answers were swallowed break, as they do behind a router that
// has forgotten them.
func (p *proxy) become(w weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = w
	p.changed.Broadcast()
	if w != fair {
		return
	}
	for l := range p.links {
		if l.spoiled {
			p.closeLink(l)
		}
	}
}

// close ends the proxy and its connections, and returns when its goroutines have.
func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.listener.Close()
	p.cut()
	p.running.Wait()
}

// network is the proxies in front of a cluster's brokers, in the order of their nodes.
type network []*proxy

// of is the proxy in front of a node.
func (n network) of(node int) *proxy { return n[node-1] }

// list is where clients connect, and addrs the same as bootstrap.servers wants it.
func (n network) list() []string {
	var addrs []string
	for _, p := range n {
		addrs = append(addrs, p.addr())
	}
	return addrs
}

func (n network) addrs() string { return strings.Join(n.list(), ",") }

func (n network) become(w weather) {
	for _, p := range n {
		p.become(w)
	}
}

// cut breaks the connections to all brokers and returns how many there were.
func (n network) cut() (links int) {
	for _, p := range n {
		links += p.cut()
	}
	return links
}

// swallowed is how many bytes of answers were swallowed so far.
func (n network) swallowed() (bytes int64) {
	for _, p := range n {
		bytes += p.swallowed.Load()
	}
	return bytes
}
