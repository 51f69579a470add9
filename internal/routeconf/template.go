package routeconf

import (
	"fmt"
	"strings"
)

// Template is a text of a route's configuration that may hold variables, such as
// orders.$consumer_name or ${arg_region}-$arg_device; $$ is a dollar sign.
type Template struct {
	parts []part // nil: text is literal
	Text  string // as it is configured
}

// part is a piece of literal text, or a variable.
type part struct {
	literal  string
	variable string
}

// parseTemplate reads a template. The error says what is wrong with it.
func parseTemplate(s string) (Template, error) {
	t := Template{Text: s}
	if !strings.Contains(s, "$") {
		return t, nil
	}
	var literal strings.Builder
	for rest := s; rest != ""; {
		before, after, found := strings.Cut(rest, "$")
		literal.WriteString(before)
		if !found {
			break
		}
		if strings.HasPrefix(after, "$") {
			literal.WriteByte('$')
			rest = after[1:]
			continue
		}
		var name string
		if inner, ok := strings.CutPrefix(after, "{"); ok {
			if name, rest, found = strings.Cut(inner, "}"); !found || nameLen(name) != len(name) {
				name = ""
			}
		} else {
			name = after[:nameLen(after)]
			rest = after[len(name):]
		}
		if name == "" {
			return Template{}, fmt.Errorf("after a $ comes a variable's name, as in $consumer_name or ${arg_device}, or another $")
		}
		if literal.Len() > 0 {
			t.parts = append(t.parts, part{literal: literal.String()})
			literal.Reset()
		}
		t.parts = append(t.parts, part{variable: name})
	}
	if t.parts == nil { // only $$
		t.Text = literal.String()
		return t, nil
	}
	if literal.Len() > 0 {
		t.parts = append(t.parts, part{literal: literal.String()})
	}
	return t, nil
}

// nameLen is the length of the variable's name at the beginning of s.
func nameLen(s string) int {
	for i := range len(s) {
		if c := s[i]; c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return i
		}
	}
	return len(s)
}

// Variable reports whether the text depends on the request.
func (t *Template) Variable() bool { return t.parts != nil }

func (t *Template) Variables() (names []string) {
	for _, p := range t.parts {
		if p.variable != "" {
			names = append(names, p.variable)
		}
	}
	return names
}

// Expand returns the text with the variables' values, which value finds. A variable without
// a value is named as missing: it never is an empty piece.
func (t *Template) Expand(value func(name string) string) (text, missing string) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.variable == "" {
			b.WriteString(p.literal)
			continue
		}
		v := value(p.variable)
		if v == "" {
			return "", p.variable
		}
		b.WriteString(v)
	}
	return b.String(), ""
}
