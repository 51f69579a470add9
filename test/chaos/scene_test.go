package chaos

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
	"github.com/kafkaupstream/kafkaupstream/test/await"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// scenario is one fault and what is granted while it lasts.
type scenario struct {
	fault string
	// modes are the deliveries that the fault applies to; nil: all.
	modes []string
	// full leaves the scenario to the full form.
	full bool
	// lasts is about how long the fault takes beside outages, and outages how many
	// of them it has: the load is spread over that.
	lasts   time.Duration
	outages float64
	// seeds is how many times the full form plays the scenario, each with other sizes
	// and moments; 0: once.
	seeds int
	// route is more of the route's configuration, and properties more of its connection's.
	route, properties string
	// topic is the topic's configuration.
	topic map[string]string
	// replicas are the nodes of each of the topic's partitions; nil: all nodes of six.
	replicas [][]int
	// spool gives every mode a spool, not only durable.
	spool bool
	// workers is how many clients each lane has; 0: the constant of that name.
	workers int
	// batch is the most records of a request; 0: one, and not as a batch.
	batch int
	// contents are the records'; nil: ordinary ones of a few hundred bytes.
	contents func(*rand.Rand) ledger.Content
	// renumbered says that a batch is refused for good while what it, or another partition,
	// has taken is not acknowledged: librdkafka may number records of durable routes anew, too,
	// and what nobody knows of is sent again by another producer.
	renumbered bool
	// letters says that records that are not innocent may become dead letters.
	letters bool
	// neighbour gives each lane another beside it, with the same runner and connection,
	// and another route to another topic, to which all records are innocent.
	neighbour bool
	// serve has the lanes served by `serve`, and not by `run` behind the development gateway.
	serve bool
	// supervised has the runner be a supervisor with its worker, as APISIX starts it.
	supervised bool
	// prepare readies a lane before its runner starts; nil: nothing.
	prepare func(*scene, *lane)
	// strike breaks something and heals it again.
	strike func(*scene)
}

// ground is where scenarios take place: a cluster and the way there.
type ground struct {
	*kafkatest.Cluster
	nodes   int
	network network // nil: clients reach the brokers directly
	// login is the properties that a client needs to log in, as JSON members with a
	// comma in front.
	login string
	// user is whom the brokers know the clients as; "": everybody may write.
	user string
	// env is given to each runner.
	env []string
}

// scene is a scenario that takes place.
type scene struct {
	*ground
	scenario
	t      *testing.T
	random *rand.Rand
	lanes  []*lane // one for each mode
	beside []*lane // their neighbours
	// fresh is when the topics were made that are there now; what was sent
	// before need not be in them.
	fresh time.Time
}

// notInTopics is what a topic's name cannot have.
var notInTopics = regexp.MustCompile(`[^a-zA-Z0-9]+`)

// play runs the scenarios of a table, one after the other.
func (g *ground) play(t *testing.T, scenarios []scenario) {
	for _, sc := range scenarios {
		modes := strings.Split(*flagModes, ",")
		modes = slices.DeleteFunc(modes, func(m string) bool { return sc.modes != nil && !slices.Contains(sc.modes, m) })
		if sc.full && !*flagFull || len(modes) == 0 {
			results.leave(sc.fault)
			continue
		}
		for i := range sc.repetitions() {
			t.Run(sc.fault, func(t *testing.T) { g.scene(t, sc, modes, i).run() })
		}
	}
}

// repetitions is how many times the scenario is played, each time with another seed.
func (sc *scenario) repetitions() int {
	if *flagFull {
		return max(sc.seeds, 1)
	}
	return 1
}

func (g *ground) scene(t *testing.T, sc scenario, modes []string, repetition int) *scene {
	s := &scene{ground: g, scenario: sc, t: t, random: rand.New(rand.NewPCG(*flagSeed, uint64(repetition)))}
	name := notInTopics.ReplaceAllString(s.fault, "-")
	for _, mode := range modes {
		l := s.newLane(mode, fmt.Sprintf("%s.%s.%d", name, mode, repetition))
		s.lanes = append(s.lanes, l)
		if s.neighbour {
			s.beside = append(s.beside, s.newNeighbour(l))
		}
	}
	return s
}

