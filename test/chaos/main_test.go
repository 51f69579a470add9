package chaos

import (
	"flag"
	"fmt"
	"os"
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
