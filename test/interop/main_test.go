// Package interop tests the built binary beside the systems that its users run with it.
package interop

import (
	"os"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/test/cli/program"
)

// binary is the program under test, built by TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(program.Main(m, &binary, "../../cmd/kafkaupstream"))
}
