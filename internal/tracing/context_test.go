package tracing

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// headers are a request's; a name may come more than once.
type headers [][2]string

func (h headers) Values(name string) (values []string) {
	for _, e := range h {
		if e[0] == name {
			values = append(values, e[1])
		}
	}
	return values
}

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestContextOfARequest(t *testing.T) {
	ids := strings.TrimSuffix(strings.TrimPrefix(parent, "00-"), "-01")
	for _, c := range []struct {
		says string
		in   headers
		want Context
	}{
		{"nothing", nil, Context{}},
		{"a parent", headers{{"traceparent", parent}}, Context{Traceparent: parent}},
		{"one that is not sampled", headers{{"traceparent", "00-" + ids + "-00"}}, Context{Traceparent: "00-" + ids + "-00"}},
		{"one of a later version becomes one of this", headers{{"traceparent", "01-" + ids + "-01-more"}}, Context{Traceparent: parent}},
		{"version ff is none", headers{{"traceparent", "ff-" + ids + "-01"}}, Context{}},
		{"too short", headers{{"traceparent", parent[:54]}}, Context{}},
		{"too long", headers{{"traceparent", parent + "-00"}}, Context{}},
		{"letters in upper case", headers{{"traceparent", strings.ToUpper(parent)}}, Context{}},
		{"a trace of zeros", headers{{"traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"}}, Context{}},
		{"a span of zeros", headers{{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"}}, Context{}},
		{"a state", headers{{"traceparent", parent}, {"tracestate", "a=1,b=2"}}, Context{Traceparent: parent, Tracestate: "a=1,b=2"}},
		{"a state in two headers", headers{{"traceparent", parent}, {"tracestate", "a=1"}, {"tracestate", "b=2"}}, Context{Traceparent: parent, Tracestate: "a=1,b=2"}},
		{"an empty state before others", headers{{"traceparent", parent}, {"tracestate", ""}, {"tracestate", "a=1"}, {"tracestate", ""}, {"tracestate", "b=2"}}, Context{Traceparent: parent, Tracestate: "a=1,b=2"}},
		{"nothing but an empty state", headers{{"traceparent", parent}, {"tracestate", ""}}, Context{Traceparent: parent}},
		{"two parents", headers{{"traceparent", parent}, {"traceparent", "00-" + strings.Repeat("1", 32) + "-00f067aa0ba902b7-01"}, {"tracestate", "a=1"}, {"baggage", "a=1"}}, Context{Baggage: "a=1"}},
		{"two parents of one trace", headers{{"traceparent", parent}, {"traceparent", "00-" + ids + "-00"}}, Context{}},
		{"the same parent twice", headers{{"traceparent", parent}, {"traceparent", parent}, {"tracestate", "a=1"}}, Context{Traceparent: parent, Tracestate: "a=1"}},
		{"an empty parent before one", headers{{"traceparent", ""}, {"traceparent", parent}}, Context{}},
		{"a state without a parent", headers{{"tracestate", "a=1"}}, Context{}},
		{"a malformed state", headers{{"traceparent", parent}, {"tracestate", "a"}}, Context{Traceparent: parent}},
		{"a long state", headers{{"traceparent", parent}, {"tracestate", "a=" + strings.Repeat("x", 200) + ",b=" + strings.Repeat("x", 200) + ",c=" + strings.Repeat("x", 200)}}, Context{Traceparent: parent}},
		{"baggage", headers{{"baggage", "a=1;p, b=%20"}}, Context{Baggage: "a=1;p, b=%20"}},
		{"baggage in two headers", headers{{"baggage", "a=1"}, {"x", "y"}, {"baggage", "b=2"}}, Context{Baggage: "a=1,b=2"}},
		{"empty baggage before other", headers{{"baggage", ""}, {"baggage", "a=1"}, {"baggage", ""}, {"baggage", "b=2"}}, Context{Baggage: "a=1,b=2"}},
		{"malformed baggage", headers{{"baggage", "a=1,no value"}}, Context{}},
		{"baggage with a line's end", headers{{"baggage", "a=1\n"}}, Context{}},
		{"too much baggage", headers{{"baggage", "a=" + strings.Repeat("x", 9000)}}, Context{}},
		{"too many members", headers{{"baggage", strings.Repeat("a=1,b=2,", 33) + "c=3" + many(70)}}, Context{}},
	} {
		got := Extract(c.in)
		got.span = c.want.span
		if got.Traceparent != c.want.Traceparent || got.Tracestate != c.want.Tracestate || got.Baggage != c.want.Baggage {
			t.Errorf("%s: got %+v, want %+v", c.says, got, c.want)
		}
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(",k" + strconv.Itoa(i) + "=v")
	}
	return b.String()
}

func FuzzExtract(f *testing.F) {
	f.Add(parent, "", "a=1,b=2", "c=3;d", "e=4")
	f.Add(parent, parent, "", "", "")
	f.Add("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-x", "", "", "", "")
	f.Add("", "", "\x00", "a=%zz", ",")
	traceparent := regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$`)
	printable := regexp.MustCompile(`^[\t\x20-\x7e]*$`)
	f.Fuzz(func(t *testing.T, parent, second, state, baggage, more string) {
		from := headers{{"traceparent", parent}, {"tracestate", ""}, {"tracestate", state}, {"baggage", baggage}, {"baggage", more}}
		if second != "" {
			from = append(from, [2]string{"traceparent", second})
		}
		c := Extract(from)
		switch {
		case c.Traceparent != "" && second != "" && second != parent:
			t.Errorf("the parent is %q, of %q and %q", c.Traceparent, parent, second)
		case c.Traceparent != "" && !traceparent.MatchString(c.Traceparent):
			t.Errorf("traceparent %q", c.Traceparent)
		case c.Tracestate != "" && c.Traceparent == "":
			t.Error("a state without a parent")
		case len(c.Tracestate) > maxTracestate || !printable.MatchString(c.Tracestate):
			t.Errorf("tracestate %q", c.Tracestate)
		case len(c.Baggage) > 8192 || !printable.MatchString(c.Baggage):
			t.Errorf("baggage %q", c.Baggage)
		}
	})
}
