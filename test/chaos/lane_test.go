package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/gateway"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// workers is how many clients a lane has; each waits for its answer before it sends
// the next record.
const workers = 16

// lane is one delivery mode under a scenario's load: a topic, a runner, a gateway
// in front of it, clients, and what they wrote down. The lanes of a scenario see
// the same fault at the same time.
type lane struct {
	t      *testing.T
	mode   string
	topic  string
	socket string
	spool  string // the directory; "": none
	env    []string
	sizes  func(*rand.Rand) int // of a record's padding

	runner  *program.Process
	runners []*program.Process // all, the present one last

	url    string
	client *http.Client

	ledger   ledger
	pace     *pace
	answered atomic.Int64
	clients  sync.WaitGroup

	terms terms
}

// start starts a runner; the one before may still run. It returns when the new one
// listens.
func (l *lane) start() {
	l.t.Helper()
	before, err := os.Lstat(l.socket)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.t.Fatal(err)
	}
	l.runner = program.Start(l.t, binary, program.Options{Args: []string{"run"}, Env: l.env})
	l.runners = append(l.runners, l.runner)
	await.True(l.t, "the runner listens", func() bool {
		if l.runner.Ended() {
			l.t.Fatalf("the runner has ended:\n%s", l.runner.Stderr)
		}
		now, err := os.Lstat(l.socket)
		return err == nil && (before == nil || !os.SameFile(before, now))
	})
}

// serve starts the gateway with one route to the runner, and the clients.
func (l *lane) serve(conf string, seed uint64) {
	l.t.Helper()
	c := gateway.NewClient(l.socket, gateway.ClientOptions{})
	g := gateway.New(c, gateway.Options{})
	route := gateway.Route{ID: "r", URI: "/r", Conf: []gateway.ConfEntry{{Name: "kafkaupstream", Value: conf}}}
	if err := g.PutRoute(route); err != nil {
		l.t.Fatal(err)
	}
	server := httptest.NewServer(g)
	transport := &http.Transport{MaxIdleConnsPerHost: workers}
	l.url, l.client = server.URL+"/r", &http.Client{Transport: transport}
	for worker := range workers {
		random := rand.New(rand.NewPCG(seed, uint64(worker)))
		l.clients.Go(func() { l.work(worker, random) })
	}
	l.t.Cleanup(func() {
		l.pace.end()
		l.clients.Wait()
		transport.CloseIdleConnections()
		server.Close()
		c.Close()
	})
}

// work is one client: it sends a number once, whatever becomes of it.
func (l *lane) work(worker int, random *rand.Rand) {
	for number := 1; l.pace.take(); number++ {
		e := entry{id: id{worker, number}, size: l.sizes(random)}
		l.send(&e)
		l.ledger.write(e)
		l.answered.Add(1)
	}
}

// send posts a record and enters the reply. What is not a reply of the plugin's
// leaves the entry without a status.
func (l *lane) send(e *entry) {
	e.sent = time.Now()
	defer func() { e.wait = time.Since(e.sent) }()
	resp, err := l.client.Post(l.url, "application/json", bytes.NewReader(value(e.id, e.size)))
	if err != nil {
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return
	}
	reply := struct {
		Code      int
		Delivered string
		Receipt   string
		Partition int
		Offset    int64
	}{Partition: -1, Offset: -1}
	if json.Unmarshal(text, &reply) != nil || reply.Code != resp.StatusCode || reply.Delivered == "" {
		return
	}
	e.status, e.delivered, e.receipt = reply.Code, reply.Delivered, reply.Receipt
	e.partition, e.offset = reply.Partition, reply.Offset
}

// term sends SIGTERM to the present runner, as APISIX does, and kill SIGKILL.
func (l *lane) term() { l.runner.Signal(syscall.SIGTERM) }
func (l *lane) kill() { l.runner.Signal(syscall.SIGKILL) }

// logged is what all runners so far have logged of losses.
func (l *lane) logged() losses {
	var sum losses
	for _, p := range l.runners {
		sum = sum.plus(readLosses(p.Stderr.String(), l.topic))
	}
	return sum
}

// arrivalLimit is how long what was promised may take to arrive once all is well.
const arrivalLimit = 2 * time.Minute

// awaitArrival reads the topic until everything promised is there or accounted for.
// What does not arrive is for the account to say.
func (l *lane) awaitArrival(k *kafkatest.Cluster, excused func(*entry) bool) {
	entries := l.ledger.snapshot()
	var topic []kafkatest.Record
	for start := time.Now(); time.Since(start) < arrivalLimit; {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		topic, _ = k.WaitRecords(ctx, l.topic, len(topic)+1)
		cancel()
		a := settle(entries, topic, excused)
		if l.terms.unlogged && l.mode == "async" || len(a.lost) <= l.logged().atMost() {
			return
		}
	}
}

// stopped waits until the runner has ended after SIGTERM, and wants it to say that it
// has left nothing behind.
func (l *lane) stopped() {
	if code := l.runner.Exit(); code != 0 {
		l.t.Errorf("%s: the last runner exits with %d", l.mode, code)
	}
}

// judge compares the ledger with the topic and adds a row to the table.
func (l *lane) judge(k *kafkatest.Cluster, fault string, excused func(*entry) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	topic, err := k.Records(ctx, l.topic)
	if err != nil {
		l.t.Fatal(err)
	}
	entries := l.ledger.snapshot()
	l.terms.logged = l.logged()
	l.terms.duplicates += l.terms.logged.underWay + workers*l.terms.logged.replaced
	l.terms.renumbered = l.mode != "durable" // which has one batch under way
	a := settle(entries, topic, excused)
	for _, violation := range a.violations(l.terms) {
		l.t.Errorf("%s: %s", l.mode, violation)
	}
	for _, copies := range a.copies[:min(len(a.copies), 20)] {
		l.t.Logf("%s: there again: %s", l.mode, copies)
	}
	lost := fmt.Sprint(len(a.lost))
	if l.mode == "async" {
		lost += fmt.Sprintf(" (log: %d to %d)", l.terms.logged.undelivered, l.terms.logged.atMost())
	}
	again := fmt.Sprint(len(a.again))
	if a.renumbered > 0 {
		again += fmt.Sprintf(" (%d numbered anew)", a.renumbered)
	}
	row := []string{fault, l.mode, fmt.Sprint(len(entries)), fmt.Sprint(a.replies[acknowledged] + a.replies[queued]),
		fmt.Sprint(a.replies[kept]), fmt.Sprint(a.replies[refused]), fmt.Sprint(a.replies[unknown]),
		fmt.Sprint(a.replies[noReply]), lost, fmt.Sprint(len(a.foundRefused)), again,
		round(a.longestWait).String()}
	results.add(row)
	l.t.Logf("%s: %d records: %d acknowledged, %d queued, %d kept, %d refused, %d unknown (%d of them there), "+
		"%d without a reply (%d of them there); lost %s, excused %d, `no` found %d, duplicates %s of %d, out of order %d, longest wait %v",
		l.mode, len(entries), a.replies[acknowledged], a.replies[queued], a.replies[kept], a.replies[refused],
		a.replies[unknown], a.found[unknown], a.replies[noReply], a.found[noReply], lost, a.excused,
		len(a.foundRefused), again, l.terms.duplicates, len(a.swapped), round(a.longestWait))
}

// socketOf is a path that is short enough for a Unix socket.
func socketOf(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "runner.sock")
}
