package chaos

import (
	"math/rand/v2"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
)

// badRecords are faults of clients: some of the records are such that Kafka can never
// take them, and it refuses the whole batch that one of them is in. Beside each lane
// another route uses the same connection.
var badRecords = []scenario{
	clients("5 % of the records have no key or a wrong timestamp", some(5, keyless, future), scenario{topic: compacted, route: timestamps}),
	clients("5 % of the records are larger than the topic takes", some(5, large), scenario{full: true, topic: twoThousandBytes}),
	clients("a topic's limit is lowered and raised under way", mixedSizes, scenario{full: true, lasts: 4 * time.Second, strike: limitChanged}),
	clients("1 % of the records have no key or a wrong timestamp", some(1, keyless, future), scenario{full: true, topic: compacted, route: timestamps}),
	clients("1 % of the records are larger than the topic takes", some(1, large), scenario{full: true, topic: twoThousandBytes}),
	clients("2 % of the records are larger than the topic's 200,000 bytes", some(2, huge),
		scenario{full: true, topic: map[string]string{"max.message.bytes": "200000"}}),
	clients("5 % of the records of batches have no key", some(5, keyless), scenario{full: true, topic: compacted, batch: 8}),
	clients("5 % of the records are bad and all brokers are silent", some(5, keyless, future),
		scenario{full: true, renumbered: true, modes: durable, outages: 1, strike: allSilent, topic: compacted, route: timestamps}),
	clients("5 % of the records are too large and all brokers are silent", some(5, large),
		scenario{full: true, renumbered: true, modes: durable, outages: 1, strike: allSilent, topic: twoThousandBytes}),
}

// clients is a scenario whose fault is in the records, as far as it says nothing else.
func clients(fault string, contents func(*rand.Rand) ledger.Content, s scenario) scenario {
	s.fault, s.contents, s.letters, s.neighbour = fault, contents, true, true
	if s.lasts == 0 {
		s.lasts = 2 * time.Second
	}
	if s.strike == nil {
		s.strike = underLoad
	}
	return s
}

var (
	// A compacted topic takes no record without a key. Nothing is compacted that the
	// ledger wants to see.
	compacted        = map[string]string{"cleanup.policy": "compact", "min.compaction.lag.ms": "86400000"}
	twoThousandBytes = map[string]string{"max.message.bytes": "2000"}
)

// timestamps lets clients say when a record is from.
const timestamps = `"timeout_ms":2000,"overrides":["timestamp"]`

func keyless(r *rand.Rand) ledger.Content {
	return ledger.Content{Nature: ledger.Bad, Size: 200 + r.Int32N(100), Keyless: true}
}
func future(r *rand.Rand) ledger.Content {
	return ledger.Content{Nature: ledger.Bad, Size: 200 + r.Int32N(100), Future: true}
}
func large(*rand.Rand) ledger.Content { return ledger.Content{Nature: ledger.Bad, Size: 3000} }
func huge(*rand.Rand) ledger.Content  { return ledger.Content{Nature: ledger.Bad, Size: 250_000} }

// some makes a share of the records bad, in one of the ways. The others are innocent.
func some(percent int, ways ...func(*rand.Rand) ledger.Content) func(*rand.Rand) ledger.Content {
	return func(r *rand.Rand) ledger.Content {
		if r.IntN(100) < percent {
			return ways[r.IntN(len(ways))](r)
		}
		return ledger.Content{Nature: ledger.Innocent, Size: 200 + r.Int32N(100)}
	}
}

// mixedSizes are of records that every limit takes, and some that only the higher takes.
func mixedSizes(r *rand.Rand) ledger.Content {
	if r.IntN(10) == 0 {
		return ledger.Content{Size: 5000}
	}
	return ledger.Content{Nature: ledger.Innocent, Size: 200 + r.Int32N(100)}
}

// underLoad strikes nothing: the records do.
func underLoad(s *scene) { s.after(*flagRecords / 5) }

func limitChanged(s *scene) {
	for range again() {
		s.alter(map[string]string{"max.message.bytes": "4000"})
		s.after(1 + s.random.IntN(100))
		s.alter(limitLowered.allow)
		s.after(1 + s.random.IntN(100))
	}
}
