package secrets

import (
	"errors"
	"fmt"
	"strings"
)

// DefaultNames are the environment variables that references may name where the operator
// says nothing.
const DefaultNames = "KAFKA_*"

// Names are the environment variables that references may name: whoever may write one
// route's configuration is not to read every variable of the process.
type Names struct{ patterns []string }

// ParseNames reads a list of names, between commas; a "*" at the end of one stands for any
// further characters. An empty list allows none.
func ParseNames(list string) (Names, error) {
	var n Names
	for _, pattern := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		if name := strings.TrimSuffix(pattern, "*"); pattern != "*" && !isVariable(name) {
			return Names{}, fmt.Errorf("%.40q is no name of an environment variable: letters, digits and _, no digit first, and perhaps * at the end", pattern)
		}
		n.patterns = append(n.patterns, pattern)
	}
	return n, nil
}

// Check returns an error if the value is a reference to a variable that is not among the
// names, or one that [Check] refuses. It does not quote the value.
func (n Names) Check(value string) error {
	where, name, err := parse(value)
	if err != nil || where != variable {
		return err
	}
	if err := n.allow(name); err != nil {
		return fmt.Errorf("%s: %w", envPrefix, err)
	}
	return nil
}

// allow returns an error if the variable is not among the names.
func (n Names) allow(name string) error {
	for _, pattern := range n.patterns {
		prefix, open := strings.CutSuffix(pattern, "*")
		if name == pattern || open && strings.HasPrefix(name, prefix) {
			return nil
		}
	}
	if len(n.patterns) == 0 {
		return errors.New("no variable may be named (--secrets-env)")
	}
	return fmt.Errorf("only these variables may be named: %s (--secrets-env)", strings.Join(n.patterns, ", "))
}
