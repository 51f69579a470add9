package chaos

import (
	"context"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
	"github.com/twmb/franz-go/pkg/kgo"
)

// again is how often a scenario repeats what it does to runners, leaders or
// connections.
func again() int {
	if *flagFull {
		return 10
	}
	return 5
}

// replaced notes that the runner is about to be followed by another.
func (l *lane) replaced() { l.terms.unordered = l.mode == "async" }

func TestThreeBrokers(t *testing.T) {
	g := &ground{Cluster: kafkatest.Run(t, kafkatest.Options{Nodes: 3}), nodes: 3}
	g.play(t, []scenario{
		{fault: "a broker is killed and comes back", lasts: 8 * time.Second, outages: 1, strike: brokerKilled},
		{fault: "leaders are moved again and again", full: true, lasts: 5 * time.Second, strike: leadersMoved},
		{fault: "all brokers are killed and come back", lasts: 8 * time.Second, outages: 1, strike: allKilled},
		{fault: "all brokers fall silent", full: true, lasts: 3 * time.Second, outages: 1, strike: allSilent},
		{fault: "too few replicas are in sync", full: true, lasts: 8 * time.Second, outages: 1, strike: tooFewReplicas,
			// Records under way wait for the replica; later ones are refused, in about four seconds.
			topic: map[string]string{"min.insync.replicas": "3"}, route: `"timeout_ms":6000`},
		{fault: "records are larger than the topic takes", lasts: time.Second, strike: tooLarge,
			topic: map[string]string{"max.message.bytes": "200000"}, sizes: someTooLarge},
		{fault: "the topic is deleted and made again", full: true, lasts: 4 * time.Second, strike: topicDeleted},
		{fault: "the runner gets SIGTERM again and again", lasts: 6 * time.Second, strike: runnerStopped},
		{fault: "the runner gets SIGKILL again and again", lasts: 2 * time.Second, strike: runnerKilled},
		{fault: "reloads, the new runner first", lasts: 3 * time.Second, strike: reloadedNewFirst},
		{fault: "reloads, the old runner first", lasts: 3 * time.Second, strike: reloadedOldFirst},
		{fault: "SIGTERM while all brokers are dead", full: true, lasts: 10 * time.Second, outages: 1, strike: stoppedWhileDead, spool: true},
		{fault: "SIGTERM while all brokers are silent", lasts: 4 * time.Second, outages: 1, strike: stoppedWhileSilent, spool: true},
	})
}

func brokerKilled(s *scene) {
	node := 1 + s.random.IntN(3)
	s.must(s.Kill(node))
	s.outage()
	s.must(s.Restart(node))
	s.inSync(3)
}

func leadersMoved(s *scene) {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(s.Bootstrap(), ",")...), kgo.DisableClientMetrics())
	s.must(err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range again() {
		s.each(func(l *lane) { s.must(moveLeaders(ctx, client, l.topic)) })
		s.after(1 + s.random.IntN(100))
	}
}

func (s *scene) eachNode(f func(node int) error) {
	for node := 1; node <= s.nodes; node++ {
		s.must(f(node))
	}
}

func allKilled(s *scene) {
	s.eachNode(s.Kill)
	s.outage()
	s.must(s.Restart(1, 2, 3))
	s.inSync(3)
}

func allSilent(s *scene) {
	s.eachNode(s.Pause)
	s.outage()
	s.eachNode(s.Resume)
	s.inSync(3)
}

func tooFewReplicas(s *scene) {
	node := 1 + s.random.IntN(3)
	s.must(s.Kill(node))
	s.inSync(2)
	s.outage()
	s.must(s.Restart(node))
	s.inSync(3)
}

const tooLargeSize = 250_000

func someTooLarge(r *rand.Rand) int {
	if r.IntN(40) == 0 {
		return tooLargeSize
	}
	return 200 + r.IntN(400)
}

// tooLarge strikes nothing: the records do. Kafka's limit is one of batches, so a
// small record can be refused for its neighbour; durable delivery makes batches
// smaller than this topic's limit.
func tooLarge(s *scene) {
	s.after(*flagRecords / 5)
	s.each(func(l *lane) {
		small := l.ledger.count(func(e *entry) bool { return e.status == 413 && e.size < tooLargeSize })
		s.t.Logf("%s: %d small records were answered 413", l.mode, small)
		if small > 0 && l.mode == "durable" {
			s.t.Error("small records were refused for their size")
		}
	})
}

func topicDeleted(s *scene) {
	s.each(func(l *lane) { s.must(s.DeleteTopic(l.topic)) })
	s.after(100)
	s.each(s.createTopic)
	s.fresh = time.Now()
}

func runnerStopped(s *scene) {
	s.each((*lane).replaced)
	for range again() {
		s.after(1 + s.random.IntN(50))
		s.each((*lane).term)
		exit(s.runners())
		s.each((*lane).start)
	}
}

func runnerKilled(s *scene) {
	s.each((*lane).replaced)
	for range again() {
		s.after(1 + s.random.IntN(50))
		s.each(s.grantPending)
		s.each(func(l *lane) {
			l.kill()
			l.terms.unlogged = true
		})
		exit(s.runners())
		s.each((*lane).start)
	}
}

func reloadedNewFirst(s *scene) {
	s.each((*lane).replaced)
	for range again() {
		s.after(1 + s.random.IntN(100))
		old := s.runners()
		s.each((*lane).start)
		for _, r := range old {
			r.Signal(syscall.SIGTERM)
		}
		exit(old)
	}
}

// reloadedOldFirst is how APISIX often does it: there is no new runner yet when the
// old one is told to end.
func reloadedOldFirst(s *scene) {
	s.each((*lane).replaced)
	for range again() {
		s.after(1 + s.random.IntN(100))
		old := s.runners()
		s.each((*lane).term)
		s.each((*lane).start)
		exit(old)
	}
}

// runners are the lanes' present runners.
func (s *scene) runners() []*program.Process {
	var present []*program.Process
	s.each(func(l *lane) { present = append(present, l.runner) })
	return present
}

func exit(runners []*program.Process) {
	for _, r := range runners {
		r.Exit()
	}
}

func stoppedWhileDead(s *scene) {
	s.eachNode(s.Kill)
	s.stopAndStart()
	s.must(s.Restart(1, 2, 3))
	s.inSync(3)
}

func stoppedWhileSilent(s *scene) {
	s.eachNode(s.Pause)
	s.stopAndStart()
	s.eachNode(s.Resume)
	s.inSync(3)
}

func (s *scene) stopAndStart() {
	s.outage()
	s.each((*lane).replaced)
	s.each((*lane).grantUnderWay)
	s.each((*lane).term)
	exit(s.runners())
	s.each((*lane).start)
	s.after(10)
}

// grantPending grants duplicates, before the runner is killed: what is on disk can
// have been sent, and what is under way can be put on disk, without a mark.
func (s *scene) grantPending(l *lane) {
	if l.mode != "durable" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	topic, err := s.Records(ctx, l.topic)
	s.must(err)
	a := settle(l.ledger.snapshot(), topic, nil)
	l.terms.duplicates += workers + a.absent[kept]
}

// grantUnderWay grants duplicates, before the runner is stopped while the brokers do
// not answer: what they have received and not answered is sent again by the next
// runner. Of the deliveries that wait that is a record for each client.
func (l *lane) grantUnderWay() {
	if l.mode != "async" {
		l.terms.duplicates += workers
		return
	}
	// All that could not be answered since the last moment at which all was well.
	l.terms.duplicates += l.ledger.count(since(time.Now().Add(-*flagOutage-time.Second), queued))
}
