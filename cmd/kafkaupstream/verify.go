package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/kafkaconf"
	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
	"github.com/kafkaupstream/kafkaupstream/internal/verify"
)

// verifyOptions are verify's flags.
type verifyOptions struct {
	verify.Options
	brokers, config, secretsDir, secretsEnv string
	asJSON                                  bool
}

// addHeader takes a header of the flag --header.
func (o *verifyOptions) addHeader(line string) error {
	name, value, found := strings.Cut(line, ":")
	if !found {
		return errors.New("expected 'Name: value'")
	}
	o.Headers = append(o.Headers, verify.Header{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	return nil
}

func readVerifyOptions(env environment) (o verifyOptions, err error) {
	fs := newFlags(env.command)
	fs.StringVar(&o.URL, "url", "", "`URL` where the gateway takes records; "+verify.KeyMark+" in it is the record's key")
	fs.StringVar(&o.brokers, "brokers", "", "the Kafka cluster, a `list` host:port,…")
	fs.StringVar(&o.Topic, "topic", "", "the `topic` in which the records are to arrive")
	fs.StringVar(&o.config, "config", "", "a `file` of librdkafka's properties for reading the topic, name=value in each line")
	fs.IntVar(&o.Records, "records", 10_000, "how many records to send")
	fs.DurationVar(&o.Duration, "duration", 0, "how long to send records; without --records as many as it has time for")
	fs.Float64Var(&o.Rate, "rate", 0, "records per second, a `number`; 0 is as quickly as they are answered")
	fs.IntVar(&o.Connections, "connections", 16, "how many requests are under way at a time")
	fs.IntVar(&o.Keys, "keys", 64, "how many keys the records have")
	sizeVar(fs, &o.Size, "size", 300, "the `size` of a record's value")
	fs.StringVar(&o.Body, "body", verify.ValueMark, "the request's body, a `text` around a record: "+verify.ValueMark+" is its JSON, "+verify.KeyMark+" its key")
	fs.Func("header", "a `header` of each request, 'Name: value'; again for each; it may have "+verify.KeyMark+" and "+verify.ValueMark, o.addHeader)
	fs.DurationVar(&o.Timeout, "timeout", 60*time.Second, "how long a reply may take")
	fs.DurationVar(&o.Wait, "wait", 30*time.Second, "how long after the last reply a record may take to be in the topic")
	fs.StringVar(&o.secretsDir, "secrets-dir", defaultSecretsDir, "`directory` where $file:// references of --config are looked up")
	fs.StringVar(&o.secretsEnv, "secrets-env", secrets.DefaultNames, "the variables, a `list`, that $env:// references of --config may name")
	fs.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	if err := fs.parse(env, false); err != nil {
		return o, err
	}
	if o.Duration > 0 && !fs.given("records") {
		o.Records = verify.MaxRecords
	}
	names, err := secrets.ParseNames(o.secretsEnv)
	if err != nil {
		return o, fs.misused(env, "--secrets-env: %v", err)
	}
	if o.Properties, err = o.properties(secrets.New(o.secretsDir, env.getenv, names)); err != nil {
		return o, fmt.Errorf("--config: %w", err)
	}
	if wrong := o.Check(); wrong != "" {
		return o, fs.misused(env, "%s", wrong)
	}
	return o, nil
}

// properties are those of --config, with the secrets that they refer to, and --brokers.
func (o *verifyOptions) properties(resolver *secrets.Resolver) (map[string]string, error) {
	props := map[string]string{}
	if o.config != "" {
		f, err := os.Open(o.config)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if props, err = readProperties(f, resolver.Resolve); err != nil {
			return nil, err
		}
	}
	if o.brokers != "" {
		props["bootstrap.servers"] = o.brokers
	}
	return props, nil
}

// readProperties reads name=value lines under librdkafka's names. Lines that are empty or
// begin with # do not count. No error has a value, which may be a secret.
func readProperties(r io.Reader, resolve func(string) (string, error)) (map[string]string, error) {
	props := map[string]string{}
	lines := bufio.NewScanner(r)
	n := 1
	for ; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !found {
			return nil, fmt.Errorf("line %d is not name=value", n)
		}
		value, err := kafkaconf.Value(name, strings.TrimSpace(value))
		if err == nil {
			value, err = resolve(value)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", n, name, err)
		}
		props[kafkaconf.Canonical(name)] = value
	}
	if lines.Err() != nil {
		return nil, fmt.Errorf("line %d is too long", n)
	}
	return props, nil
}

// verifyGCPercent makes the process small rather than quick: a run's entries are millions,
// and nearly all that is allocated beside them is garbage at once.
const verifyGCPercent = 25

// verifyDelivery sends records through a gateway and says which promises were broken.
func verifyDelivery(ctx context.Context, env environment) error {
	o, err := readVerifyOptions(env)
	if err != nil {
		return err
	}
	debug.SetGCPercent(verifyGCPercent)
	line := newStatusLine(env.stderr)
	if line != nil {
		o.Progress = line.show
	}
	judging, cancel := untilAgain()
	defer cancel()
	report, err := verify.Run(ctx, judging, o.Options)
	line.clear()
	if report != nil {
		if err := printVerified(env.stdout, report, o.asJSON); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if !report.OK {
		return errFound
	}
	return nil
}

func printVerified(w io.Writer, report *verify.Report, asJSON bool) error {
	if !asJSON {
		return report.Print(w)
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

// untilAgain returns a context that ends with the second signal to end: the first one ends
// the command's.
func untilAgain() (again context.Context, cancel context.CancelFunc) {
	again, cancel = context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endSignals...)
	go func() {
		defer signal.Stop(signals)
		for range 2 {
			select {
			case <-signals:
			case <-again.Done():
				return
			}
		}
		cancel()
	}()
	return again, cancel
}

// statusLine is a line on a terminal that is written anew each time.
type statusLine struct{ w io.Writer }

// newStatusLine returns nil where w is no terminal.
func newStatusLine(w io.Writer) *statusLine {
	f, isFile := w.(*os.File)
	if !isFile {
		return nil
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return &statusLine{w}
}

// clearLine is a terminal's code: go to the line's beginning, clear to its end.
const clearLine = "\r\x1b[K"

func (l *statusLine) show(p verify.Progress) {
	bar, of := "", ""
	if p.Records > 0 {
		const width = 20
		done := min(width*p.Sent/p.Records, width)
		bar = "[" + strings.Repeat("#", done) + strings.Repeat(".", width-done) + "] "
		of = fmt.Sprintf(" of %d", p.Records)
	}
	text := bar + fmt.Sprintf("%d%s records sent, %d without a 2xx, %s", p.Sent, of, p.Errors, p.Took.Round(time.Second))
	if p.Reading {
		text = fmt.Sprintf("%d records sent, reading the topic: %d are not found yet", p.Sent, p.Missing)
	}
	fmt.Fprint(l.w, clearLine, text)
}

func (l *statusLine) clear() {
	if l != nil {
		fmt.Fprint(l.w, clearLine)
	}
}
