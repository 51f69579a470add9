package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/bytesize"
	"github.com/kafkaupstream/kafkaupstream/internal/nearest"
)

// envPrefix begins the name of the environment variable of each flag of run.
const envPrefix = "KAFKAUPSTREAM_"

// flags are the flags of a command, and what its help shows. The standard library parses them. A library on top (ff, cobra,
// kong) would leave what is here: variables that are of no flag, errors that name what was meant, values of flags for
// completion, sections of help; its size was not measured.
type flags struct {
	*flag.FlagSet
	command  command
	sections []section
	version  bool
	choices  map[string][]string // of the values of flags that have no others
	// variables reports that each flag is an environment variable, too.
	variables bool
}

// section has the flags that help lists under a title.
type section struct {
	title string
	after map[string]bool // the flags before it
}

// newFlags makes the flags of a command, which has --version and --help from here.
func newFlags(c command) *flags {
	f := &flags{FlagSet: flag.NewFlagSet(c.name, flag.ContinueOnError), command: c, choices: map[string][]string{}}
	f.SetOutput(io.Discard) // the package prints each error with all flags
	f.Usage = func() {}
	f.BoolVar(&f.version, "version", false, "")
	f.section("Flags")
	return f
}

// section has help list the flags that follow under a title.
func (f *flags) section(title string) {
	before := map[string]bool{}
	f.VisitAll(func(one *flag.Flag) { before[one.Name] = true })
	f.sections = append(f.sections, section{title, before})
}

// choice is a flag whose value is one of those given, which a shell completes. The caller checks it.
func (f *flags) choice(name, value, usage string, choices ...string) *string {
	f.choices[name] = choices
	return f.String(name, value, usage)
}

// sizeFlag is a number of bytes, with a unit or without.
type sizeFlag[T int | int64] struct{ bytes *T }

// String is also asked of the zero value.
func (s sizeFlag[T]) String() string {
	if s.bytes == nil {
		return ""
	}
	return bytesize.Format(int64(*s.bytes))
}

func (s sizeFlag[T]) Set(text string) error {
	n, err := bytesize.Parse(text)
	if err == nil && int64(T(n)) != n {
		err = errors.New("it is too large")
	}
	if err == nil {
		*s.bytes = T(n)
	}
	return err
}

// sizeVar is a flag for a size.
func sizeVar[T int | int64](f *flags, bytes *T, name string, value T, usage string) {
	*bytes = value
	f.Var(sizeFlag[T]{bytes}, name, usage)
}

// parse reads flags: an argument wins over its environment variable, which wins over the
// default. withEnv is false for commands that have no variables. What is wrong is printed
// where the error is errUsage, and what was asked for where it is [flag.ErrHelp].
func (f *flags) parse(env environment, withEnv bool) error {
	if f.variables = withEnv; withEnv {
		f.warnOfVariables(env)
	}
	if err := f.parseArgs(env, env.args); err != nil {
		return err
	}
	if withEnv {
		if err := f.readVariables(env); err != nil {
			fmt.Fprintln(env.stderr, "kafkaupstream:", err)
			return errUsage
		}
	}
	switch {
	case f.NArg() > 0 && f.Lookup("f") != nil && !f.given("f"):
		return f.misused(env, "unexpected argument %q; -f names the file: %s -f %s", f.Arg(0), f.Name(), f.Arg(0))
	case f.NArg() > 0:
		return f.misused(env, "unexpected argument %q", f.Arg(0))
	}
	return nil
}

// readVariables sets flags that no argument has set to their variables' values.
func (f *flags) readVariables(env environment) (err error) {
	f.VisitAll(func(one *flag.Flag) {
		if one.Name == "version" || f.given(one.Name) {
			return
		}
		name := variable(one.Name)
		if v := env.getenv(name); v != "" && err == nil {
			if e := f.Set(one.Name, v); e != nil {
				err = fmt.Errorf("%s: %s", name, plainly(one, v, e.Error()))
			}
		}
	})
	return err
}

