// Package nearest finds the valid name that somebody probably meant. Messages about
// configurations use it ("did you mean"): internal/routeconf and internal/routefile for keys,
// internal/librdkafka for properties, cmd/kafkaupstream for what is typed. It decides nothing.
package nearest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxLength bounds what is compared, in bytes: no name is longer.
const maxLength = 64

// Name returns the name that is nearest to what was given, "" when none is fewer
// than limit edits away. Of equally near ones it is the first in the alphabet.
// Letter case does not count.
func Name(given string, names []string, limit int) string {
	if len(given) > maxLength {
		return ""
	}
	best := ""
	for _, name := range slices.Sorted(slices.Values(names)) {
		if d := distance(strings.ToLower(given), strings.ToLower(name)); d < limit {
			best, limit = name, d
		}
	}
	return best
}

// Hint is what an error about the given name ends in: "; did you mean …?" with what Name finds, "" where that is nothing.
func Hint(given string, names []string, limit int) string {
	if best := Name(given, names, limit); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return ""
}

// Near is the limit for names of a short list, where also a distant one is more likely meant than none.
func Near(given string) int { return len(given)/2 + 2 }

// UnknownKey says of a key that is none of the keys which one is near, and else all of them.
func UnknownKey(given string, keys []string) string {
	if hint := Hint(given, keys, Near(given)); hint != "" {
		return "unknown key" + hint
	}
	return "unknown key; the keys are " + Quoted(keys)
}

// Quoted lists names for a message, sorted.
func Quoted(names []string) string {
	names = slices.Sorted(slices.Values(names))
	for i, name := range names {
		names[i] = strconv.Quote(name)
	}
	return strings.Join(names, ", ")
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
