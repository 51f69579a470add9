package kafkaupstream

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/routeconf"
)

// expand returns the text of a template with the values that its variables have in the
// request.
func expand(t *routeconf.Template, req Request) (string, *Reply) {
	if !t.Variable() {
		return t.Text, nil
	}
	text, without := t.Expand(func(name string) string { return variableValue(req, name) })
	if without != "" {
		return "", refuse(missing(without), fmt.Sprintf("the variable $%s has no value", without))
	}
	return text, nil
}

// OfRequest reports whether a variable is one that is taken from the request itself, and not asked of the front.
func OfRequest(name string) bool {
	return name == "method" || name == "path" || name == "src_ip" || strings.HasPrefix(name, "arg_") || strings.HasPrefix(name, "http_")
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
	if fromClient(name) {
		return 400
	}
	return 500
}

// fromClient reports whether a variable is part of what the client sends.
func fromClient(name string) bool {
	return slices.Contains(clientVariables, name) ||
		slices.ContainsFunc(clientPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
