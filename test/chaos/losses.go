package chaos

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
)

// losses are what a runner's log says of records that it had queued.
type losses struct {
	undelivered int // certainly not in Kafka
	unconfirmed int // perhaps
	purged      int // those of unconfirmed that the end of the drain timeout threw out
	stillQueued int // at the end of the drain timeout, and not kept on disk
	underWay    int // when a process ended, and sent again by the next one
	replaced    int // producers, whose records under way are sent again where they are on disk
	refused     int // producers of which Kafka has refused a batch, which were replaced for that
}

var (
	recordsAttr = regexp.MustCompile(` records=(\d+)`)
	topicAttr   = regexp.MustCompile(` topic=(\S+)`)
)

// readLosses reads the log of one runner. Lines that name another topic do not
// count.
func readLosses(log, topic string) losses {
	var l losses
	for line := range strings.Lines(log) {
		if strings.Contains(line, "; replacing ") {
			l.replaced++
		}
		if strings.Contains(line, "Kafka has refused a batch") {
			l.refused++
		}
		m := recordsAttr.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if of := topicAttr.FindStringSubmatch(line); of != nil && of[1] != topic {
			continue
		}
		n, _ := strconv.Atoi(m[1])
		switch {
		case strings.Contains(line, "records were not delivered"):
			l.undelivered += n
		case strings.Contains(line, "records were not confirmed"):
			l.unconfirmed += n
			if strings.Contains(line, "Purged") {
				l.purged += n
			}
		case strings.Contains(line, "records were under way to Kafka when the process ended"):
			l.underWay += n
		case strings.Contains(line, "still queued when the drain timeout ended; they are lost"):
			l.stillQueued += n
		}
	}
	return l
}

func (l losses) plus(m losses) losses {
	// Of each runner, what was still queued is what was purged, as far as the
	// purge was reported in time; see atMost.
	return losses{
		undelivered: l.undelivered + m.undelivered,
		unconfirmed: l.unconfirmed + m.unconfirmed,
		purged:      l.purged + m.purged,
		stillQueued: l.stillQueued + m.stillQueued,
		underWay:    l.underWay + m.underWay,
		replaced:    l.replaced + m.replaced,
		refused:     l.refused + m.refused,
	}
}

// atMost is the most records that can be missing. Those still queued at the end of
// a drain are purged then and reported once more, as unconfirmed.
func (l losses) atMost() int {
	return l.undelivered + l.unconfirmed + max(l.stillQueued-l.purged, 0)
}

// ledger is the losses as the account compares them with what is missing.
func (l losses) ledger() *ledger.Logged {
	return &ledger.Logged{Undelivered: l.undelivered, AtMost: l.atMost()}
}
