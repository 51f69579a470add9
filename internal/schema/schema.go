package schema

import (
	"context"
	"runtime"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kafkaupstream/kafkaupstream/internal/schema/guard"
)

const (
	// Bounds of a value, beyond the one that the route sets for its size. A text of
	// 500 kB cannot have more values than this.
	maxValues = 250_000
	maxDepth  = 100

	// Bounds of the steps that a validation may take; a step is roughly one subschema
	// applied to one value. They grow with the value: where subschemas overlap and
	// recur, a hundred bytes could keep a processor busy for years.
	minSteps     = 100_000
	stepsPerByte = 4
	maxSteps     = 2_000_000

	// maxExplained is about what the list of a value's failures may take, in bytes.
	maxExplained = 32 << 20

	// maxEvaluators bounds the validations at once by one schema, and with them the
	// memory for decoded values.
	maxEvaluators = 8
)

// Schema is a compiled schema. Several goroutines can use it at once.
type Schema struct {
	Format Format // what it is written in

	binary encoder // nil: JSON Schema, which all that follows is for

	another func() (*evaluator, error)
	ready   chan *evaluator // not in use
	unmade  chan struct{}   // one for each that may still be made
}

// encoder writes values in a binary form.
type encoder interface {
	// encode appends the form of a JSON text, of at most limit bytes.
	encode(dst, value []byte, limit int) ([]byte, *Problem)
	// appendIndex appends what the wire format has between the id and the form.
	appendIndex(dst []byte) []byte
}

// Compile returns the schema of a JSON text: of JSON Schema 2020-12, unless its
// "$schema" names 2019-09, draft-07, -06 or -04. "format" is checked up to draft-07,
// as these specifications require.
//
// The error is an [*Error] of KindConfiguration that says what is wrong and where:
// the text is no schema, has a pattern that is neither of RE2 nor of RE2 with look-around and back-references, refers to another
// document than the JSON Schema metaschemas (nothing is ever fetched), or is out of
// bounds (1 MB, 10,000 values, 50 levels).
func Compile(schema []byte) (*Schema, error) {
	return compileJSON(schema, FormatsOfDraft)
}

func compileJSON(schema []byte, formats Formats) (*Schema, error) {
	root, _, err := decodeSchema(schema)
	if err != nil {
		return nil, err
	}
	return compile(jsonSource{documents{rootURL: root}, jsonschema.Draft2020, formats, &guard.Patterns{}})
}

// compile compiles the document at rootURL, which may refer to the others.
func compile(source jsonSource) (*Schema, error) {
	if err := source.check(); err != nil {
		return nil, err
	}
	another := func() (*evaluator, error) { return newEvaluator(source) }
	first, err := another()
	if err != nil {
		return nil, err
	}
	n := min(runtime.GOMAXPROCS(0), maxEvaluators)
	s := &Schema{Format: JSONSchema, another: another, ready: make(chan *evaluator, n), unmade: make(chan struct{}, n)}
	s.ready <- first
	for range n - 1 {
		s.unmade <- struct{}{}
	}
	return s, nil
}

// Validate returns why the JSON text is not a valid value: nothing if it is one,
// else at least one and at most ten problems in the order of their places, and how
// many more there are. A name or a number in the text is never changed for it.
//
// What cannot be checked is not valid: a text that is not JSON or not UTF-8; an
// object with the same name twice; more than 250,000 values or 100 levels; a number
// with more than 400 characters or an exponent beyond 400; and a value that takes too
// many steps.
//
// So many values are validated at once; the others wait until ctx ends. The error is then an [*Error] of KindUnavailable.
func (s *Schema) Validate(ctx context.Context, value []byte) (found []Problem, more int, err error) {
	e, err := s.take(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer func() { s.ready <- e }()
	v, is, bad := decode(value, bounds{values: maxValues, depth: maxDepth})
	if bad != nil {
		return []Problem{*bad}, 0, nil
	}
	steps := min(minSteps+stepsPerByte*len(value), maxSteps)
	valid, finished := e.valid(v, steps)
	switch {
	case valid:
		return nil, 0, nil
	case !finished:
		return []Problem{*problem("takes too many steps to validate")}, 0, nil
	}
	found, more = e.explain(v, min(steps, maxExplained/(256+16*is.depth)))
	return found, more, nil
}

// take returns an evaluator that is free, or the next that becomes free until ctx ends. If there may be another, it is made
// meanwhile: that can take longer than the request has.
func (s *Schema) take(ctx context.Context) (*evaluator, error) {
	select {
	case e := <-s.ready:
		return e, nil
	default:
	}
	select {
	case <-s.unmade:
		go func() {
			if e, err := s.another(); err == nil { // the first was made of the same, without an error
				s.ready <- e
			}
		}()
	default:
	}
	select {
	case e := <-s.ready:
		return e, nil
	case <-ctx.Done():
		return nil, errBusy
	}
}

var errBusy = unavailable("other values are being validated for too long")

// evaluator is a compiled schema for one validation at a time, as its guard is.
type evaluator struct {
	schema  *jsonschema.Schema
	inverse *jsonschema.Schema // {"not": schema}
	guard   guard.Guard
}

// valid reports whether the value is valid. Below "not" the library collects neither
// places nor messages, which for a large value would take gigabytes.
func (e *evaluator) valid(v any, steps int) (valid, finished bool) {
	finished = e.guard.Run(steps, func() { valid = e.inverse.Validate(v) != nil })
	return valid && finished, finished
}

// explain returns the problems of a value that is not valid.
func (e *evaluator) explain(v any, steps int) (found []Problem, more int) {
	finished := e.guard.Run(steps, func() {
		if err, ok := e.schema.Validate(v).(*jsonschema.ValidationError); ok {
			found, more = problems(err)
		}
	})
	if !finished || len(found) == 0 {
		return []Problem{*problem("is not valid, and too large to say where")}, 0
	}
	return found, more
}
