package chaos

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
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
func (l *lane) replaced() { l.terms.Unordered = l.mode == "async" }

// pairs are two replicas for each of six partitions, every broker leading two.
var pairs = [][]int{{1, 2}, {2, 3}, {3, 1}, {1, 3}, {2, 1}, {3, 2}}

// retried is more than the time that acknowledged routes need, also on a busy machine,
// until a refusal that may pass is final: with less, clients hear that nobody knows.
const retried = `"timeout_ms":8000`

func TestThreeBrokers(t *testing.T) {
	t.Parallel()
	behind := behindANetwork(t, kafkatest.Options{Nodes: 3})
	direct := &ground{Cluster: behind.Cluster, nodes: 3}
	direct.play(t, []scenario{
		{fault: "a broker is killed and comes back", full: true, lasts: 8 * time.Second, outages: 1, strike: brokerKilled},
		{fault: "a rolling restart, RF 2, min ISR 2", seeds: 10, lasts: 30 * time.Second, strike: rollingRestart,
			workers: manyWorkers, replicas: pairs, route: retried},
		{fault: "a rolling restart, RF 3, min ISR 2", full: true, seeds: 10, lasts: 30 * time.Second, strike: rollingRestart,
			workers: manyWorkers, route: defaults},
		{fault: "leaders are moved again and again", full: true, lasts: 5 * time.Second, strike: leadersMoved},
		{fault: "all brokers are killed and come back", lasts: 8 * time.Second, outages: 1, strike: allKilled},
		{fault: "all brokers fall silent", full: true, lasts: 3 * time.Second, outages: 1, strike: allSilent},
		{fault: "too few replicas are in sync", full: true, lasts: 8 * time.Second, outages: 1, strike: tooFewReplicas,
			// Records under way wait for the replica; later ones are refused, in about four seconds.
			topic: threeInSync, route: retried},
		{fault: "a replica falls silent, request.timeout.ms=1000", full: true, lasts: 4 * time.Second, outages: 1, strike: replicaSilent,
			topic: threeInSync, route: `"timeout_ms":15000`, properties: `,"request.timeout.ms":1000`},
		{fault: "the topic is deleted and made again", full: true, lasts: 4 * time.Second, strike: topicDeleted},
		{fault: "the runner gets SIGTERM again and again", full: true, lasts: 6 * time.Second, strike: runnerStopped},
		{fault: "the runner gets SIGKILL again and again", full: true, lasts: 2 * time.Second, strike: runnerKilled},
		{fault: "reloads, the new runner first", full: true, lasts: 3 * time.Second, strike: reloadedNewFirst},
		{fault: "reloads, the old runner first", full: true, lasts: 3 * time.Second, strike: reloadedOldFirst},
		{fault: "SIGTERM while all brokers are dead", full: true, lasts: 10 * time.Second, outages: 1, strike: stoppedWhileDead, spool: true},
		{fault: "SIGTERM while all brokers are silent", lasts: 4 * time.Second, outages: 1, strike: stoppedWhileSilent, spool: true},
	})
	direct.play(t, supervisedScenarios)
	direct.play(t, serveScenarios)
	direct.play(t, badRecords)
	behind.play(t, brokenLinks)
	behind.play(t, brokenSpools)
}

// defaults leaves the route as it is where nothing is said.
const defaults = `"timeout_ms":5000`

var threeInSync = map[string]string{"min.insync.replicas": "3"}

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
	for range again() {
		s.each(func(l *lane) { s.moveLeaders(client, l.topic) })
		s.after(1 + s.random.IntN(100))
	}
}

