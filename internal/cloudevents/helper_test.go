package cloudevents

import (
	"fmt"
	"strings"
	"testing"
)

// show writes an event on one line: attributes in order, content type, data.
func show(e Event) string {
	var b strings.Builder
	for _, a := range e.Attributes {
		fmt.Fprintf(&b, "%s=%s ", a.Name, a.Value)
	}
	fmt.Fprintf(&b, "(%s) ", e.DataContentType)
	if !e.HasData {
		return b.String() + "none"
	}
	return b.String() + string(e.Data)
}

// showRecord writes a record on one line: key, headers in order, value.
func showRecord(r Record) string {
	var b strings.Builder
	write := func(v []byte) {
		if v == nil {
			b.WriteString("null")
		} else {
			b.Write(v)
		}
	}
	write(r.Key)
	for _, h := range r.Headers {
		fmt.Fprintf(&b, " %s=%s", h.Key, h.Value)
	}
	b.WriteString(" ")
	write(r.Value)
	return b.String()
}

// each makes headers of "name: value" strings, in order.
func each(headers ...string) func(func(name, value string)) {
	return func(yield func(name, value string)) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			yield(name, value)
		}
	}
}

// must are the headers that every event has.
func must(more ...string) func(func(name, value string)) {
	return each(append([]string{"host: example.com", "ce-specversion: 1.0", "ce-type: t", "ce-source: /s", "ce-id: 1"}, more...)...)
}

// wantError compares an error with a text; "" wants none.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}