// ofKubernetes are the variables that Kubernetes makes in each container of a Service called kafkaupstream, and of one whose name goes on.
var ofKubernetes = regexp.MustCompile(`^` + envPrefix + `(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// warnOfVariables prints which variables look like a flag's, and are of none.
func (f *flags) warnOfVariables(env environment) {
	if env.command.name == "worker" { // its supervisor has
		return
	}
	known := []string{envSocket, envFamily}
	f.VisitAll(func(one *flag.Flag) { known = append(known, variable(one.Name)) })
	for _, text := range env.environ {
		name, value, _ := strings.Cut(text, "=")
		if value == "" || !strings.HasPrefix(name, envPrefix) || slices.Contains(known, name) || ofKubernetes.MatchString(name) {
			continue
		}
		fmt.Fprintf(env.stderr, "kafkaupstream %s: warning: the variable %.80s is of no flag%s\n", f.Name(), name, nearest.Hint(name, known, 3))
	}
}

// variable is the environment variable of a flag.
func variable(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// parseArgs reads the flags at the beginning of args.
func (f *flags) parseArgs(env environment, args []string) error {
	err := f.parseOnce(args)
	switch {
	case err == nil && f.version:
		if err := printVersion(env); err != nil {
			return err
		}
		return flag.ErrHelp
	case errors.Is(err, flag.ErrHelp) && env.help != nil:
		env.help(f)
	case errors.Is(err, flag.ErrHelp):
		if err := f.printHelp(env.stdout); err != nil {
			return err
		}
	case err != nil:
		return f.misused(env, "%s\nkafkaupstream %s --help shows its flags", f.explain(err), f.Name())
	}
	return err
}

var errTwice = errors.New("it is given twice")

// once refuses a second value of a flag.
type once struct {
	flag.Value
	given bool
}

// Set sets the flag's value.
func (o *once) Set(text string) error {
	if o.given {
		return errTwice
	}
	o.given = true
	return o.Value.Set(text)
}

// parseOnce reads flags. Of other flags than -f the last value counts, which start scripts and
// containers build on; of two files somebody expects both.
func (f *flags) parseOnce(args []string) error {
	if file := f.Lookup("f"); file != nil {
		value := file.Value
		file.Value = &once{Value: value}
		defer func() { file.Value = value }()
	}
	return f.Parse(args)
}

// misused prints what is wrong with the arguments.
func (f *flags) misused(env environment, format string, args ...any) error {
	fmt.Fprintf(env.stderr, "kafkaupstream %s: %s\n", f.Name(), fmt.Sprintf(format, args...))
	return errUsage
}

// given reports whether an argument or a variable has set the flag.
func (f *flags) given(name string) (is bool) {
	f.Visit(func(one *flag.Flag) { is = is || one.Name == name })
	return is
}

const notDefined = "flag provided but not defined: -"

// singleDash finds a flag's name of more than a letter where the package's errors have it.
var singleDash = regexp.MustCompile(`^(flag needs an argument: |invalid (?:boolean )?value .* for (?:flag )?)-(\w[\w-]+)`)

// wrongValue finds value and flag where the package's errors have them, and what it says of the value.
var wrongValue = regexp.MustCompile(`^(invalid (?:boolean )?value ("(?:[^"\\]|\\.)*") for (?:flag )?-([\w-]+): )(.*)$`)

// plainly is what the package's error about a flag's value means.
func plainly(one *flag.Flag, value, err string) string {
	switch err {
	case "value out of range":
		return "it is too large"
	default:
		return err // of a flag's own
	case "parse error":
	}
	switch one.Value.(flag.Getter).Get().(type) { // those that parse themselves have one
	case bool:
		return "it is true or false"
	case time.Duration:
		if _, err := strconv.ParseFloat(value, 64); err == nil {
			return "it needs a unit: " + value + "s"
		}
		return "it is no duration, such as 800ms, 10s or 1m"
	}
	return "it is no number"
}

// explain names flags as they are typed, and says what is wrong with a value.
func (f *flags) explain(err error) string {
	given, unknown := strings.CutPrefix(err.Error(), notDefined)
	if !unknown {
		text := err.Error()
		if found := wrongValue.FindStringSubmatch(text); found != nil {
			if found[4] == errTwice.Error() {
				return dashed(found[3]) + " is given twice"
			}
			value, _ := strconv.Unquote(found[2])
			text = found[1] + plainly(f.Lookup(found[3]), value, found[4])
		}
		return singleDash.ReplaceAllString(text, "$1--$2")
	}
	var names []string
	f.VisitAll(func(one *flag.Flag) { names = append(names, one.Name) })
	text := "there is no flag " + dashed(given)
	if meant := nearest.Name(given, names, 3); meant != "" {
		text += "; did you mean " + dashed(meant) + "?"
	}
	return text
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

const (
	helpWidth  = 100 // of a line, where no word is longer
	helpIndent = "        "
)

// usage is how the command is called.
func (f *flags) usage() string {
	return "kafkaupstream " + strings.Join(strings.Fields(f.command.name+" "+f.command.args+" [FLAGS]"), " ")
}

// printHelp prints what the command does, its examples, and its flags by section.
func (f *flags) printHelp(stdout io.Writer) error {
	c, w := f.command, &bytes.Buffer{}
	fmt.Fprintf(w, "kafkaupstream %s: %s\n\nUsage: %s\n", c.name, c.does, f.usage())
	if len(c.examples) > 0 {
		fmt.Fprintf(w, "\nExamples:\n")
	}
	for _, example := range c.examples {
		fmt.Fprintf(w, "  kafkaupstream %s\n", example)
	}
	for title, listed := range f.bySection() {
		fmt.Fprintf(w, "\n%s:\n", title)
		for _, one := range listed {
			f.printFlag(w, one)
		}
	}
	fmt.Fprint(w, "\n  -h, --help; --version\n"+helpIndent+aboutHelp+"\n")
	_, err := stdout.Write(w.Bytes())
	return err
}

const aboutHelp = "show this, or the version, and end"

// bySection yields the sections that have flags, with these.
func (f *flags) bySection() iter.Seq2[string, []*flag.Flag] {
	return func(yield func(string, []*flag.Flag) bool) {
		for i, s := range f.sections {
			var listed []*flag.Flag
			f.VisitAll(func(one *flag.Flag) {
				if !s.after[one.Name] && (i == len(f.sections)-1 || f.sections[i+1].after[one.Name]) {
					listed = append(listed, one)
				}
			})
			if len(listed) > 0 && !yield(s.title, listed) {
				return
			}
		}
	}
}

// kinds are what values are called that have no name of their own.
var kinds = map[string]string{"int": "number", "float": "number"}

// printFlag prints a flag, and below it what it means.
func (f *flags) printFlag(w io.Writer, one *flag.Flag) {
	typed, text := f.explained(one)
	printTerm(w, typed, text)
}

// printTerm prints what is typed, and below it what it means.
func printTerm(w io.Writer, typed, text string) {
	fmt.Fprintf(w, "  %s\n", typed)
	for line := range wrapped(text, helpWidth-len(helpIndent)) {
		fmt.Fprintf(w, "%s%s\n", helpIndent, line)
	}
}

// explained is a flag as it is typed, and what it means, with its default and its variable.
func (f *flags) explained(one *flag.Flag) (typed, text string) {
	kind, text := flag.UnquoteUsage(one)
	kind = cmp.Or(kinds[kind], kind)
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
	return strings.TrimSpace(dashed(one.Name) + " " + strings.ToUpper(kind)), text
}

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
