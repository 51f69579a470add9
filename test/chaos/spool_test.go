package chaos

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// brokenSpools are faults of the disk while Kafka is away.
var brokenSpools = []scenario{
	{fault: "the spool fills up under batches, again and again", modes: durable, lasts: 10 * time.Second, strike: spoolFilledAgain,
		prepare: smallSegments, batch: 40, contents: someKilobytes},
	{fault: "the spool's files are removed during an outage", modes: durable, lasts: 2 * time.Second, outages: 1, strike: spoolGone(removeAll)},
	{fault: "the spool's files are moved away during an outage", full: true, modes: durable, lasts: 2 * time.Second, outages: 1,
		strike: spoolGone(func(dir string) error {
			return os.Rename(dir, filepath.Join(filepath.Dir(filepath.Dir(dir)), "moved"))
		})},
}

// someKilobytes are records of which some dozen fill a small disk, so that it is full in
// the middle of a batch.
func someKilobytes(r *rand.Rand) ledger.Content { return ledger.Content{Size: 5000 + r.Int32N(15_000)} }

// smallSegments makes the files on a small disk so small that a batch needs two: what is
// in the first is safe when there is no room for the second.
func smallSegments(s *scene, l *lane) {
	smallDisk(s, l)
	l.env = append(l.env, "KAFKAUPSTREAM_SPOOL_MAX_BYTES=4194304")
}

// spoolFilledAgain fills the disk, and lets Kafka empty it.
func spoolFilledAgain(s *scene) {
	for range again() {
		start := time.Now()
		s.network.become(stalled)
		s.each(func(l *lane) {
			s.within("a record that the disk has no room for is refused", func() bool {
				return l.count(start, ledger.Refused) > workers
			})
		})
		s.network.become(fair)
		fair := time.Now()
		s.each(func(l *lane) {
			s.within("a record goes straight to Kafka", func() bool { return l.count(fair, ledger.Acknowledged) > 0 })
		})
	}
}

// spoolGone takes the streams' directories away while records wait in them, and the
// runner after that, so that it does not remember what the disk has forgotten.
func spoolGone(take func(dir string) error) func(*scene) {
	return func(s *scene) {
		s.network.become(stalled)
		start := time.Now()
		s.each(func(l *lane) {
			s.within("records are kept", func() bool { return l.count(start, ledger.Kept) > 2*workers })
			connections, err := filepath.Glob(filepath.Join(l.spool, "*", "connection.json"))
			s.must(err)
			for _, connection := range connections {
				s.must(take(filepath.Dir(connection)))
			}
			l.emptied = time.Now()
			s.within("later records are kept or refused", func() bool { return l.count(l.emptied, ledger.Kept, ledger.Refused) > 2*workers })
		})
		s.outage()
		s.each((*lane).term)
		s.exit()
		s.each(func(l *lane) { l.terms.Duplicates += workers })
		s.each((*lane).start)
		s.after(10)
		s.network.become(fair)
	}
}

// removeAll is os.RemoveAll, also while the runner makes files there.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	for errors.Is(err, syscall.ENOTEMPTY) {
		err = os.RemoveAll(dir)
	}
	return err
}

var filesAreGone = regexp.MustCompile(`level=ERROR .*(removed|renamed|moved|deleted|unlinked|replaced|gone|missing)`)

// saysFilesAreGone reports whether the log says that files of the spool are not where
// they were.
func saysFilesAreGone(processes []*program.Process) bool {
	return slices.ContainsFunc(processes, func(p *program.Process) bool { return filesAreGone.MatchString(p.Stderr.String()) })
}
