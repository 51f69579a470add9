// Package kafkatest runs real Apache Kafka brokers (4.3.1, KRaft, on
// 127.0.0.1) for this project's tests and benchmarks: one node or three, with
// or without SASL and ACLs, to be killed, paused, restarted and read back.
//
// It is for what only a real broker shows: acknowledgements, elections,
// replicas out of sync, authorization, transactions, what really is in the
// log. It is not for production, not a Kafka client, and not for tests that
// need one error once: an in-process broker (kfake) is quicker for those.
// Tests, benchmarks and the programs that drive them call it; nothing under
// cmd/ or internal/ does.
//
// It needs Java 17 or newer, and once also Maven: the first Start copies
// Kafka's jars from Maven Central into the user's cache directory (44 MB, and
// as much again for an archive of loaded classes which halves the start), or
// into the directory that KAFKAUPSTREAM_KAFKA_LIB names (worth caching in CI).
// Every later start is offline and takes a second or two, with three nodes
// some more. What is missing is an error, never a skipped test.
//
// Records are read and topics made with franz-go, so that what librdkafka
// produced is judged by another client. Every change (a topic, a
// configuration, an ACL, a password) is in force on every running broker when
// the method that made it returns; see [Cluster.CreateTopic].
package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The super user of a cluster with [Options.SASL], under every mechanism.
const (
	AdminUser     = "admin"
	AdminPassword = "admin-secret"
)

const (
	// Both are generous, since a process that dies is noticed at once: they
	// only bound a machine with more work than it can do.
	startTimeout  = 3 * time.Minute
	changeTimeout = 2 * time.Minute
	pollInterval  = 10 * time.Millisecond
)

// Options says which cluster to start. The zero value is one plaintext broker
// that creates no topic by itself.
type Options struct {
	// Nodes is 1 (the default) or 3. Each is broker and controller; with
	// three, two must live for anything to be decided, and
	// min.insync.replicas is 2 where a topic says nothing else.
	Nodes int

	// SASL gives SASL_PLAINTEXT listeners with PLAIN, SCRAM-SHA-256 and
	// SCRAM-SHA-512, and ACLs that allow nothing until [Cluster.Allow] does,
	// except to [AdminUser].
	SASL bool

	// Users are names and passwords besides AdminUser, known to all three
	// mechanisms. Only with SASL.
	Users map[string]string

	// Listeners are further ports of every broker, for clients.
	Listeners []Listener

	// AutoCreateTopics lets a client create a topic by naming it.
	AutoCreateTopics bool

	// Properties go into every broker's server.properties and win over what
	// kafkatest writes there.
	Properties map[string]string
}

func (o *Options) validate() error {
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	if o.Nodes != 1 && o.Nodes != 3 {
		return fmt.Errorf("kafkatest: Options.Nodes is %d: must be 1 or 3", o.Nodes)
	}
	if len(o.Users) > 0 && !o.SASL {
		return errors.New("kafkatest: Options.Users without Options.SASL")
	}
	for _, l := range o.Listeners {
		if strings.HasPrefix(l.Protocol, "SASL") && !o.SASL {
			return fmt.Errorf("kafkatest: Options.Listeners %s without Options.SASL", l.Name)
		}
		if l.Proxies != nil && len(l.Proxies) != o.Nodes {
			return fmt.Errorf("kafkatest: Options.Listeners %s has %d proxies for %d nodes", l.Name, len(l.Proxies), o.Nodes)
		}
	}
	if _, ok := o.Users[AdminUser]; ok {
		return fmt.Errorf("kafkatest: Options.Users holds %q, the super user", AdminUser)
	}
	return nil
}

// Listener is one more port of a broker. What comes through it has the rights of its
// user; without SASL and without a client certificate that is User:ANONYMOUS.
type Listener struct {
	// Name is of capital letters, and neither CLIENT nor CONTROLLER.
	Name string
	// Protocol is PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL. The last two want
	// [Options.SASL] and know its users.
	Protocol string
	// Advertised is the address that the broker gives to clients, if not the listener's own: a
	// host and port, or a host with the listener's port.
	Advertised string
	// Proxies are the addresses that clients get instead, one for each node: of proxies that
	// forward to [Cluster.ListenerOf].
	Proxies []string
	// Properties are the listener's own, without the listener.name prefix, such as
	// ssl.keystore.certificate.chain and ssl.keystore.key with ssl.keystore.type=PEM.
	Properties map[string]string
}