func (s *scene) newLane(mode, topic string) *lane {
	l := &lane{t: s.t, mode: mode, name: mode, topic: topic, runner: newRunner(s.t, s.env), pace: ledger.NewPace(),
		contents: s.contents, batch: s.batch, workers: cmp.Or(s.workers, workers)}
	if l.contents == nil {
		l.contents = ordinaryContents
	}
	if s.supervised {
		l.supervise()
	}
	if s.spool || mode == "durable" {
		l.keep()
	}
	s.createTopic(l)
	if s.user != "" {
		s.must(s.AllowWrite(s.user, l.topic))
	}
	if s.prepare != nil {
		s.prepare(s, l)
	}
	return l
}

func ordinaryContents(r *rand.Rand) ledger.Content { return ledger.Content{Size: 200 + r.Int32N(400)} }

// newNeighbour is a lane with the runner and the connection of another, and a healthy
// topic of its own.
func (s *scene) newNeighbour(l *lane) *lane {
	beside := &lane{t: s.t, mode: l.mode, name: l.mode + ", beside it", topic: l.topic + ".beside", runner: l.runner, pace: ledger.NewPace(),
		batch: l.batch, workers: l.workers}
	beside.contents = func(r *rand.Rand) ledger.Content {
		return ledger.Content{Nature: ledger.Innocent, Size: 200 + r.Int32N(400)}
	}
	s.must(s.CreateTopic(beside.topic, 6, s.nodes, nil))
	return beside
}

func (s *scene) createTopic(l *lane) {
	s.t.Helper()
	config := map[string]string{"min.insync.replicas": fmt.Sprint(s.nodes/2 + 1)}
	maps.Copy(config, s.topic)
	if s.replicas != nil {
		s.must(s.CreateTopicOn(l.topic, s.replicas, config))
		return
	}
	s.must(s.CreateTopic(l.topic, 6, s.nodes, config))
}

// conf is a lane's route.
func (s *scene) conf(l *lane) string {
	bootstrap := s.Bootstrap()
	if s.network != nil {
		bootstrap = s.network.addrs()
	}
	conf := fmt.Sprintf(`{"config":{"bootstrap.servers":%q%s%s},"topic":%q,"delivery":%q,"jsonkey":"key"`,
		bootstrap, s.login, s.properties, l.topic, l.mode)
	if l.batch > 0 {
		conf += `,"batch":true`
	}
	if s.route != "" {
		conf += "," + s.route
	} else {
		conf += `,"timeout_ms":2000`
	}
	return conf + "}"
}

// progressLimit is how long nothing may happen until what is waited for is given up:
// no answer, no step of the brokers. How long all of it takes is the machine's affair.
const progressLimit = 5 * time.Minute

