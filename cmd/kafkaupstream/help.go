package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"strings"
)

const (
	helpWidth  = 100 // of a line, where no word is longer
	helpIndent = "        "
)

// printHelp prints what the command does, its examples, and its flags by section.
func (f *flags) printHelp(w io.Writer) {
	c := f.command
	fmt.Fprintf(w, "kafkaupstream %s: %s\n\nUsage: kafkaupstream %s\n", c.name, c.does, strings.Join(strings.Fields(c.name+" "+c.args+" [FLAGS]"), " "))
	if len(c.examples) > 0 {
		fmt.Fprintf(w, "\nExamples:\n")
	}
	for _, example := range c.examples {
		fmt.Fprintf(w, "  kafkaupstream %s\n", example)
	}
	for i, s := range f.sections {
		last := i == len(f.sections)-1
		title := s.title
		f.VisitAll(func(one *flag.Flag) {
			if s.after[one.Name] || !last && !f.sections[i+1].after[one.Name] {
				return
			}
			if title != "" {
				fmt.Fprintf(w, "\n%s:\n", title)
				title = ""
			}
			f.printFlag(w, one)
		})
	}
	fmt.Fprint(w, "\n  -h, --help; --version\n"+helpIndent+"show this, or the version, and end\n")
}

// kinds are what values are called that have no name of their own.
var kinds = map[string]string{"int": "number", "float": "number"}

// printFlag prints a flag, and below it what it means, its default and its variable.
func (f *flags) printFlag(w io.Writer, one *flag.Flag) {
	kind, text := flag.UnquoteUsage(one)
	kind = cmp.Or(kinds[kind], kind)
	fmt.Fprintf(w, "  %s\n", strings.TrimSpace(dashed(one.Name)+" "+strings.ToUpper(kind)))
	switch minutes, whole := strings.CutSuffix(one.DefValue, "m0s"); {
	case one.DefValue == "", one.DefValue == "0", one.DefValue == "0s", one.DefValue == "false":
	case whole:
		text += " (default " + minutes + "m)"
	default:
		text += " (default " + one.DefValue + ")"
	}
	if f.variables {
		text += " [" + variable(one.Name) + "]"
	}
	for line := range wrapped(text, helpWidth-len(helpIndent)) {
		fmt.Fprintf(w, "%s%s\n", helpIndent, line)
	}
}

// wrapped yields the lines of a text.
func wrapped(text string, width int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		line := ""
		for _, word := range strings.Fields(text) {
			if line != "" && len(line)+1+len(word) > width {
				if !yield(line) {
					return
				}
				line = ""
			}
			line = strings.TrimSpace(line + " " + word)
		}
		yield(line)
	}
}
