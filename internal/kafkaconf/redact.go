package kafkaconf

import (
	"slices"
	"strings"
)

// Redactor returns a function that takes the properties' secrets out of a text.
func Redactor(props Properties) func(string) string {
	var values []string
	for name, value := range props {
		if value != "" {
			values = append(values, secretsIn(name, value)...)
		}
	}
	// The longest first: where one secret begins another, nothing of either stays.
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, value := range values {
		pairs = append(pairs, value, "[redacted]")
	}
	return strings.NewReplacer(pairs...).Replace
}
