package chaos

import (
	"context"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
	"github.com/twmb/franz-go/pkg/kgo"
)

// again is how often a scenario repeats what is done to a runner.
const again = 10

func TestThreeBrokers(t *testing.T) {
	g := &ground{Cluster: kafkatest.Run(t, kafkatest.Options{Nodes: 3}), nodes: 3}
	g.play(t, []scenario{
		{fault: "a broker is killed and comes back", lasts: 8 * time.Second, outages: 1, strike: brokerKilled},
		{fault: "leaders are moved ten times", lasts: 5 * time.Second, strike: leadersMoved},
		{fault: "all brokers are killed and come back", lasts: 8 * time.Second, outages: 1, strike: allKilled},
		{fault: "all brokers fall silent", lasts: 3 * time.Second, outages: 1, strike: allSilent},
		{fault: "too few replicas are in sync", lasts: 8 * time.Second, outages: 1, strike: tooFewReplicas,
			// A reply waits until it is certain.
			topic: map[string]string{"min.insync.replicas": "3"}, route: `"timeout_ms":20000`},
		{fault: "records are larger than the topic takes", lasts: time.Second, strike: tooLarge,
			topic: map[string]string{"max.message.bytes": "20000"}, sizes: someTooLarge},
		{fault: "the topic is deleted and made again", lasts: 4 * time.Second, strike: topicDeleted},
		{fault: "the runner gets SIGTERM ten times", lasts: 6 * time.Second, strike: runnerStopped},
		{fault: "the runner gets SIGKILL ten times", lasts: 2 * time.Second, strike: runnerKilled},
		{fault: "ten reloads, the new runner first", lasts: 3 * time.Second, strike: reloadedNewFirst},
		{fault: "ten reloads, the old runner first", lasts: 3 * time.Second, strike: reloadedOldFirst},
		{fault: "SIGTERM while all brokers are dead", lasts: 10 * time.Second, outages: 1, strike: stoppedWhileDead, spool: true},
		{fault: "SIGTERM while all brokers are silent", lasts: 4 * time.Second, outages: 1, strike: stoppedWhileSilent, spool: true},
	})
}

func TestOneBrokerBehindANetwork(t *testing.T) {
	p, err := newProxy()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	g := &ground{nodes: 1, proxy: p, Cluster: kafkatest.Run(t, kafkatest.Options{
		Properties: map[string]string{"advertised.listeners": "CLIENT://" + p.addr()},
	})}
	p.forward(g.BootstrapOf(1))
	g.play(t, []scenario{
		{fault: "connections are cut ten times", lasts: 2 * time.Second, strike: connectionsCut},
		{fault: "connections fall silent", outages: 1, strike: connectionsStalled},
		{fault: "answers are swallowed", outages: 1, strike: answersSwallowed},
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
	for range again {
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
	s.outage()
	s.must(s.Restart(node))
	s.inSync(3)
}

func someTooLarge(r *rand.Rand) int {
	if r.IntN(10) == 0 {
		return 30000
	}
	return 200 + r.IntN(400)
}

// tooLarge strikes nothing: the records do.
func tooLarge(s *scene) { s.after(*flagRecords / 5) }

func topicDeleted(s *scene) {
	s.each(func(l *lane) { s.must(s.DeleteTopic(l.topic)) })
	s.after(100)
	s.each(s.createTopic)
	s.fresh = time.Now()
}

func runnerStopped(s *scene) {
	for range again {
		s.after(1 + s.random.IntN(50))
		s.each((*lane).term)
		s.each(func(l *lane) { l.runner.Exit() })
		s.each((*lane).start)
	}
}

func runnerKilled(s *scene) {
	for range again {
		s.after(1 + s.random.IntN(50))
		s.each(func(l *lane) {
			l.kill()
			l.terms.unlogged = true
			if l.mode == "durable" {
				l.terms.duplicates += workers + l.ledger.count(since(time.Time{}, kept))
			}
		})
		s.each(func(l *lane) { l.runner.Exit() })
		s.each((*lane).start)
	}
}

func reloadedNewFirst(s *scene) {
	for range again {
		s.after(1 + s.random.IntN(100))
		s.each(func(l *lane) {
			old := l.runner
			l.start()
			old.Signal(syscall.SIGTERM)
			old.Exit()
		})
	}
}

func reloadedOldFirst(s *scene) {
	for range again {
		s.after(1 + s.random.IntN(100))
		s.each(func(l *lane) {
			old := l.runner
			l.term()
			l.start()
			old.Exit()
		})
	}
}

func stoppedWhileDead(s *scene) {
	s.allowUnfinished()
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
	s.allowUnfinished()
}

func (s *scene) stopAndStart() {
	s.outage()
	s.each((*lane).term)
	s.each(func(l *lane) { l.runner.Exit() })
	s.each((*lane).start)
	s.after(10)
}

// allowUnfinished grants duplicates: what the brokers had received when they went
// away, and not answered, is produced again by the next runner.
func (s *scene) allowUnfinished() {
	s.each(func(l *lane) {
		l.terms.duplicates += workers
		if l.mode == "async" {
			l.terms.duplicates += l.ledger.count(since(time.Now().Add(-2**flagOutage), queued))
		}
	})
}

func connectionsCut(s *scene) {
	for range again {
		if s.proxy.cut() == 0 {
			s.t.Error("there was no connection to cut")
		}
		s.after(1 + s.random.IntN(100))
	}
}

func connectionsStalled(s *scene) {
	s.proxy.become(stalled)
	s.outage()
	s.proxy.become(fair)
}

func answersSwallowed(s *scene) {
	s.proxy.become(swallowing)
	s.outage()
	s.proxy.become(fair)
	if s.proxy.swallowed.Load() == 0 {
		s.t.Error("no answer was swallowed")
	}
}
