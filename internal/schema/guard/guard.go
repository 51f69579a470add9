// Package guard keeps a validation by github.com/santhosh-tekuri/jsonschema from costing
// more than it may, whatever the value: it counts the steps, has the library use an automaton for patterns, of RE2's and with look-around,
// and a backtracker for those with back-references, which count theirs, puts keywords of its own in the place of
// the library's "type", "const", "enum", "uniqueItems" and "propertyNames", which a value can make slow, and refuses schemas that refer to
// themselves without end.
//
// It is not for what a schema or a value may be: internal/schema, its only caller, bounds
// their sizes. It knows nothing of that package.
package guard

import (
	"maps"
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

const vocabulary = "urn:kafkaupstream:guard"

// Guard is for the schemas of one compiler, and for one validation at a time: the library has
// no place for what belongs to a validation, such as the steps that are left.
type Guard struct {
	IgnoreFormats bool      // "format" is a remark, whatever the draft says; set before Attach
	Patterns      *Patterns // which guards of the same schema share; set before Attach

	schemas     []*jsonschema.Schema // that are not just true or false
	unevaluated bool                 // one of them has unevaluatedItems or unevaluatedProperties
	left        int                  // steps
	text        canonical            // of the value that is held against constants
	automaton   automaton
}

// Attach gives every subschema that c compiles from now on a vocabulary besides its own, by
// which the guard sees what is validated.
func (g *Guard) Attach(c *jsonschema.Compiler) {
	c.UseRegexpEngine(g.Patterns.engine(g))
	c.RegisterVocabulary(&jsonschema.Vocabulary{URL: vocabulary, Compile: g.compile})
	c.AssertVocabs()
}

// Run calls f, which validates, until it returns or has used its steps up; a step is roughly
// one subschema applied to one value.
func (g *Guard) Run(steps int, f func()) (finished bool) {
	g.left = steps
	defer func() {
		switch r := recover(); r {
		case nil:
		case outOfSteps{}:
			finished = false
		default:
			panic(r)
		}
	}()
	f()
	return true
}

type outOfSteps struct{}

// spend counts steps. A panic is the only way out of the library's recursion; Run ends it.
func (g *Guard) spend(steps int) {
	g.left -= steps
	if g.left < 0 {
		panic(outOfSteps{})
	}
}

// compile is called when all keywords of a subschema have been compiled.
func (g *Guard) compile(ctx *jsonschema.CompilerContext, _ map[string]any) (jsonschema.SchemaExt, error) {
	s := ctx.Enqueue(nil) // the one at no path from here: this one
	g.schemas = append(g.schemas, s)
	if err := checkPatterns(s); err != nil {
		return nil, err
	}
	g.takeFirst(s)
	g.unevaluated = g.unevaluated || s.UnevaluatedItems != nil || s.UnevaluatedProperties != nil
	if s.PropertyNames == nil && !s.UniqueItems {
		return nil, nil
	}
	own := &keywords{g, s.PropertyNames, s.UniqueItems}
	s.PropertyNames, s.UniqueItems = nil, false
	return own, nil
}

// size is what looking at the value takes, in steps.
func size(v any) int {
	switch v := v.(type) {
	case map[string]any:
		return len(v)
	case []any:
		return len(v)
	case string:
		return len(v) / 256
	}
	return 0
}

// keywords are those that the library's are replaced by.
type keywords struct {
	*Guard
	names  *jsonschema.Schema
	unique bool
}

// Validate implements jsonschema.SchemaExt.
func (k *keywords) Validate(ctx *jsonschema.ValidatorContext, v any) {
	switch v := v.(type) {
	case map[string]any:
		k.validateNames(ctx, v)
	case []any:
		if k.unique {
			k.validateUnique(ctx, v)
		}
	}
}

// validateNames is propertyNames. The library's own reports places that it
// overwrites while it goes on.
func (k *keywords) validateNames(ctx *jsonschema.ValidatorContext, object map[string]any) {
	if k.names == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		k.spend(1)
		if k.names.Validate(name) != nil {
			ctx.AddError(&kind.PropertyNames{Property: name})
		}
	}
}

// MaxQuoted is how many characters of a name, a constant or a pattern a message shows.
const MaxQuoted = 40

// Quoted returns a text in quotation marks, as far as a message shows it.
func Quoted(s string) string { return strconv.Quote(Cut(s)) }

// Cut returns at most MaxQuoted characters.
func Cut(s string) string {
	n := 0
	for i := range s {
		if n == MaxQuoted-1 && len(s) > i+1 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
