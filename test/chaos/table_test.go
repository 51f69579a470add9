package chaos

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/ledger"
)

// row is a line of the table: a fault and a mode, in one scene or in several that
// differ by their seed.
type row struct {
	fault, mode string
	async       bool

	records, taken, kept, refused, unknown, noReply int
	lost, logged, loggedAtMost                      int
	refusedFound                                    int
	bad, condemned, dead                            int
	again, renumbered                               int
	longest                                         time.Duration
}

func newRow(fault string, l *lane, records int, a *ledger.Account) row {
	return row{
		fault: fault, mode: l.name, async: l.mode == "async", records: records,
		taken: a.Replies[ledger.Acknowledged] + a.Replies[ledger.Queued], kept: a.Replies[ledger.Kept], refused: a.Replies[ledger.Refused],
		unknown: a.Replies[ledger.Unknown], noReply: a.Replies[ledger.NoReply],
		lost: len(a.Lost), logged: l.losses.undelivered, loggedAtMost: l.losses.atMost(),
		refusedFound: len(a.FoundRefused),
		bad:          a.Bad, condemned: len(a.Condemned), dead: a.Dead,
		again: len(a.Again), renumbered: a.Renumbered, longest: a.LongestWait,
	}
}

// add makes the row one of both.
func (r *row) add(s row) {
	for n, more := range map[*int]int{
		&r.records: s.records, &r.taken: s.taken, &r.kept: s.kept, &r.refused: s.refused, &r.unknown: s.unknown,
		&r.noReply: s.noReply, &r.lost: s.lost, &r.logged: s.logged, &r.loggedAtMost: s.loggedAtMost,
		&r.refusedFound: s.refusedFound, &r.bad: s.bad, &r.condemned: s.condemned, &r.dead: s.dead,
		&r.again: s.again, &r.renumbered: s.renumbered,
	} {
		*n += more
	}
	r.longest = max(r.longest, s.longest)
}

var columns = []string{"fault", "mode", "records", "200", "202", "no", "unknown", "no reply", "lost", "`no` found",
	"bad", "innocent refused", "dead letters", "twice", "longest wait"}

// cells are the row under the columns.
func (r *row) cells() []string {
	cells := []string{r.fault, r.mode}
	for _, n := range []int{r.records, r.taken, r.kept, r.refused, r.unknown, r.noReply, r.lost, r.refusedFound,
		r.bad, r.condemned, r.dead, r.again} {
		cells = append(cells, fmt.Sprint(n))
	}
	if r.async {
		cells[slices.Index(columns, "lost")] += fmt.Sprintf(" (log: %d to %d)", r.logged, r.loggedAtMost)
	}
	if r.renumbered > 0 {
		cells[slices.Index(columns, "twice")] += fmt.Sprintf(" (%d numbered anew)", r.renumbered)
	}
	return append(cells, round(r.longest).String())
}

// words are the cells with the names of their columns.
func (r *row) words() string {
	var words []string
	for i, cell := range r.cells()[2:] {
		words = append(words, columns[i+2]+" "+cell)
	}
	return strings.Join(words, ", ")
}

// results are the rows of the table at the end.
var results table

type table struct {
	mu   sync.Mutex
	rows []row
	left []string
}

// add adds a row, or adds to the one of the same fault and mode.
func (t *table) add(r row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.rows {
		if t.rows[i].fault == r.fault && t.rows[i].mode == r.mode {
			t.rows[i].add(r)
			return
		}
	}
	t.rows = append(t.rows, r)
}

// leave notes a scenario that this run does not include.
func (t *table) leave(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left = append(t.left, name)
}

func (t *table) print() {
	if len(t.rows) > 0 {
		fmt.Printf("\n%d records for each fault and mode at least, outages of %v, -seed=%d\n\n", *flagRecords, *flagOutage, *flagSeed)
		fmt.Printf("| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
		for i := range t.rows {
			fmt.Printf("| %s |\n", strings.Join(t.rows[i].cells(), " | "))
		}
		fmt.Println()
	}
	for _, name := range t.left {
		fmt.Printf("left to the full form (make chaos): %s\n", name)
	}
}
