package chaos

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

var (
	flagRecords = flag.Int("records", 2000, "records for each scenario and mode")
	flagOutage  = flag.Duration("outage", 5*time.Second, "how long what is broken stays so")
	flagSeed    = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of sizes and moments")
	flagModes   = flag.String("modes", "async,sync,durable", "the deliveries that take part")
	flagFull    = flag.Bool("full", false, "also the scenarios that are left to the full form, and each repetition twice as often")
)

// binary is the program under test, built by TestMain.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	fmt.Printf("-seed=%d\n", *flagSeed)
	code := program.Main(m, &binary, "../../cmd/kafkaupstream")
	results.print()
	os.Exit(code)
}

// results are the rows of the table at the end.
var results table

type table struct {
	mu   sync.Mutex
	rows []string
	left []string
}

func (r *table) add(row []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, "| "+strings.Join(row, " | ")+" |")
}

// leave notes a scenario that this run does not include.
func (r *table) leave(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = append(r.left, name)
}

var columns = []string{"fault", "mode", "records", "200", "202", "no", "unknown", "no reply",
	"lost", "`no` found", "duplicates", "longest wait"}

func (r *table) print() {
	if len(r.rows) > 0 {
		fmt.Printf("\n%d records for each fault and mode at least, outages of %v, -seed=%d\n\n| %s |\n|%s\n%s\n\n", *flagRecords, *flagOutage,
			*flagSeed, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)), strings.Join(r.rows, "\n"))
	}
	for _, name := range r.left {
		fmt.Printf("left to the full form (make chaos): %s\n", name)
	}
}
