package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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
	// route is more of the route's configuration.
	route string
	// topic is the topic's configuration.
	topic map[string]string
	// spool gives every mode a spool, not only durable.
	spool bool
	// sizes are of the records' padding; nil: a few hundred bytes.
	sizes func(*rand.Rand) int
	// prepare readies a lane before its runner starts; nil: nothing.
	prepare func(*scene, *lane)
	// strike breaks something and heals it again.
	strike func(*scene)
}

// ground is where scenarios take place: a cluster and the way there.
type ground struct {
	*kafkatest.Cluster
	nodes int
	proxy *proxy // nil: clients reach the brokers directly
	// properties are what a client needs to log in, as JSON members with a comma
	// in front.
	properties string
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
	lanes  []*lane
	// fresh is when the topics were made that are there now; what was sent
	// before need not be in them.
	fresh time.Time
}

// play runs the scenarios of a table, one after the other.
func (g *ground) play(t *testing.T, scenarios []scenario) {
	for _, sc := range scenarios {
		modes := strings.Split(*flagModes, ",")
		modes = slices.DeleteFunc(modes, func(m string) bool { return sc.modes != nil && !slices.Contains(sc.modes, m) })
		if sc.full && !*flagFull || len(modes) == 0 {
			results.leave(sc.fault)
			continue
		}
		t.Run(sc.fault, func(t *testing.T) { g.scene(t, sc, modes).run() })
	}
}

func (g *ground) scene(t *testing.T, sc scenario, modes []string) *scene {
	s := &scene{ground: g, scenario: sc, t: t, random: rand.New(rand.NewPCG(*flagSeed, 0))}
	for _, mode := range modes {
		s.lanes = append(s.lanes, s.newLane(mode))
	}
	return s
}

func (s *scene) newLane(mode string) *lane {
	l := &lane{t: s.t, mode: mode, socket: socketOf(s.t), pace: newPace(), sizes: s.sizes}
	l.topic = strings.NewReplacer(" ", "-", ",", "").Replace(s.fault) + "." + mode
	if l.sizes == nil {
		l.sizes = func(r *rand.Rand) int { return 200 + r.IntN(400) }
	}
	s.createTopic(l)
	if s.user != "" {
		s.must(s.AllowWrite(s.user, l.topic))
	}
	l.env = append(slices.Clone(s.env), "APISIX_LISTEN_ADDRESS=unix:"+l.socket, "APISIX_CONF_EXPIRE_TIME=3600")
	if s.spool || mode == "durable" {
		l.spool = filepath.Join(filepath.Dir(l.socket), "spool")
		l.env = append(l.env, "KAFKAUPSTREAM_SPOOL_DIR="+l.spool)
	}
	if s.prepare != nil {
		s.prepare(s, l)
	}
	return l
}

func (s *scene) createTopic(l *lane) {
	s.t.Helper()
	config := map[string]string{"min.insync.replicas": fmt.Sprint(s.nodes/2 + 1)}
	for name, value := range s.topic {
		config[name] = value
	}
	if err := s.CreateTopic(l.topic, 6, s.nodes, config); err != nil {
		s.t.Fatal(err)
	}
}

// conf is a lane's route.
func (s *scene) conf(l *lane) string {
	bootstrap := s.Bootstrap()
	if s.proxy != nil {
		bootstrap = s.proxy.addr()
	}
	conf := fmt.Sprintf(`{"config":{"bootstrap.servers":%q%s},"topic":%q,"delivery":%q,"jsonkey":"worker"`,
		bootstrap, s.properties, l.topic, l.mode)
	if s.route != "" {
		conf += "," + s.route
	} else {
		conf += `,"timeout_ms":2000`
	}
	return conf + "}"
}

// progressLimit is how long a number of answers may take.
const progressLimit = 5 * time.Minute

// run is a scenario from its first record to the account. The fault strikes while
// the clients send as quickly as they are answered; then the load is spread over
// the time that the fault is expected to take, and goes on at that rate until it is
// healed; the rest is sent at full speed again.
func (s *scene) run() {
	n := *flagRecords
	began := time.Now()
	for _, l := range s.lanes {
		l.start()
		l.serve(s.conf(l), s.random.Uint64())
		l.pace.grant(n * 4 / 10)
	}
	s.after(n * 2 / 10)
	span := s.lasts + time.Duration(s.outages*float64(*flagOutage))
	for _, l := range s.lanes {
		l.pace.feed(float64(n) * 4 / 10 / span.Seconds())
	}
	struck := time.Now()
	s.strike(s)
	healed := time.Now()
	s.recover(healed)
	recovered := time.Now()
	for _, l := range s.lanes {
		l.pace.steady()
		granted := l.pace.grant(0)
		granted = l.pace.grant(max(n*2/10, n-granted))
		s.within("the last answer", func() bool { return int(l.answered.Load()) == granted })
		l.pace.end()
	}
	sent := time.Now()
	s.settle()
	s.t.Logf("%v until the fault, which took %v; records were taken again %v later; %v until all were sent, %v until the account",
		round(struck.Sub(began)), round(healed.Sub(struck)), round(recovered.Sub(healed)), round(sent.Sub(recovered)), round(time.Since(sent)))
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// recover waits until records are taken again.
func (s *scene) recover(healed time.Time) {
	s.each(func(l *lane) {
		s.within("a record is taken after the fault", func() bool {
			return l.ledger.count(since(healed, acknowledged, queued, kept)) > 0
		})
	})
}

func (s *scene) settle() {
	excused := func(e *entry) bool { return e.sent.Before(s.fresh) }
	s.each(func(l *lane) { l.awaitArrival(s.Cluster, excused) })
	s.each((*lane).term)
	s.each((*lane).stopped)
	s.each(func(l *lane) { l.judge(s.Cluster, s.fault, excused) })
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

// explain says how far each lane has come, and has its runner say what it is at.
func (s *scene) explain() {
	s.each(func(l *lane) {
		s.t.Logf("%s: %d records granted, %d waiting to be sent, %d answered, the last outcomes %v", l.mode,
			l.pace.grant(0), l.pace.waiting(), l.answered.Load(), l.ledger.last(20))
		l.runner.Signal(syscall.SIGQUIT)
		l.runner.Exit()
	})
}

func (s *scene) each(f func(*lane)) {
	for _, l := range s.lanes {
		f(l)
	}
}

// after waits for n more answers in every lane.
func (s *scene) after(n int) {
	s.t.Helper()
	until := make([]int64, len(s.lanes))
	for i, l := range s.lanes {
		until[i] = l.answered.Load() + int64(n)
	}
	s.within(fmt.Sprint(n, " more answers"), func() bool {
		for i, l := range s.lanes {
			if l.answered.Load() < until[i] {
				return false
			}
		}
		return true
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
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s.each(func(l *lane) { s.must(s.WaitInSync(ctx, l.topic, n)) })
}
