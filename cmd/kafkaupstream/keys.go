package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/nearest"
	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

// printKeys prints the keys of a route's configuration, or one of them with its example.
func printKeys(_ context.Context, env environment) error {
	fs := newFlags(env.command)
	if err := fs.parseArgs(env, env.args); err != nil {
		return err
	}
	keys := routeconf.Keys()
	switch fs.NArg() {
	case 0:
		for _, k := range keys {
			printKey(env.stdout, k, "")
		}
		_, err := fmt.Fprint(env.stdout, "\nkafkaupstream keys NAME shows the keys below one, and an example.\n")
		return err
	case 1:
	default:
		return fs.misused(env, "unexpected argument %q", fs.Arg(1))
	}
	name := fs.Arg(0)
	i := slices.IndexFunc(keys, func(k routeconf.Key) bool { return k.Name == name })
	if i < 0 {
		var names []string
		for _, k := range keys {
			names = append(names, k.Name)
		}
		return fs.misused(env, "there is no key %q%s", name, nearest.Hint(name, names, nearest.Near(name)))
	}
	k := keys[i]
	printKey(env.stdout, k, "")
	for _, below := range k.Below {
		printKey(env.stdout, below, k.Name+".")
	}
	_, err := fmt.Fprintf(env.stdout, "\nExample:\n  %s\n", k.Example)
	return err
}

// printKey prints a key, and below it what it means. outer is what stands before its name.
func printKey(w io.Writer, k routeconf.Key, outer string) {
	fmt.Fprintf(w, "\n  %s%s  %s\n", outer, k.Name, plain(k.Value))
	text := k.Does
	if k.Default != "" {
		text += " (default " + k.Default + ")"
	}
	for line := range wrapped(plain(text), helpWidth-len(helpIndent)) {
		fmt.Fprintf(w, "%s%s\n", helpIndent, line)
	}
}

// plain is a text without the marks of Markdown for what is typed.
func plain(text string) string { return strings.ReplaceAll(text, "`", "") }
