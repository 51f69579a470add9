package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// writeManual writes a page for the program and for each command into a directory, in man's own language.
func writeManual(ctx context.Context, env environment) error {
	fs := newFlags(env.command)
	if err := fs.parseArgs(env, env.args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return fs.misused(env, "which directory?")
	}
	pages := map[string][]byte{"kafkaupstream.1": overview(env.table)}
	for _, c := range slices.Concat(env.table, spoolCommands()) {
		if c.hidden {
			continue
		}
		if f := described(ctx, env, c); f != nil {
			pages["kafkaupstream-"+strings.ReplaceAll(c.name, " ", "-")+".1"] = f.page()
		}
	}
	for name, page := range pages {
		if err := os.WriteFile(filepath.Join(fs.Arg(0), name), page, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// overview is the page of the program.
func overview(table []command) []byte {
	b := begin("kafkaupstream", programDoes)
	fmt.Fprintf(b, ".SH SYNOPSIS\n.B kafkaupstream\n[COMMAND] [FLAGS]\n.SH COMMANDS\n")
	for _, c := range slices.Concat(table, spoolCommands()) {
		if !c.hidden {
			fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(c.name+" "+c.args)), roff(c.does))
		}
	}
	fmt.Fprintf(b, ".PP\nEach has a page of its own: kafkaupstream\\-run(1).\n")
	return b.Bytes()
}

func (f *flags) page() []byte {
	b := begin("kafkaupstream-"+strings.ReplaceAll(f.command.name, " ", "-"), f.command.does)
	fmt.Fprintf(b, ".SH SYNOPSIS\n%s\n", roff(f.usage()))
	for title, listed := range f.bySection() {
		fmt.Fprintf(b, ".SH %s\n", roff(strings.ToUpper(title)))
		for _, one := range listed {
			typed, text := f.explained(one)
			fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(typed), roff(text))
		}
	}
	fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff("-h, --help; --version"), aboutHelp)
	if len(f.command.examples) > 0 {
		fmt.Fprintf(b, ".SH EXAMPLES\n.nf\n")
		for _, example := range f.command.examples {
			fmt.Fprintf(b, "%s\n", roff("kafkaupstream "+example))
		}
		fmt.Fprintf(b, ".fi\n")
	}
	fmt.Fprintf(b, ".SH SEE ALSO\nkafkaupstream(1)\n")
	return b.Bytes()
}

// begin begins a page: its title and its name.
func begin(name, does string) *bytes.Buffer {
	b := &bytes.Buffer{}
	fmt.Fprintf(b, ".TH %s 1 \"\" \"kafkaupstream %s\"\n.SH NAME\n%s \\- %s\n", roff(strings.ToUpper(name)), roff(build().Version), roff(name), roff(does))
	return b
}

// roff is text that means itself in man's language.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