// moveLeaders tries until it succeeds: a busy broker can have fallen behind, and then
// leads nothing.
func (s *scene) moveLeaders(client *kgo.Client, topic string) {
	ctx, cancel := context.WithTimeout(context.Background(), progressLimit)
	defer cancel()
	for err := moveLeaders(ctx, client, topic); err != nil; err = moveLeaders(ctx, client, topic) {
		s.t.Log(err)
		s.must(ctx.Err())
		s.inSync(s.replicated())
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

const manyWorkers = 128

// rollingRestart is how operators bring a new version or configuration to a cluster.
// Each time the clients, many of them, have enough to send to be all waiting for an answer
// when the broker hands its partitions over. Some of what it has not answered then is with
// the next leader already, which refuses it when it comes again.
func rollingRestart(s *scene) {
	for node := 1; node <= s.nodes; node++ {
		s.each(func(l *lane) { l.pace.Grant(10 * manyWorkers) })
		s.after(manyWorkers)
		s.must(s.Stop(node))
		s.must(s.Restart(node))
		s.inSync(s.replicated())
	}
}

// replicated is how many replicas the topics' partitions have.
func (s *scene) replicated() int {
	if s.replicas != nil {
		return len(s.replicas[0])
	}
	return s.nodes
}

// replicaSilent has the leaders wait for a replica, until they answer that the time of
// the request is up; then it is no longer in sync, and they refuse what is sent again. All
// that they had written gets its place in the topic when the replica is back.
func replicaSilent(s *scene) {
	node := 1 + s.random.IntN(3)
	start := time.Now()
	s.must(s.Pause(node))
	s.outage()
	s.answeredOtherwise(start)
	s.must(s.Resume(node))
	s.inSync(3)
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
		s.exit()
		s.each((*lane).start)
	}
}

func runnerKilled(s *scene) {
	s.each((*lane).replaced)
	for range again() {
		s.after(1 + s.random.IntN(50))
		arrived := s.durableTopics()
		s.each(func(l *lane) {
			l.kill()
			l.terms.Unlogged = true
		})
		s.exit()
		for l, topic := range arrived {
			l.grantPending(topic)
		}
		s.each((*lane).start)
	}
}

// durableTopics are the records of the durable lanes' topics.
func (s *scene) durableTopics() map[*lane][]kafkatest.Record {
	arrived := map[*lane][]kafkatest.Record{}
	s.each(func(l *lane) {
		if l.mode == "durable" {
			arrived[l] = l.read(s.Cluster)
		}
	})
	return arrived
}

func reloadedNewFirst(s *scene) {
	s.each((*lane).replaced)
	for range again() {
		s.after(1 + s.random.IntN(100))
		old := s.processes()
		s.each((*lane).start)
		for _, p := range old {
			p.Signal(syscall.SIGTERM)
		}
		s.exit(old...)
	}
}

// reloadedOldFirst is how APISIX often does it: there is no new runner yet when the
// old one gets SIGTERM.
func reloadedOldFirst(s *scene) {
	s.each((*lane).replaced)
	for range again() {
		s.after(1 + s.random.IntN(100))
		old := s.processes()
		s.each((*lane).term)
		s.each((*lane).start)
		s.exit(old...)
	}
}

// processes are the lanes' present runners.
func (s *scene) processes() []*program.Process {
	var present []*program.Process
	s.each(func(l *lane) { present = append(present, l.process) })
	return present
}

// exit waits until runners have ended; none named: the present ones.
func (s *scene) exit(processes ...*program.Process) {
	s.t.Helper()
	if processes == nil {
		processes = s.processes()
	}
	for _, p := range processes {
		ended(s.t, p)
	}
}

func stoppedWhileDead(s *scene) {
	arrived := s.arrived()
	s.eachNode(s.Kill)
	s.stopAndStart(arrived)
	s.must(s.Restart(1, 2, 3))
	s.inSync(3)
}

func stoppedWhileSilent(s *scene) {
	arrived := s.arrived()
	s.eachNode(s.Pause)
	s.stopAndStart(arrived)
	s.eachNode(s.Resume)
	s.inSync(3)
}

// arrived is what every lane's topic holds, and when that was read.
func (s *scene) arrived() arrival {
	a := arrival{at: time.Now(), topics: map[*lane][]kafkatest.Record{}}
	s.each(func(l *lane) { a.topics[l] = l.read(s.Cluster) })
	return a
}

type arrival struct {
	at     time.Time
	topics map[*lane][]kafkatest.Record
}

func (s *scene) stopAndStart(arrived arrival) {
	s.outage()
	s.each((*lane).replaced)
	s.each((*lane).term)
	s.exit()
	s.each(func(l *lane) { l.grantUnderWay(arrived) })
	s.each((*lane).start)
	s.after(10)
}

// grantPending grants duplicates when the runner was killed: what is on disk can have
// been sent, and what is under way can be put on disk, without a mark. What had arrived
// in the topic before is marked.
func (l *lane) grantPending(arrived []kafkatest.Record) {
	a := settle(l.ledger.Entries(), arrived, ledger.Evidence{})
	l.terms.Duplicates += workers + a.Absent[ledger.Kept]
}

// grantUnderWay grants duplicates when the runner was stopped while the brokers did not
// answer: what they had received and not answered is sent again by the next runner. Of
// the deliveries that wait that is a record for each client; of async all that had not
// arrived while they still answered, and what may have been answered late.
func (l *lane) grantUnderWay(arrived arrival) {
	if l.mode != "async" {
		l.terms.Duplicates += workers
		return
	}
	a := settle(l.ledger.Entries(), arrived.topics[l], ledger.Evidence{})
	l.terms.Duplicates += a.Absent[ledger.Queued] + l.count(arrived.at.Add(-time.Second), ledger.Queued) - l.count(arrived.at, ledger.Queued)
}
