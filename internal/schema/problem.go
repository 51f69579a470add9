package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/kafkaupstream/kafkaupstream/internal/schema/guard"
)

const (
	maxProblems = 10
	maxPointer  = 200 // bytes
)

// Problem is one reason why a value is not valid.
type Problem struct {
	// Pointer is where in the value, as a JSON pointer (RFC 6901); "" is the whole
	// value. Beyond 200 bytes it is cut, and ends in "…".
	Pointer string
	// Message says what is wrong there. It never has more than 40 characters of the
	// value.
	Message string
}

// String is the problem as a sentence.
func (p Problem) String() string {
	if p.Pointer == "" {
		return "the value " + p.Message
	}
	return p.Pointer + " " + p.Message
}

func problem(format string, args ...any) *Problem {
	return &Problem{"", fmt.Sprintf(format, args...)}
}

// leaf is a failure that is reported, not one that only leads to others.
type leaf struct {
	location []string
	kind     jsonschema.ErrorKind
	text     string // its message, once somebody has asked for it
}

// message is made for few of many: of those that are shown, and those at one place.
func (l *leaf) message() string {
	if l.text == "" {
		l.text = message(l.kind)
	}
	return l.text
}

func (l *leaf) problem() Problem { return Problem{pointer(l.location), l.message()} }

// problems returns the first of a validation's failures by their place, each once,
// and how many more there are.
func problems(err *jsonschema.ValidationError) ([]Problem, int) {
	all := leaves(nil, err)
	slices.SortFunc(all, func(a, b *leaf) int {
		if c := slices.CompareFunc(a.location, b.location, compareTokens); c != 0 {
			return c
		}
		return cmp.Compare(a.message(), b.message())
	})
	var found []Problem
	more := 0
	for i, l := range all {
		switch {
		case i > 0 && same(l, all[i-1]):
		case len(found) == maxProblems:
			more++
		default:
			found = append(found, l.problem())
		}
	}
	return found, more
}

func same(a, b *leaf) bool {
	return slices.Equal(a.location, b.location) && a.message() == b.message()
}

// compareTokens puts the indices of arrays into their order: 2 before 10, and both
// before a name.
func compareTokens(a, b string) int {
	switch aIndex, bIndex := isIndex(a), isIndex(b); {
	case aIndex && bIndex:
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	case aIndex:
		return -1
	case bIndex:
		return 1
	}
	return cmp.Compare(a, b)
}

func isIndex(token string) bool {
	return len(token) < 10 && strings.Trim(token, "0123456789") == ""
}

func leaves(to []*leaf, err *jsonschema.ValidationError) []*leaf {
	switch k := err.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, cause := range err.Causes {
			to = leaves(to, cause)
		}
		return to
	case *kind.AnyOf:
		return append(to, alternative(err)...)
	case *kind.OneOf:
		if k.Subschemas == nil {
			return append(to, alternative(err)...)
		}
	}
	return append(to, &leaf{location: err.InstanceLocation, kind: guard.Kind(err.ErrorKind)})
}

// alternative returns the failures of the one alternative that the value was meant
// to match, if that can be determined; otherwise that it matches none. All failures of
// all alternatives would bury the one that matters.
func alternative(err *jsonschema.ValidationError) []*leaf {
	var meant [][]*leaf
	for _, cause := range err.Causes {
		of := leaves(nil, cause)
		if !slices.ContainsFunc(of, func(l *leaf) bool { return other(l, len(err.InstanceLocation)) }) {
			meant = append(meant, of)
		}
	}
	if len(meant) == 1 {
		return meant[0]
	}
	return []*leaf{{location: err.InstanceLocation, kind: err.ErrorKind}}
}

// other tells of a failure that means that another alternative was meant: the value
// is of another type, or has another constant in a property of its own.
func other(l *leaf, depth int) bool {
	switch l.kind.(type) {
	case *kind.Type:
		return len(l.location) == depth
	case *kind.Const, *kind.Enum:
		return len(l.location) == depth+1
	}
	return false
}

// pointer returns the JSON pointer to a location. It looks at no more of the tokens
// than it can show: a name may be megabytes long.
func pointer(location []string) string {
	var b strings.Builder
	for _, token := range location {
		b.WriteByte('/')
		if len(token) > maxPointer {
			token = token[:maxPointer]
		}
		b.WriteString(guard.EscapeToken.Replace(token))
		if b.Len() > maxPointer {
			return strings.ToValidUTF8(b.String()[:maxPointer], "") + "…"
		}
	}
	return b.String()
}
