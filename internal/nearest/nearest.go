// Package nearest finds the valid name that somebody probably meant. Messages about
// configurations use it ("did you mean"): plugins/kafkaupstream for keys,
// internal/librdkafka for properties. It decides nothing.
package nearest

import (
	"slices"
	"strings"
)

// maxLength bounds what is compared, in bytes: no name is longer.
const maxLength = 64

// Name returns the name that is nearest to what was given, "" when none is fewer
// than limit edits away. Of equally near ones it is the first in the alphabet.
// Letter case in what was given does not count.
func Name(given string, names []string, limit int) string {
	if len(given) > maxLength {
		return ""
	}
	best := ""
	for _, name := range slices.Sorted(slices.Values(names)) {
		if d := distance(strings.ToLower(given), name); d < limit {
			best, limit = name, d
		}
	}
	return best
}

// distance is the number of edits between two names (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
