package main

import (
	"context"
	"embed"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// shells are the scripts that a shell reads. Each asks `kafkaupstream completion words` for what can be typed, so they know
// no command and no flag.
//
//go:embed completion
var shells embed.FS

// completion prints a shell's script, or, for that script, the words that complete a line.
func completion(ctx context.Context, env environment) error {
	if len(env.args) > 0 && env.args[0] == "words" {
		return printWords(ctx, env, env.args[1:])
	}
	fs := newFlags(env.command)
	if err := fs.parseArgs(env, env.args); err != nil {
		return err
	}
	if fs.NArg() == 1 {
		if script, err := shells.ReadFile("completion/" + fs.Arg(0)); err == nil {
			_, err = env.stdout.Write(script)
			return err
		}
	}
	return fs.misused(env, "which shell? bash, zsh or fish")
}

// printWords prints what can stand in the place of the last word of a line, each with a tab and what it does. Nothing: it is a
// file, or whatever the shell thinks.
func printWords(ctx context.Context, env environment, line []string) error {
	if len(line) == 0 {
		return nil
	}
	before, last := line[:len(line)-1], line[len(line)-1]
	table, prefix := env.table, ""
	if len(before) > 0 && before[0] == "help" {
		before = before[1:]
	}
	if len(before) > 0 && before[0] == "spool" {
		before, table, prefix = before[1:], spoolCommands(), "spool "
	}
	if len(before) == 0 && !strings.HasPrefix(last, "-") {
		return printCandidates(env.stdout, last, table, prefix)
	}
	name := "run"
	if len(before) > 0 && !strings.HasPrefix(before[0], "-") {
		name, before = before[0], before[1:]
	}
	if name == "completion" && len(before) == 0 {
		return printMatching(env.stdout, last, "bash", "zsh", "fish")
	}
	c, ok := named(table, prefix+name)
	if !ok {
		return nil
	}
	return printFlags(ctx, env, c, before, last)
}

func printCandidates(w io.Writer, last string, table []command, prefix string) error {
	var words []string
	for _, c := range table {
		if !c.hidden {
			words = append(words, strings.TrimPrefix(c.name, prefix)+"\t"+c.does)
		}
	}
	return printMatching(w, last, words...)
}

// printFlags prints the flags of a command, or the values of the flag before.
func printFlags(ctx context.Context, env environment, c command, before []string, last string) error {
	f := described(ctx, env, c)
	if f == nil {
		return nil
	}
	if len(before) > 0 && strings.HasPrefix(before[len(before)-1], "-") {
		if one := f.Lookup(strings.TrimLeft(before[len(before)-1], "-")); one != nil && !isSwitch(one.Value) {
			return printMatching(env.stdout, last, f.choices[one.Name]...)
		}
	}
	if !strings.HasPrefix(last, "-") {
		return nil
	}
	words := []string{"--help", "--version"}
	for _, listed := range f.bySection() {
		for _, one := range listed {
			_, text := flag.UnquoteUsage(one)
			words = append(words, dashed(one.Name)+"\t"+text)
		}
	}
	slices.Sort(words)
	return printMatching(env.stdout, last, words...)
}

// isSwitch reports whether a flag of this value stands without one.
func isSwitch(value flag.Value) bool {
	b, ok := value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

func printMatching(w io.Writer, last string, words ...string) error {
	for _, word := range words {
		if strings.HasPrefix(word, last) {
			if _, err := fmt.Fprintln(w, word); err != nil {
				return err
			}
		}
	}
	return nil
}