// run is a scenario from its first record to the account. The fault strikes while
// the clients send as quickly as they are answered; then the load is spread over
// the time that the fault is expected to take, and goes on at that rate until it is
// healed; the rest is sent at full speed again.
func (s *scene) run() {
	n := *flagRecords
	began := time.Now()
	if s.serve {
		s.each(func(l *lane) { l.writeRoutes(s.conf(l)) })
	}
	s.each((*lane).start)
	s.all(func(l *lane) {
		l.begin(s.conf(l), s.random.Uint64())
		l.pace.Grant(n * 4 / 10)
	})
	s.after(n * 2 / 10)
	span := max(s.lasts+time.Duration(s.outages*float64(*flagOutage)), time.Second)
	s.all(func(l *lane) { l.pace.Feed(float64(n) * 4 / 10 / span.Seconds()) })
	struck := time.Now()
	s.strike(s)
	healed := time.Now()
	s.recover(healed)
	recovered := time.Now()
	s.all(func(l *lane) {
		l.pace.Steady()
		l.pace.Grant(max(n*2/10, n-l.pace.Grant(0)))
	})
	s.all(func(l *lane) {
		granted := l.pace.Grant(0)
		s.until("the last answer", func() int { return granted - int(l.answered.Load()) })
		l.pace.End()
		if n := int(l.answered.Load()); n != granted {
			s.t.Errorf("%s: %d answers for %d granted records: the pace was outrun", l.name, n, granted)
		}
	})
	sent := time.Now()
	s.settle()
	s.t.Logf("%v until the fault, which took %v; records were taken again %v later; %v until all were sent, %v until the account",
		round(struck.Sub(began)), round(healed.Sub(struck)), round(recovered.Sub(healed)), round(sent.Sub(recovered)), round(time.Since(sent)))
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// recover waits until records are taken again.
func (s *scene) recover(healed time.Time) {
	s.all(func(l *lane) {
		s.within("a record is taken after the fault", func() bool {
			return l.count(healed, ledger.Acknowledged, ledger.Queued, ledger.Kept) > 0
		})
	})
}

func (s *scene) settle() {
	s.all(func(l *lane) { l.awaitArrival(s) })
	s.all(func(l *lane) { l.disconnect() }) // a worker whose supervisor somebody has stopped waits for that
	s.each((*lane).term)
	s.each((*lane).stopped)
	s.all(func(l *lane) { l.judge(s) })
	s.all(func(l *lane) { s.must(s.DeleteTopic(l.topic)) }) // brokers that have many topics restart slowly
}

func (s *scene) within(what string, condition func() bool) {
	s.t.Helper()
	held := false
	defer func() {
		if !held {
			s.explain()
		}
	}()
	await.Within(s.t, progressLimit, what, condition)
	held = true
}

// until waits until nothing is left, as long as it becomes less.
func (s *scene) until(what string, left func() int) {
	s.t.Helper()
	for before := left(); before > 0; {
		s.within(what, func() bool {
			now := left()
			less := now < before
			before = now
			return less
		})
	}
}

// explain says how far each lane has come, and has its runner say what it is at.
func (s *scene) explain() {
	s.each(func(l *lane) {
		var last []string
		entries := l.ledger.Entries()
		for i := max(len(entries)-20, 0); i < len(entries); i++ {
			last = append(last, entries[i].String())
		}
		s.t.Logf("%s: %d records granted, %d waiting to be sent, %d answered, the last outcomes %v", l.mode,
			l.pace.Grant(0), l.pace.Waiting(), l.answered.Load(), last)
		l.process.Signal(syscall.SIGQUIT)
		l.process.Exit()
	})
}

// each calls f with the lanes that the fault strikes, all also with their neighbours.
func (s *scene) each(f func(*lane)) {
	for _, l := range s.lanes {
		f(l)
	}
}

func (s *scene) all(f func(*lane)) {
	s.each(f)
	for _, l := range s.beside {
		f(l)
	}
}

// after waits for n more answers in every lane.
func (s *scene) after(n int) {
	s.t.Helper()
	goals := map[*lane]int64{}
	s.each(func(l *lane) { goals[l] = l.answered.Load() + int64(n) })
	s.until(fmt.Sprint(n, " more answers"), func() (left int) {
		for l, goal := range goals {
			left += max(int(goal-l.answered.Load()), 0)
		}
		return left
	})
}

// outage lets the time pass that what is broken stays so: the length of the fault,
// not a wait for its effect.
func (s *scene) outage() { <-time.After(*flagOutage) }

// must ends the scenario when something cannot be broken or healed.
func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// inSync waits until every lane's topic has n replicas in sync.
func (s *scene) inSync(n int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), progressLimit)
	defer cancel()
	s.each(func(l *lane) { s.must(s.WaitInSync(ctx, l.topic, n)) })
}
