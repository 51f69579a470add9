package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

// Status is what a finding or a step amounts to.
type Status string

// The statuses. Only problems make a check fail.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Problem Status = "problem"
	Skipped Status = "skipped" // not looked at, for a reason that is no fault
	Note    Status = "note"    // of what a check cannot see, and an operator should
)

// Finding is one thing about a configuration that is wrong or doubtful.
type Finding struct {
	Status Status `json:"status"` // Problem, Warning, Note or Skipped
	// Resource is what the key is in, its kind and id, such as "route orders"; "" where the
	// document is a configuration alone.
	Resource string `json:"resource,omitempty"`
	// Path is of the key in the document; below a plugin's value it goes on in the
	// JSON text that is there.
	Path    string `json:"path"`
	Message string `json:"message"` // what is wrong and what is right; never a secret
}

func (f Finding) String() string {
	text := fmt.Sprintf("%-8s ", f.Status)
	for _, where := range []string{f.Resource, f.Path} {
		if where != "" {
			text += where + ": "
		}
	}
	return text + f.Message
}

// linter collects findings.
type linter struct {
	findings []Finding
	within   string // the resource that is being looked at
	limits   routeconf.Limits
	// standalone reports that the document is one in which APISIX replaces ${{NAME}}.
	standalone bool
}

// failed reports whether there is a problem.
func (l *linter) failed() bool {
	return slices.ContainsFunc(l.findings, func(f Finding) bool { return f.Status == Problem })
}

func (l *linter) add(status Status, path, message string) {
	l.findings = append(l.findings, Finding{status, l.within, path, message})
}

func (l *linter) problem(path, format string, args ...any) {
	l.add(Problem, path, fmt.Sprintf(format, args...))
}

func (l *linter) warn(path, format string, args ...any) {
	l.add(Warning, path, fmt.Sprintf(format, args...))
}

func join(path, name string) string {
	switch {
	case path == "":
		return name
	case name == "":
		return path
	}
	return path + "." + name
}

// Step is one thing on the way to Kafka, tried.
type Step struct {
	// Name is one of names, connect, tls, kafka, librdkafka, login, metadata, brokers,
	// topic, record, large, transaction, roundtrip; or secrets and registry, before all of them.
	Name string `json:"name"`
	// Target is what was tried: a host, an address, a topic.
	Target   string        `json:"target,omitempty"`
	Status   Status        `json:"status"`
	Message  string        `json:"message"`
	Duration time.Duration `json:"-"`
	// Resource is what the configuration is in, as in a finding, and Config its path, where a
	// document has several.
	Resource string `json:"resource,omitempty"`
	Config   string `json:"config,omitempty"`
}

// MarshalJSON has the duration in milliseconds.
func (s Step) MarshalJSON() ([]byte, error) {
	type plain Step
	return json.Marshal(struct {
		plain
		Milliseconds float64 `json:"duration_ms"`
	}{plain(s), float64(s.Duration.Microseconds()) / 1000})
}

func (s Step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s %-11s ", s.Status, s.Name)
	if s.Target != "" {
		b.WriteString(s.Target + ": ")
	}
	b.WriteString(s.Message)
	if s.Status != Skipped {
		fmt.Fprintf(&b, " (%s)", millis(s.Duration))
	}
	return b.String()
}

// millis is a duration as people compare them.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// Report is all that a check has found.
type Report struct {
	// Status is the worst of all, and never Skipped or Note.
	Status   Status    `json:"status"`
	Findings []Finding `json:"findings"`
	Steps    []Step    `json:"steps"`
	// Interrupted reports that the check was ended before its time.
	Interrupted bool `json:"interrupted,omitempty"`
}

// worsen notes a status in the report's.
func (r *Report) worsen(s Status) {
	if s == Problem || s == Warning && r.Status == OK {
		r.Status = s
	}
}

// Summary is the report in one line.
func (r *Report) Summary() string {
	counts := map[Status]int{}
	for _, f := range r.Findings {
		counts[f.Status]++
	}
	skipped := counts[Skipped] // a step is skipped because of another, which counts
	for _, s := range r.Steps {
		counts[s.Status]++
	}
	text := "no problem found"
	if counts[Problem]+counts[Warning] > 0 {
		text = fmt.Sprintf("%s, %s", plural(counts[Problem], "problem"), plural(counts[Warning], "warning"))
	}
	if skipped > 0 {
		text += fmt.Sprintf(", %d skipped", skipped)
	}
	return text
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