// Cluster is a running Kafka. Nodes are numbered from 1. Its methods may be
// called from several goroutines.
type Cluster struct {
	opts     Options
	kafka    *installation
	jvmFlags []string
	dir      string
	nodes    []*broker

	closing sync.Once

	settling sync.Mutex // one settle at a time: marks must grow
	mark     float64
}

// Start starts a cluster and waits until each broker knows all others. It
// needs no test around it: TestMain, benchmarks and commands can use it. The
// caller must Close the cluster; if the process dies before, the kernel kills
// the brokers (on Linux) and only a temporary directory is left.
func Start(opts Options) (*Cluster, error) {
	kafka, err := install()
	if err != nil {
		return nil, err
	}
	return start(opts, kafka)
}

// Run is Start for a test or benchmark: a failure to start is fatal to tb,
// the cluster is closed when tb ends, and if tb has failed the brokers' last
// warnings are logged.
func Run(tb testing.TB, opts Options) *Cluster {
	tb.Helper()
	c, err := Start(opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			for _, n := range c.nodes {
				tb.Logf("broker %d: %s", n.id, n.logTail())
			}
		}
		c.Close()
	})
	return c
}

func start(opts Options, kafka *installation, jvmFlags ...string) (*Cluster, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "kafkatest-")
	if err != nil {
		return nil, fmt.Errorf("kafkatest: %w", err)
	}
	c := &Cluster{opts: opts, kafka: kafka, jvmFlags: jvmFlags, dir: dir}
	if err := c.up(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// up makes the nodes, starts them side by side and sets the passwords.
func (c *Cluster) up() error {
	for id := 1; id <= c.opts.Nodes; id++ {
		n, err := newBroker(id, filepath.Join(c.dir, fmt.Sprint(id)), c.opts)
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, n)
	}
	if err := c.format(); err != nil {
		return err
	}
	ids := make([]int, 0, len(c.nodes))
	for _, n := range c.nodes {
		ids = append(ids, n.id)
	}
	if err := c.Restart(ids...); err != nil {
		return err
	}
	if !c.opts.SASL {
		return nil
	}
	passwords := map[string]string{AdminUser: AdminPassword}
	for user, password := range c.opts.Users {
		passwords[user] = password
	}
	return c.setPasswords(passwords)
}

// Close kills the brokers and removes everything they wrote.
func (c *Cluster) Close() {
	c.closing.Do(func() {
		for _, n := range c.nodes {
			n.close()
		}
		_ = os.RemoveAll(c.dir) // temporary files: the system clears what is left
	})
}

// Bootstrap is all brokers' addresses as bootstrap.servers wants them: one
// string with commas. (franz-go's SeedBrokers wants them split.)
func (c *Cluster) Bootstrap() string {
	addrs := make([]string, 0, len(c.nodes))
	for _, n := range c.nodes {
		addrs = append(addrs, n.addr)
	}
	return strings.Join(addrs, ",")
}

// BootstrapOf is one broker's address, "127.0.0.1:port", the same across
// restarts. It panics if there is no such node.
func (c *Cluster) BootstrapOf(node int) string { return c.nodes[node-1].addr }

// ListenerOf is the address of one of [Options.Listeners] on a node, the same across
// restarts. It panics if there is no such node, and is "" if there is no such listener.
func (c *Cluster) ListenerOf(node int, name string) string { return c.nodes[node-1].listeners[name] }

// broker finds a node by its number.
func (c *Cluster) broker(id int) (*broker, error) {
	if id < 1 || id > len(c.nodes) {
		return nil, fmt.Errorf("kafkatest: no node %d among %d", id, len(c.nodes))
	}
	return c.nodes[id-1], nil
}

// running are the nodes whose process lives and is not paused.
func (c *Cluster) running() []*broker {
	var up []*broker
	for _, n := range c.nodes {
		if n.running() {
			up = append(up, n)
		}
	}
	return up
}

// anyBroker is a running broker: each takes every request and forwards what the
// controller must decide.
func (c *Cluster) anyBroker() (*broker, error) {
	up := c.running()
	if len(up) == 0 {
		return nil, errors.New("kafkatest: no broker is running")
	}
	return up[0], nil
}

// poll calls try at once and then every few milliseconds until it is done or
// ctx ends. The error of the last try before that explains the wait.
func poll(ctx context.Context, try func() (done bool, err error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	var why error
	for {
		done, err := try()
		if done {
			return err
		}
		if ctx.Err() == nil {
			why = err
		}
		select {
		case <-ctx.Done():
			if why == nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("%w: %w", context.Cause(ctx), why)
		case <-tick.C:
		}
	}
}
