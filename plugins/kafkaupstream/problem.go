package kafkaupstream

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/jsonvalue"
)

// Errors as problem details (RFC 9457), for clients that ask for them.

const (
	problemMedia = "application/problem+json"
	// problemTypes begins a problem's type. What follows is its row there.
	problemTypes = "https://github.com/kafkaupstream/kafkaupstream/blob/main/docs/problems.md#"
)

// problems are the types of errors that have not failed in a way of their own, by status.
var problems = map[int]string{
	400: "invalid_request",
	403: "not_allowed",
	404: "no_route",
	405: "method_not_allowed",
	408: "slow_body",
	413: "too_large",
	415: "unsupported_media_type",
	422: "unprocessable",
	431: "too_many_header_lines",
	500: "config",
	503: "busy",
}

// problem is the end of the type of a reply that is an error.
func (r *Reply) problem() string { return cmp.Or(r.failure, problems[r.Status]) }

// as gives an error a problem's type of its own.
func (r *Reply) as(problem string) *Reply {
	r.failure = problem
	return r
}

// asProblem gives a reply that is an error the form of a problem, if the client has asked for it.
func asProblem(req Request, r *Reply) {
	if r.Status < 400 || r.body != nil || !acceptsProblems(req.Values("accept")) {
		return
	}
	kind := r.problem()
	dst := append(append([]byte(`{"type":"`+problemTypes), kind...), `","title":"`...)
	dst = append(append(dst, strings.ReplaceAll(kind, "_", " ")...), `","status":`...)
	dst = jsonvalue.AppendQuoted(append(appendInt(dst, int64(r.Status)), `,"detail":`...), r.Message)
	dst = append(append(append(dst, `,"delivered":"`...), r.Delivered...), '"')
	r.body, r.ContentType = append(append(dst, r.Detail...), '}'), problemMedia
}

// acceptsProblems reports whether values of the header Accept name the media type of problems.
func acceptsProblems(values []string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			media, parameters, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(media), problemMedia) {
				return !weightless(parameters)
			}
		}
	}
	return false
}

// weightless reports whether parameters of a media type say q=0: not acceptable.
func weightless(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if q, err := strconv.ParseFloat(value, 32); strings.EqualFold(name, "q") && err == nil && q == 0 {
			return true
		}
	}
	return false
}
