package schema

import (
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// guard is the vocabulary that every subschema gets besides its own: it counts the
// steps of a validation, and has keywords of its own in the place of two of the
// library's.
type guard struct {
	evaluator *evaluator
	schemas   []*jsonschema.Schema // that are not just true or false
}

// compile is called when all keywords of a subschema have been compiled.
func (g *guard) compile(ctx *jsonschema.CompilerContext, _ map[string]any) (jsonschema.SchemaExt, error) {
	s := ctx.Enqueue(nil) // the one at no path from here: this one
	g.schemas = append(g.schemas, s)
	if err := g.checkPatterns(s); err != nil {
		return nil, err
	}
	s.Format = g.counted(s.Format)
	if s.PropertyNames == nil && !s.UniqueItems {
		return nil, nil
	}
	own := &keywords{g.evaluator, s.PropertyNames, s.UniqueItems}
	s.PropertyNames, s.UniqueItems = nil, false
	return own, nil
}

// counted returns a format that counts the steps and then is the one it is given, if
// any. A format is what the library asks about first, whatever the value's type.
func (g *guard) counted(f *jsonschema.Format) *jsonschema.Format {
	if f == nil {
		f = &jsonschema.Format{Validate: func(any) error { return nil }}
	}
	if f.Name == "regex" {
		f = &jsonschema.Format{Name: f.Name, Validate: validateRegex}
	}
	e, validate := g.evaluator, f.Validate
	return &jsonschema.Format{Name: f.Name, Validate: func(v any) error {
		e.spend(1 + size(v))
		return validate(v)
	}}
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
	evaluator *evaluator
	names     *jsonschema.Schema
	unique    bool
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
		k.evaluator.spend(1)
		if k.names.Validate(name) != nil {
			ctx.AddError(&kind.PropertyNames{Property: name})
		}
	}
}
