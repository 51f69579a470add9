// Connections measures what clients cost `kafkaupstream serve` that are there and send little: memory of idle
// keep-alive connections, what slow ones do to the latency of others, and the peak of memory under large chunked bodies.
//
//	go run ./bench/connections
//
// It needs Linux, and a limit of open files above -idle in both processes (ulimit -n).
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
	"github.com/kafkaupstream/kafkaupstream/internal/devbroker"
)

type options struct {
	idle, slow, chunked, rounds int
	bodyBytes                   int
	duration                    time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.idle, "idle", 10000, "idle keep-alive connections")
	flag.IntVar(&o.slow, "slow", 5000, "connections that send a byte of a header each second")
	flag.IntVar(&o.chunked, "chunked", 64, "clients that send a chunked body at once")
	flag.IntVar(&o.bodyBytes, "body", 16<<20, "bytes of each of these bodies")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds with slow connections and without")
	flag.DurationVar(&o.duration, "duration", 3*time.Second, "of each round")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "connections:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "connections-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "kafkaupstream")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/kafkaupstream/kafkaupstream/cmd/kafkaupstream").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	broker, err := devbroker.Start()
	if err != nil {
		return err
	}
	defer broker.Close()
	routes := filepath.Join(dir, "routes.yaml")
	text := fmt.Sprintf("defaults: {delivery: sync, config: {bootstrap.servers: %q, message.max.bytes: 20000000}}\nroutes: [{id: a, match: {path: /orders}, topic: t}]\n", broker.Address())
	if err := os.WriteFile(routes, []byte(text), 0o600); err != nil {
		return err
	}
	for _, measure := range []func(*server, options) error{measureIdle, measureSlow, measureChunked} {
		if err := measured(binary, routes, o, measure); err != nil {
			return err
		}
	}
	return nil
}

// measured has one measurement on a server of its own.
func measured(binary, routes string, o options, measure func(*server, options) error) error {
	s, err := start(binary, routes)
	if err != nil {
		return err
	}
	defer s.stop()
	return measure(s, o)
}

// measureIdle prints what a connection costs that has sent a request.
func measureIdle(s *server, o options) error {
	if err := s.warm(); err != nil {
		return err
	}
	before, err := s.memory("VmRSS")
	if err != nil {
		return err
	}
	for range o.idle {
		c, err := s.dial()
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.post(); err != nil {
			return err
		}
	}
	after, err := s.memory("VmRSS")
	if err != nil {
		return err
	}
	fmt.Printf("idle: %d keep-alive connections, %.1f kB each\n", o.idle, float64(after-before)/1000/float64(o.idle))
	return nil
}

// measureSlow prints the latency of a load without slow connections and beside them, in turn.
func measureSlow(s *server, o options) error {
	if err := s.warm(); err != nil {
		return err
	}
	var without, beside []time.Duration
	for range o.rounds {
		alone, err := s.p99(o.duration)
		if err != nil {
			return err
		}
		stop, err := s.trickle(o.slow)
		if err != nil {
			return err
		}
		among, err := s.p99(o.duration)
		stop()
		if err != nil {
			return err
		}
		without, beside = append(without, alone), append(beside, among)
	}
	slices.Sort(without)
	slices.Sort(beside)
	a, b := without[len(without)/2], beside[len(beside)/2]
	fmt.Printf("slow: p99 of 16 connections %s, and %s beside %d slow ones: %.2f × (medians of %d rounds)\n", a, b, o.slow, float64(b)/float64(a), o.rounds)
	return nil
}

// measureChunked prints how far the process's memory rises.
func measureChunked(s *server, o options) error {
	if err := s.warm(); err != nil {
		return err
	}
	before, err := s.memory("VmRSS")
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	statuses := map[string]int{}
	body := strings.Repeat("x", o.bodyBytes)
	for range o.chunked {
		all.Go(func() {
			r, err := http.NewRequest("POST", "http://"+s.address+"/orders", io.MultiReader(strings.NewReader(body))) // of unknown length
			if err != nil {
				panic(err)
			}
			outcome := "cut off"
			if reply, err := http.DefaultTransport.RoundTrip(r); err == nil {
				outcome = strconv.Itoa(reply.StatusCode)
				reply.Body.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[outcome]++
		})
	}
	all.Wait()
	most, err := s.memory("VmHWM")
	if err != nil {
		return err
	}
	fmt.Printf("chunked: %d bodies of %d bytes at once: %v; memory rose by %d MB at most\n", o.chunked, o.bodyBytes, statuses, (most-before)/1000/1000)
	return nil
}

// server is a `kafkaupstream serve`.
type server struct {
	cmd     *exec.Cmd
	address string
}

func start(binary, routes string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	s := &server{exec.Command(binary, "serve", "-f", routes, "--listen", address, "--max-connections", "100000", "--header-timeout", "1h", "--log-level", "error", "--leave-timeout", "0"), address}
	s.cmd.Stderr = os.Stderr
	return s, s.cmd.Start()
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(os.Interrupt)
	_ = s.cmd.Wait()
}

func (s *server) memory(name string) (int64, error) { return rig.Memory(s.cmd.Process.Pid, name) }

type conn struct {
	net.Conn
	r *bufio.Reader
}

func (s *server) dial() (*conn, error) {
	c, err := net.Dial("tcp", s.address)
	return &conn{Conn: c}, err
}

// post sends a request and reads its reply.
func (c *conn) post() error {
	if c.r == nil {
		c.r = bufio.NewReaderSize(c, 512)
	}
	if _, err := io.WriteString(c, "POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n{\"a\":1}"); err != nil {
		return err
	}
	reply, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, reply.Body); err != nil {
		return err
	}
	if reply.StatusCode != 200 {
		return errors.New(reply.Status)
	}
	return nil
}

// warm waits until the server answers.
func (s *server) warm() (err error) {
	for range 500 {
		c, dialErr := s.dial()
		if err = dialErr; err == nil {
			err = c.post()
			c.Close()
			if err == nil {
				return nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// p99 is that of 16 connections that send one request after the other.
func (s *server) p99(d time.Duration) (time.Duration, error) {
	load := rig.HTTPLoad("tcp", s.address, 16, []byte(`{"a":1}`), "text/plain")
	defer load.Close()
	t := load.Run(context.Background(), d)
	return rig.Percentile(t.Took, 0.99), t.Failure
}

// trickle opens connections and sends a byte on each every second, until stop.
func (s *server) trickle(n int) (stop func(), err error) {
	ended := make(chan struct{})
	var conns []net.Conn
	for range n {
		c, err := s.dial()
		if err != nil {
			return nil, err
		}
		conns = append(conns, c)
		if _, err := io.WriteString(c, "POST /orders HTTP/1.1\r\nX: "); err != nil {
			return nil, err
		}
	}
	var sender sync.WaitGroup
	sender.Go(func() {
		each := time.NewTicker(time.Second / time.Duration(n))
		defer each.Stop()
		for i := 0; ; i++ {
			select {
			case <-ended:
				return
			case <-each.C:
				_, _ = io.WriteString(conns[i%n], "x")
			}
		}
	})
	return func() {
		close(ended)
		sender.Wait()
		for _, c := range conns {
			c.Close()
		}
	}, nil
}
