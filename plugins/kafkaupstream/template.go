package kafkaupstream

import (
	"fmt"
	"slices"
	"strings"
)

// template is a text of a route's configuration that may hold variables, such as
// orders.$consumer_name or ${arg_region}-$arg_device; $$ is a dollar sign.
type template struct {
	parts []part // nil: text is literal
	text  string
}

// part is a piece of literal text, or a variable.
type part struct {
	literal  string
	variable string
}

// parseTemplate reads a template. The error says what is wrong with it.
func parseTemplate(s string) (template, error) {
	t := template{text: s}
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
			return template{}, fmt.Errorf("after a $ comes a variable's name, as in $consumer_name or ${arg_device}, or another $")
		}
		if literal.Len() > 0 {
			t.parts = append(t.parts, part{literal: literal.String()})
			literal.Reset()
		}
		t.parts = append(t.parts, part{variable: name})
	}
	if t.parts == nil { // only $$
		t.text = literal.String()
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

// variable reports whether the text depends on the request.
func (t *template) variable() bool { return t.parts != nil }

// expand returns the text with the variables' values. A variable without a value is
// an error: never an empty piece.
func (t *template) expand(req Request) (string, *Reply) {
	if t.parts == nil {
		return t.text, nil
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.variable == "" {
			b.WriteString(p.literal)
			continue
		}
		value := variableValue(req, p.variable)
		if value == "" {
			return "", refuse(missing(p.variable), fmt.Sprintf("the variable $%s has no value", p.variable))
		}
		b.WriteString(value)
	}
	return b.String(), nil
}

func variableValue(req Request, name string) string {
	switch {
	case name == "method":
		return req.Method()
	case name == "path":
		return req.Path()
	case name == "src_ip":
		return req.SourceIP()
	case strings.HasPrefix(name, "arg_"):
		return req.Argument(name[len("arg_"):])
	case strings.HasPrefix(name, "http_"):
		return req.Header(strings.ReplaceAll(strings.ToLower(name[len("http_"):]), "_", "-"))
	}
	return req.Var(name)
}

// Variables of nginx and of APISIX that are part of what the client sends, and how the names of others begin.
var (
	clientVariables = []string{"args", "query_string", "is_args", "content_type", "content_length", "remote_user"}
	clientPrefixes  = []string{"arg_", "http_", "cookie_", "post_arg_", "graphql_", "ssl_"}
)

// missing is the status of a request without a value for the variable: 400 where the client is to give it, 500 where the
// gateway is.
func missing(name string) int {
	if slices.Contains(clientVariables, name) ||
		slices.ContainsFunc(clientPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
		return 400
	}
	return 500
}
