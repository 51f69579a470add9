package guard

import (
	"encoding/json"
	"math"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

const (
	// endingPerStep is how many subschemas take a step that end at once, such as false or one of another type.
	endingPerStep = 2
	// namesPerStep is how many names take a step that are looked for.
	namesPerStep = 8
	// digitsPerStep is how many digits of a number take a step where it is compared with another: 1e-400 has 400.
	digitsPerStep = 16
)

// first is what is asked of a value before any other keyword: "type", "const", "enum" and "format". The library looks at
// the first three before anything that can count steps, compares the value with one constant after another, and makes
// a big.Rat of a number each time.
type first struct {
	*Guard
	types    []string // nil: any
	typed    *failure
	constant *constants // nil: any
	enum     *constants // nil: any
	format   func(v any) error

	names      int  // of properties that it looks for
	subschemas int  // for the same value; most count their own steps, but not those that end at once
	compares   bool // a number with others
}

// takeFirst moves what is first from the subschema to a format, which is what the library then asks about first,
// whatever the value's type.
func (g *Guard) takeFirst(s *jsonschema.Schema) {
	f := &first{Guard: g}
	f.countCheap(s)
	f.compares = s.Minimum != nil || s.Maximum != nil || s.ExclusiveMinimum != nil || s.ExclusiveMaximum != nil || s.MultipleOf != nil
	if s.Types != nil {
		f.types = s.Types.ToStrings()
		f.typed = &failure{func(v any) jsonschema.ErrorKind { return &kind.Type{Got: TypeOf(v), Want: f.types} }}
		s.Types = nil
	}
	if s.Const != nil {
		want := *s.Const
		f.constant = newConstants([]any{want}, func(v any) jsonschema.ErrorKind { return &kind.Const{Got: v, Want: want} })
		s.Const = nil
	}
	if s.Enum != nil {
		want := s.Enum.Values
		f.enum = newConstants(want, func(v any) jsonschema.ErrorKind { return &kind.Enum{Got: v, Want: want} })
		s.Enum = nil
	}
	format := jsonschema.Format{Validate: f.validate}
	if s.Format != nil && !g.IgnoreFormats {
		format.Name = s.Format.Name
		if f.format = s.Format.Validate; format.Name == "regex" {
			f.format = g.validateRegex
		}
	}
	s.Format = &format
}

// countCheap counts what the library looks at where the value costs nothing: at {} for a thousand required names, or at a
// thousand alternatives that are false or of another type.
func (f *first) countCheap(s *jsonschema.Schema) {
	f.subschemas = len(s.AllOf) + len(s.AnyOf) + len(s.OneOf) + len(s.DependentSchemas) + len(s.Dependencies)
	f.names = len(s.Required) + len(s.DependentSchemas) + len(s.Dependencies)
	for _, names := range s.DependentRequired {
		f.names += 1 + len(names)
	}
	for _, dependent := range s.Dependencies {
		names, _ := dependent.([]string)
		f.names += len(names)
	}
}

func (f *first) validate(v any) error {
	if f.types != nil && !f.isOfType(v) {
		return f.typed
	}
	if f.constant != nil && !f.isOneOf(f.constant, v) {
		return f.constant.failure
	}
	if f.enum != nil && !f.isOneOf(f.enum, v) {
		return f.enum.failure
	}
	f.spend(f.steps(v))
	if f.format == nil {
		return nil
	}
	return f.format(v)
}

// steps is what the value costs besides what its own values cost.
func (f *first) steps(v any) int {
	n, subschemas := size(v), f.subschemas
	if f.unevaluated { // the library lists the names and indices for each subschema
		subschemas *= 1 + n
	}
	steps := 1 + n + subschemas/endingPerStep + f.names/namesPerStep
	if n, ok := v.(json.Number); ok && f.compares {
		_, digits, exponent := number(string(n))
		steps += (len(digits) + max(exponent, -exponent)) / digitsPerStep
	}
	return steps
}

func (f *first) isOfType(v any) bool {
	if slices.Contains(f.types, TypeOf(v)) {
		return true
	}
	number, ok := v.(json.Number)
	return ok && slices.Contains(f.types, "integer") && isInteger(string(number))
}

// TypeOf returns the name that JSON Schema has for a decoded value's type; a number is a [json.Number].
func TypeOf(v any) string {
	switch v.(type) {
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "null"
}

// constants are what a value must be one of.
type constants struct {
	texts   map[string]struct{}
	longest int // bytes
	failure *failure
}

func newConstants(all []any, of func(v any) jsonschema.ErrorKind) *constants {
	c := &constants{texts: make(map[string]struct{}, len(all)), failure: &failure{of}}
	for _, v := range all {
		text := canonical{limit: math.MaxInt}
		text.write(v)
		c.texts[string(text.text)] = struct{}{}
		c.longest = max(c.longest, len(text.text))
	}
	return c
}

func (g *Guard) isOneOf(c *constants, v any) bool {
	g.text.text, g.text.limit, g.text.values = g.text.text[:0], c.longest, 0
	is := g.text.write(v)
	g.spend(g.text.values + len(g.text.text)/256)
	if is {
		_, is = c.texts[string(g.text.text)]
	}
	return is
}

// failure is the error of a format that stands for another keyword. What it says is made when somebody asks.
type failure struct {
	kind func(v any) jsonschema.ErrorKind
}

func (*failure) Error() string { return "is not valid" }

// Kind returns the kind of a failure. The library has those that the guard has found in
// its place as ones of the format.
func Kind(k jsonschema.ErrorKind) jsonschema.ErrorKind {
	if format, ok := k.(*kind.Format); ok {
		if own, ok := format.Err.(*failure); ok {
			return own.kind(format.Got)
		}
	}
	return k
}
