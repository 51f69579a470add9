package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/apisixroute"
	"github.com/kafkaupstream/kafkaupstream/internal/bytesize"
	"github.com/kafkaupstream/kafkaupstream/internal/check"
	"github.com/kafkaupstream/kafkaupstream/internal/durable/control"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
	"github.com/kafkaupstream/kafkaupstream/plugins/kafkaupstream/apisix"
)

// checkTimeout is how long a step may take. A cluster that answers does so in much less.
const checkTimeout = 10 * time.Second

// checkRoute says what is wrong with a configuration and with its way to Kafka.
func checkRoute(ctx context.Context, env environment) error {
	fs := newFlags(env.command)
	file := fs.String("f", "", "`file` to check: the plugin's configuration, a route as the Admin API has it, apisix.yaml, or the file of serve; - is standard input")
	asJSON := fs.Bool("json", false, "print one JSON document")
	secretsDir := fs.String("secrets-dir", defaultSecretsDir, "`directory` where $file:// references are looked up")
	secretsEnv := fs.String("secrets-env", secrets.DefaultNames, "the variables that references may name, a `list`, those of APISIX too; $env:// as in run")
	o := check.Options{Limits: apisix.Limits}
	fs.BoolVar(&o.Offline, "offline", false, "look at the configuration only, connect to nothing")
	fs.StringVar(&o.Topic, "topic", "", "send records to this `topic`, for each route; without it none is sent anywhere")
	fs.BoolVar(&o.Large, "large", false, "send one record that is as large as the route allows (with --topic)")
	fs.BoolVar(&o.Transactions, "transactions", false, "send one record in a transaction (with --topic)")
	fs.DurationVar(&o.Timeout, "timeout", checkTimeout, "how long each step may take")
	if err := fs.parse(env, false); err != nil {
		return err
	}
	if wrong := wrongCheck(*file, o); wrong != "" {
		return fs.misused(env, "%s", wrong)
	}
	names, err := secrets.ParseNames(*secretsEnv)
	if err != nil {
		return fs.misused(env, "--secrets-env: %v", err)
	}
	if o.Text, err = readConf(*file, env); err != nil {
		return err
	}
	if dir := env.getenv("KAFKAUPSTREAM_SPOOL_DIR"); dir != "" {
		o.Spool, o.SpoolFull = true, fullSpool(ctx, dir)
	}
	resolver := secrets.New(*secretsDir, env.getenv, names)
	o.Resolve, o.AllowReference, o.Variable = resolver.Resolve, resolver.Check, resolver.Variable
	if !*asJSON {
		o.OnFinding = func(f check.Finding) { fmt.Fprintln(env.stdout, f) }
		o.OnConfig = func(c check.Config) { fmt.Fprintf(env.stdout, "\n%s\n", c) }
		o.OnStep = func(s check.Step) { fmt.Fprintln(env.stdout, s) }
	}
	report := check.Run(ctx, o)
	if err := printReport(env.stdout, *file, report, *asJSON); err != nil {
		return err
	}
	if report.Interrupted {
		return errors.New("interrupted")
	}
	if report.Status == check.Problem {
		return errFound
	}
	return nil
}

// fullSpool is why the runner that has a spool refuses records, or may before the spool is full; empty: neither, or none
// answers.
func fullSpool(ctx context.Context, dir string) string {
	c, err := control.Dial(ctx, dir)
	if err != nil {
		return ""
	}
	room, _ := c.Room(ctx) // a runner that is ending has none
	_ = c.Close()
	if grows := room.MaxBytes - room.Bytes; room.Full == "" && 0 < room.DiskFree && room.DiskFree < grows { // 0: an earlier version's
		return fmt.Sprintf("its disk has %d bytes left, and may be full before the spool is: it may take %d more (--spool-max-bytes is %s)",
			room.DiskFree, grows, bytesize.Format(room.MaxBytes))
	}
	return room.Full
}

func wrongCheck(file string, o check.Options) string {
	switch {
	case file == "":
		return "-f names the file to check, - is standard input"
	case o.Topic == "" && (o.Large || o.Transactions):
		return "--large and --transactions send records, and --topic names where"
	case o.Topic != "" && o.Offline:
		return "--offline connects to nothing, and --topic sends records"
	case o.Timeout <= 0:
		return "--timeout is more than 0"
	}
	return ""
}

// readConf reads the file that -f names.
func readConf(file string, env environment) ([]byte, error) {
	in := env.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, apisixroute.MaxBytes+1))
	if err == nil && len(bytes.TrimSpace(text)) == 0 {
		err = fmt.Errorf("%s: it is empty", file)
	}
	return text, err
}

func printReport(w io.Writer, file string, report check.Report, asJSON bool) error {
	if !asJSON {
		_, err := fmt.Fprintln(w, report.Summary())
		return err
	}
	text, err := json.MarshalIndent(struct {
		File string `json:"file"`
		check.Report
	}{file, report}, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}
