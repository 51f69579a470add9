package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"
)

// envPrefix begins the name of the environment variable of each flag of run.
const envPrefix = "KAFKAUPSTREAM_"

// parseFlags reads flags: an argument wins over its environment variable, which
// wins over the default. withEnv is false for commands that have no variables.
func parseFlags(fs *flag.FlagSet, env environment, withEnv bool) error {
	fs.SetOutput(env.stderr)
	if withEnv {
		var err error
		fs.VisitAll(func(f *flag.Flag) {
			name := envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
			f.Usage += " [" + name + "]"
			if v := env.getenv(name); v != "" && err == nil {
				if e := fs.Set(f.Name, v); e != nil {
					err = fmt.Errorf("%s: %w", name, e)
				}
			}
		})
		if err != nil {
			fmt.Fprintln(env.stderr, "kafkaupstream:", err)
			return errUsage
		}
	}
	if err := fs.Parse(env.args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(env.stderr, "kafkaupstream %s: unexpected argument %q\n", fs.Name(), fs.Arg(0))
		return errUsage
	}
	return nil
}

// given reports whether an argument or a variable has set the flag.
func given(fs *flag.FlagSet, name string) (is bool) {
	fs.Visit(func(f *flag.Flag) { is = is || f.Name == name })
	return is
}
