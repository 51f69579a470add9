package program

import (
	"strconv"
	"strings"
	"testing"
)

// Workers returns the process IDs of the workers that have said in a runner's log that they serve, in their order.
func Workers(t testing.TB, log string) (pids []int) {
	t.Helper()
	for line := range strings.Lines(log) {
		if _, rest, ok := strings.Cut(line, " pid="); ok && strings.HasSuffix(line, "\n") && strings.Contains(line, `msg="kafkaupstream started"`) {
			pid, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}
