package chaos

import (
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
)

// rightWithdrawnMeanwhile takes the right away while records wait on disk for another
// reason. They become dead letters; an operator sends them again when it is back.
func rightWithdrawnMeanwhile(t *testing.T, secrets string) func(*scene) {
	return func(s *scene) {
		s.must(s.SetPassword(user, "the-third-password"))
		s.network.cut()
		s.each(func(l *lane) {
			s.within("records are kept", func() bool {
				return l.count(time.Time{}, ledger.Kept) > 5*workers
			})
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
			l.terms.Unordered = true // what comes later has overtaken them
			// Of those under way when the connection broke some had arrived.
			l.terms.Duplicates += workers
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
