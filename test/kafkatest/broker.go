package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/kafkaupstream/kafkaupstream/test/child"
	"github.com/kafkaupstream/kafkaupstream/test/ports"
)

// broker is one node's place: ports, directory, and the process when there is
// one. As a kmsg.Requestor it asks this broker and no other.
type broker struct {
	id             int
	addr           string
	controllerAddr string
	listeners      map[string]string // name to address, of Options.Listeners
	dir            string
	ports          []net.Listener
	client         *kgo.Client

	mu     sync.Mutex
	proc   *process
	paused bool
}

// process is one life of a broker; done is closed when it is over.
type process struct {
	*os.Process
	done chan struct{}
}

func newBroker(id int, dir string, o Options) (*broker, error) {
	n := &broker{id: id, dir: dir, listeners: map[string]string{}}
	for _, addr := range []*string{&n.addr, &n.controllerAddr} {
		if err := n.reserve(addr); err != nil {
			return nil, err
		}
	}
	for _, l := range o.Listeners {
		var addr string
		if err := n.reserve(&addr); err != nil {
			return nil, err
		}
		n.listeners[l.Name] = addr
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(n.addr), kgo.ClientID("kafkatest"), kgo.DisableClientMetrics(),
		// Whoever asks a broker that may just have died or been paused asks
		// again, perhaps another one: see poll.
		kgo.RequestRetries(2), kgo.RequestTimeoutOverhead(20 * time.Second),
	}
	if o.SASL {
		opts = append(opts, kgo.SASL(plain.Auth{User: AdminUser, Pass: AdminPassword}.AsMechanism()))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		n.close()
		return nil, fmt.Errorf("kafkatest: %w", err)
	}
	n.client = client
	return n, nil
}

// reserve finds a port. When there is none, the broker is closed.
func (n *broker) reserve(addr *string) error {
	port, held, err := ports.Reserve()
	if err != nil {
		n.close()
		return err
	}
	*addr = fmt.Sprintf("127.0.0.1:%d", port)
	if held != nil {
		n.ports = append(n.ports, held)
	}
	return nil
}

func (n *broker) close() {
	_ = n.kill() // a child of ours: it can only be dead already
	if n.client != nil {
		n.client.Close()
	}
	for _, port := range n.ports {
		port.Close()
	}
}

func (n *broker) dataDir() string        { return filepath.Join(n.dir, "data") }
func (n *broker) logFile() string        { return filepath.Join(n.dir, "broker.log") }
func (n *broker) propertiesFile() string { return filepath.Join(n.dir, "server.properties") }

func (n *broker) logTail() string {
	log, err := os.ReadFile(n.logFile())
	if err != nil {
		return err.Error()
	}
	return tail(log)
}

// Request sends a request to this broker, again if the connection breaks.
func (n *broker) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	return n.client.SeedBrokers()[0].RetriableRequest(ctx, req)
}

// alive is the process if there is one and it has not ended by itself.
func (n *broker) alive() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc == nil {
		return nil
	}
	select {
	case <-n.proc.done:
		return nil
	default:
		return n.proc
	}
}

func (n *broker) running() bool {
	n.mu.Lock()
	paused := n.paused
	n.mu.Unlock()
	return !paused && n.alive() != nil
}

var errNotRunning = errors.New("not running")

