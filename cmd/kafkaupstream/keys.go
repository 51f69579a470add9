package main

import (
	"context"
	"fmt"
	"io"
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
		_, err := fmt.Fprint(env.stdout, "\nkafkaupstream keys NAME shows one with an example, and the keys below it.\n")
		return err
	case 1:
	default:
		return fs.misused(env, "unexpected argument %q", fs.Arg(1))
	}
	outer, inner, below := strings.Cut(fs.Arg(0), ".")
	k, err := keyNamed(keys, "", outer)
	before := ""
	if err == nil && below {
		before = outer + "."
		k, err = keyNamed(k.Below, before, inner)
	}
	if err != nil {
		return fs.misused(env, "%v", err)
	}
	printKey(env.stdout, k, before)
	for _, b := range k.Below {
		printKey(env.stdout, b, k.Name+".")
	}
	_, err = fmt.Fprintf(env.stdout, "\nExample:\n  %s\n", k.Example)
	return err
}

// keyNamed finds a key, or says that there is none, and which was probably meant. outer is what stands before its name.
func keyNamed(keys []routeconf.Key, outer, name string) (routeconf.Key, error) {
	var names []string
	for _, k := range keys {
		if k.Name == name {
			return k, nil
		}
		names = append(names, outer+k.Name)
	}
	return routeconf.Key{}, fmt.Errorf("there is no key %q%s", outer+name, nearest.Hint(outer+name, names, min(len(name)/2+1, 3)))
}

// printKey prints a key, and below it what it means. outer is what stands before its name.
func printKey(w io.Writer, k routeconf.Key, outer string) {
	text := k.Does
	if k.Default != "" {
		text += " (default " + k.Default + ")"
	}
	fmt.Fprintln(w)
	printTerm(w, outer+k.Name+"  "+plain(k.Value), plain(text))
}

// plain is a text without the marks of Markdown for what is typed.
func plain(text string) string { return strings.ReplaceAll(text, "`", "") }
