package chaos

import (
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
)

// brokenLinks are faults of the network between the runner and one of several brokers.
// librdkafka reports no lost connection while others are open.
var brokenLinks = []scenario{
	{fault: "one broker's connections are cut while another refuses", lasts: 15 * time.Second, strike: oneCutWhileOthersRefuse,
		replicas: pairs, topic: map[string]string{"min.insync.replicas": "2"}, route: retried},
	{fault: "one broker's connections are cut again and again", full: true, lasts: 3 * time.Second, strike: oneCut},
	{fault: "acknowledgements are swallowed and then the topic's limit is lowered", letters: true, renumbered: true, lasts: 3 * time.Second,
		strike: swallowedAndThen(limitLowered)},
	{fault: "acknowledgements are swallowed and then replicas are too few", full: true, lasts: 40 * time.Second,
		strike: swallowedAndThenTooFew, route: retried},
	{fault: "acknowledgements are swallowed and then the topic is deleted", full: true, lasts: 10 * time.Second, strike: swallowedAndThenDeleted},
}

// acknowledging is for scenarios about what replies say of single records.
var acknowledging = []string{"sync", "durable"}

// moment is how long a short fault stays.
const moment = 300 * time.Millisecond

func (s *scene) anyNode() int { return 1 + s.random.IntN(s.nodes) }

func oneCut(s *scene) {
	for range again() {
		p := s.network.of(s.anyNode())
		s.within("a connection is there to cut", func() bool { return p.cut() > 0 })
		s.after(1 + s.random.IntN(100))
	}
}

// oneCutWhileOthersRefuse has a dead broker, so that half of the partitions lack a
// replica, and breaks one of the others' connections, with answers in them.
func oneCutWhileOthersRefuse(s *scene) {
	s.must(s.Kill(3))
	start := time.Now()
	s.answeredOtherwise(start)
	for range again() {
		s.swallow(1 + s.random.IntN(2))
		s.network.become(fair)
		s.after(1 + s.random.IntN(20))
	}
	s.must(s.Restart(3))
	s.inSync(2)
}

// answeredOtherwise waits until each lane whose replies say it was told of trouble.
func (s *scene) answeredOtherwise(start time.Time) {
	s.each(func(l *lane) {
		if l.mode != "async" {
			s.within("a record is refused or kept", func() bool { return l.count(start, ledger.Refused, ledger.Kept) > 0 })
		}
	})
}

// swallow has the answers of one broker thrown away, for a moment. Its connections
// break when the network becomes fair.
func (s *scene) swallow(node int) {
	p := s.network.of(node)
	before := p.swallowed.Load()
	p.become(swallowing)
	s.within("an answer is swallowed", func() bool { return p.swallowed.Load() > before })
	<-time.After(moment)
}

// refusal is a change of a topic's configuration that has it refuse all records, and
// the change back.
type refusal struct{ refuse, allow map[string]string }

var (
	limitLowered = refusal{map[string]string{"max.message.bytes": "60"}, map[string]string{"max.message.bytes": "1048588"}}
	minISRRaised = refusal{map[string]string{"min.insync.replicas": "3"}, map[string]string{"min.insync.replicas": "2"}}
)

func (s *scene) alter(config map[string]string) {
	s.each(func(l *lane) { s.must(s.AlterTopicConfig(l.topic, config)) })
}

// swallowedAndThen has a broker take records whose acknowledgements are lost. Before
// librdkafka can ask for them again, the topic refuses everything.
func swallowedAndThen(r refusal) func(*scene) {
	return func(s *scene) {
		for range again() {
			s.swallowAndRefuse(s.anyNode(), r)
		}
	}
}

func (s *scene) swallowAndRefuse(node int, r refusal) {
	start := time.Now()
	s.swallow(node)
	s.alter(r.refuse)
	s.network.become(fair)
	s.answeredOtherwise(start)
	s.alter(r.allow)
	s.after(1 + s.random.IntN(50))
}

// swallowedAndThenTooFew has a dead broker: what is demanded of a topic is never more
// than the replicas that it has.
func swallowedAndThenTooFew(s *scene) {
	s.must(s.Kill(3))
	s.inSync(2)
	for range again() / 2 {
		s.swallowAndRefuse(1+s.random.IntN(2), minISRRaised)
	}
	s.must(s.Restart(3))
	s.inSync(3)
}

// swallowedAndThenDeleted looks into the topic before it is deleted: who reads it has
// seen what was in it.
func swallowedAndThenDeleted(s *scene) {
	start := time.Now()
	s.swallow(s.anyNode())
	s.each(func(l *lane) {
		l.seen = map[ledger.ID]bool{}
		for _, record := range l.read(s.Cluster) {
			if i, ok := run.ReadID(record.Value); ok {
				l.seen[i] = true
			}
		}
		s.must(s.DeleteTopic(l.topic))
	})
	s.network.become(fair)
	s.answeredOtherwise(start)
	s.each(s.createTopic)
	s.fresh = time.Now()
}