// spawn starts the broker's process; it does not wait for it to be ready.
func (c *Cluster) spawn(n *broker) error {
	log, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("kafkatest: %w", err)
	}
	defer log.Close()
	cmd := c.kafka.command(n.propertiesFile(), c.jvmFlags...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = n.dir, log, log
	if err := child.Start(cmd); err != nil {
		return fmt.Errorf("kafkatest: broker %d: %w", n.id, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.proc, n.paused = watch(cmd), false
	return nil
}

func watch(cmd *exec.Cmd) *process {
	p := &process{Process: cmd.Process, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the log says why
		close(p.done)
	}()
	return p
}

// ready waits until the broker's own metadata shows every running broker, and it gives producers their IDs, which it has
// to ask the controller for: until then an idempotent producer sends nothing.
func (c *Cluster) ready(ctx context.Context, n *broker) error {
	proc := n.alive()
	err := poll(ctx, func() (bool, error) {
		if proc == nil || n.alive() != proc {
			return true, errors.New("its process has ended")
		}
		if ok, err := c.sees(ctx, n); !ok || err != nil {
			return ok, err
		}
		return n.givesIDs(ctx)
	})
	if err != nil {
		return fmt.Errorf("kafkatest: broker %d is not ready: %w; the end of its log: %s", n.id, err, n.logTail())
	}
	return nil
}

func (c *Cluster) sees(ctx context.Context, n *broker) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none, where nil is all
	resp, err := req.RequestWith(ctx, n.client.SeedBrokers()[0])
	if err != nil {
		return false, err
	}
	seen := map[int]bool{}
	for _, b := range resp.Brokers {
		seen[int(b.NodeID)] = true
	}
	for _, other := range c.running() {
		if !seen[other.id] {
			return false, fmt.Errorf("it does not know broker %d yet", other.id)
		}
	}
	return true, nil
}

func (n *broker) givesIDs(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch = -1, -1
	resp, err := req.RequestWith(ctx, n.client.SeedBrokers()[0])
	if err != nil {
		return false, err
	}
	return resp.ErrorCode == 0, kerr.ErrorForCode(resp.ErrorCode)
}

// Restart starts nodes again, on their ports and with their data, and waits
// until they are ready. Nodes that still live are stopped first. Two of three
// nodes are needed to elect a controller, so nodes that died together come
// back in one call. A killed node waits until its former session has run out,
// 3 s after the kill or after a new controller came.
//
// A ready node leads and follows again, but its replicas may still be out of
// sync: see [Cluster.WaitInSync]. Since Kafka 4 a node that was killed also
// loses its place among those in sync when it registers again, so of a
// partition whose last node in sync is dead the others cannot take the lead.
func (c *Cluster) Restart(nodes ...int) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for _, id := range nodes {
		n, err := c.broker(id)
		if err != nil {
			return err
		}
		if n.alive() != nil {
			if err := c.Stop(id); err != nil {
				return err
			}
		}
		if err := c.spawn(n); err != nil {
			return err
		}
	}
	for _, id := range nodes {
		if err := c.ready(ctx, c.nodes[id-1]); err != nil {
			return err
		}
	}
	return c.settle(ctx)
}

// Kill ends a node with SIGKILL and waits until its process is gone. With
// three nodes the others notice within 3 s; see [Cluster.WaitInSync].
func (c *Cluster) Kill(node int) error { return c.do("kill", node, (*broker).kill) }

// Stop ends a node with SIGTERM, as an operator does: it hands its partitions
// over first. It waits until the process is gone.
func (c *Cluster) Stop(node int) error { return c.do("stop", node, (*broker).stop) }

// Pause stops a node's process with SIGSTOP: its connections stay open and
// nothing answers.
func (c *Cluster) Pause(node int) error { return c.do("pause", node, (*broker).pause) }

// Resume lets a paused node go on. It does not wait for the node to catch up:
// after 3 s the others have counted it out; see [Cluster.WaitInSync].
func (c *Cluster) Resume(node int) error { return c.do("resume", node, (*broker).resume) }

func (c *Cluster) do(what string, node int, action func(*broker) error) error {
	n, err := c.broker(node)
	if err != nil {
		return err
	}
	if err := action(n); err != nil {
		return fmt.Errorf("kafkatest: %s broker %d: %w", what, node, err)
	}
	return nil
}

func (n *broker) kill() error {
	p := n.alive()
	if p == nil {
		return errNotRunning
	}
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}

func (n *broker) stop() error {
	p := n.alive()
	if p == nil {
		return errNotRunning
	}
	// A paused process takes SIGTERM only when it goes on.
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGCONT} {
		if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(changeTimeout):
		return errors.Join(fmt.Errorf("no end %v after SIGTERM: killed", changeTimeout), n.kill())
	}
}

func (n *broker) pause() error {
	return n.setPaused(true, func(p *process) error {
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		return p.waitStopped()
	})
}

func (n *broker) resume() error {
	return n.setPaused(false, func(p *process) error { return p.Signal(syscall.SIGCONT) })
}

func (n *broker) setPaused(paused bool, action func(*process) error) error {
	p := n.alive()
	if p == nil {
		return errNotRunning
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paused = paused
	return action(p)
}

// waitStopped returns when all threads have stopped. A busy machine lets them
// answer another request or two between the signal and the stop.
func (p *process) waitStopped() error {
	for {
		_, err := syscall.Wait4(p.Pid, nil, syscall.WUNTRACED, nil)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
