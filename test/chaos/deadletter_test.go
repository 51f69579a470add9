package chaos

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// spoolCommand runs an operator's command on the lane's spool and returns what it prints.
func (l *lane) spoolCommand(args ...string) string {
	l.t.Helper()
	p, code := program.Run(l.t, binary, program.Options{Args: append(append([]string{"spool"}, args...), "--spool-dir", l.spool)})
	if code != 0 {
		l.t.Fatalf("spool %s: exit code %d\n%s", strings.Join(args, " "), code, p.Stderr)
	}
	return p.Stdout.String()
}

// onDisk is what the lane's spool holds: dead letters by stream, and records that wait.
func (l *lane) onDisk() (dead map[string]int64, pending int64) {
	l.t.Helper()
	dead = map[string]int64{}
	var streams []struct {
		Stream      string
		Pending     int64
		DeadLetters int64 `json:"dead_letters"`
	}
	if err := json.Unmarshal([]byte(l.spoolCommand("ls", "--json")), &streams); err != nil {
		l.t.Fatal(err)
	}
	for _, s := range streams {
		pending += s.Pending
		if s.DeadLetters > 0 {
			dead[s.Stream] = s.DeadLetters
		}
	}
	return dead, pending
}

// rightWithdrawnMeanwhile takes the right away while records wait on disk for another
// reason. They become dead letters; an operator sends them again when it is back.
func rightWithdrawnMeanwhile(t *testing.T, secrets string) func(*scene) {
	return func(s *scene) {
		s.must(s.SetPassword(user, "the-third-password"))
		s.proxy.cut()
		s.each(func(l *lane) {
			s.within("records are kept", func() bool { return l.ledger.count(func(e *entry) bool { return e.outcome() == kept }) > 5*workers })
			s.must(s.RevokeWrite(user, l.topic))
		})
		writeSecret(t, secrets, "the-third-password")
		s.each(func(l *lane) {
			s.within("what waited becomes dead letters", func() bool {
				dead, _ := l.onDisk()
				return len(dead) > 0
			})
		})
		s.outage()
		s.each(func(l *lane) {
			s.must(s.AllowWrite(user, l.topic))
			l.terms.unordered = true // what comes later has overtaken them
			// Of those under way when the connection broke some had arrived.
			l.terms.duplicates += workers
			s.within("all dead letters are sent again", func() bool {
				dead, pending := l.onDisk()
				for stream, n := range dead {
					s.t.Logf("%s: %d dead letters, sent again", l.mode, n)
					l.spoolCommand("replay", stream)
				}
				return len(dead) == 0 && pending == 0
			})
		})
	}
}
