package chaos

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
	"github.com/kafkaupstream/kafkaupstream/test/kafkatest"
)

// behindANetwork is a cluster whose brokers clients reach through a proxy each. The
// brokers reach each other without, and so does who reads the topics.
func behindANetwork(t *testing.T, options kafkatest.Options) *ground {
	t.Helper()
	g := &ground{nodes: max(options.Nodes, 1)}
	for range g.nodes {
		p, err := newProxy()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.close)
		g.network = append(g.network, p)
	}
	listener := kafkatest.Listener{Name: "NETWORK", Protocol: "PLAINTEXT", Proxies: g.network.list()}
	if options.SASL {
		listener.Protocol = "SASL_PLAINTEXT"
	}
	options.Listeners = append(options.Listeners, listener)
	g.Cluster = kafkatest.Run(t, options)
	for i, p := range g.network {
		p.forward(g.ListenerOf(i+1, listener.Name))
	}
	return g
}

func TestBrokerBehindANetwork(t *testing.T) {
	t.Parallel()
	behindANetwork(t, kafkatest.Options{}).play(t, []scenario{
		{fault: "connections are cut again and again", lasts: 2 * time.Second, strike: connectionsCut},
		{fault: "connections fall silent", full: true, outages: 1, strike: connectionsStalled},
		{fault: "answers are swallowed", outages: 1, strike: answersSwallowed},
		{fault: "acknowledgements are swallowed and then the topic's limit is lowered, log.connection.close=false", full: true, letters: true, renumbered: true, modes: acknowledging,
			lasts: 5 * time.Second, strike: swallowedAndThen(limitLowered), properties: `,"log.connection.close":false`},
		{fault: "the spool fills up during an outage", full: true, modes: durable, outages: 1, strike: spoolFilled, prepare: smallDisk},
		{fault: "the spool is read-only during an outage", full: true, modes: durable, lasts: 3 * time.Second, outages: 1, strike: spoolReadOnly, prepare: smallDisk},
	})
}

// durable is for scenarios about the spool.
var durable = []string{"durable"}

func connectionsCut(s *scene) {
	for range again() {
		s.within("a connection is there to cut", func() bool { return s.network.cut() > 0 })
		s.after(1 + s.random.IntN(100))
	}
}

func connectionsStalled(s *scene) {
	s.network.become(stalled)
	s.outage()
	s.network.become(fair)
}

func answersSwallowed(s *scene) {
	before := s.network.swallowed()
	s.network.become(swallowing)
	s.outage()
	s.within("an answer is swallowed", func() bool { return s.network.swallowed() > before })
	s.network.become(fair)
}

// spoolFilled holds until the disk is full and then for an outage.
func spoolFilled(s *scene) {
	s.network.become(stalled)
	start := time.Now()
	s.each(func(l *lane) {
		s.within("a record that the disk has no room for is refused", func() bool {
			return l.count(start, ledger.Refused) > 0
		})
	})
	s.outage()
	s.network.become(fair)
}

// spoolReadOnly replaces the runner, since a disk cannot be made read-only while a
// file on it is open for writing.
func spoolReadOnly(s *scene) {
	s.network.become(stalled)
	start := time.Now()
	s.each(func(l *lane) {
		s.within("records are kept", func() bool { return l.count(start, ledger.Kept) > workers })
		l.terms.Duplicates += workers // under way on the broken network
		l.term()
		ended(s.t, l.process)
		s.setReadOnly(l, true)
		l.start()
	})
	start = time.Now()
	s.outage()
	s.each(func(l *lane) {
		s.within("a record is refused", func() bool { return l.count(start, ledger.Refused) > 0 })
		if l.count(start, ledger.Kept) > 0 {
			s.t.Error("records are kept on a read-only disk")
		}
		s.setReadOnly(l, false)
	})
	s.network.become(fair)
}

const user = "bob"

func TestBrokerWithCredentials(t *testing.T) {
	t.Parallel()
	secrets := t.TempDir()
	g := behindANetwork(t, kafkatest.Options{SASL: true})
	g.user = user
	g.env = []string{"KAFKAUPSTREAM_SECRETS_DIR=" + secrets}
	g.login = `,"security.protocol":"SASL_PLAINTEXT","sasl.mechanisms":"SCRAM-SHA-256","sasl.username":"` + user +
		`","sasl.password":"$file://kafka-password"`
	g.password(t, secrets, "the-first-password")
	passwordChanged := func(s *scene) {
		s.must(s.SetPassword(user, "the-second-password"))
		s.network.cut() // connections that are open stay logged in
		s.outage()
		writeSecret(t, secrets, "the-second-password")
	}
	g.play(t, []scenario{
		{fault: "the password is changed", lasts: 2 * time.Second, outages: 1, strike: passwordChanged},
		{fault: "the right to write is withdrawn", full: true, lasts: time.Second, outages: 1, strike: rightWithdrawn},
		{fault: "the right to write is withdrawn while records wait on disk", full: true, modes: durable, lasts: 3 * time.Second, outages: 1,
			strike: rightWithdrawnMeanwhile(t, secrets)},
	})
}

// password sets the user's password on the brokers and for the clients.
func (g *ground) password(t *testing.T, secrets, password string) {
	t.Helper()
	if err := g.SetPassword(user, password); err != nil {
		t.Fatal(err)
	}
	writeSecret(t, secrets, password)
}

// writeSecret replaces the file at once, as tools that deliver secrets do.
func writeSecret(t *testing.T, dir, password string) {
	t.Helper()
	beside := filepath.Join(dir, "new")
	if err := os.WriteFile(beside, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(beside, filepath.Join(dir, "kafka-password")); err != nil {
		t.Fatal(err)
	}
}

func rightWithdrawn(s *scene) {
	s.each(func(l *lane) { s.must(s.RevokeWrite(user, l.topic)) })
	s.outage()
	s.each(func(l *lane) { s.must(s.AllowWrite(user, l.topic)) })
}
