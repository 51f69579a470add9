package schema

import (
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kafkaupstream/kafkaupstream/internal/schema/guard"
)

const (
	// Bounds of a schema, and of all together that refer to each other. The time to
	// compile grows with the square of the values.
	maxSchemaBytes  = 1 << 20
	maxSchemaValues = 10_000
	maxSchemaDepth  = 50

	rootURL    = "schema:///" // so that a relative reference is the path of another
	inverseURL = "schema-inverse:///"
)

// decodeSchema returns the document in a schema's text, and how many values it has.
func decodeSchema(text []byte) (any, int, error) {
	v, is, bad := decode(text, bounds{maxSchemaBytes, maxSchemaValues, maxSchemaDepth})
	if bad != nil {
		return nil, 0, misconfigured("%s", strings.Replace(bad.String(), "the value", "it", 1))
	}
	return v, is.values, nil
}

// documents are decoded schemas by their URLs. They are all that a schema can refer
// to, besides the metaschemas that are part of the library.
type documents map[string]any

// jsonSource is what a JSON Schema is compiled of.
type jsonSource struct {
	documents
	draft    *jsonschema.Draft // of documents without "$schema"
	formats  Formats
	patterns *guard.Patterns
}

var errOutside = errors.New("not one of the documents")

// Load implements jsonschema.URLLoader.
func (d documents) Load(url string) (any, error) {
	if url == inverseURL {
		return map[string]any{"not": map[string]any{"$ref": rootURL}}, nil
	}
	if doc, ok := d[url]; ok {
		return doc, nil
	}
	return nil, errOutside
}

// check compiles the schema without a guard: with a vocabulary of its own, the library checks less of the schema itself.
func (source jsonSource) check() (err error) {
	defer mustNotPanic(&err)
	if _, err := newCompiler(source).Compile(rootURL); err != nil {
		return misconfigured("%s", compileReason(err))
	}
	return nil
}

// mustNotPanic is deferred where the library compiles. It panics where it believes the impossible has happened. A registry's
// schema is compiled in a goroutine of its own, where that would end the process.
func mustNotPanic(err *error) {
	if r := recover(); r != nil {
		*err = misconfigured("it cannot be compiled")
	}
}

func newEvaluator(source jsonSource) (e *evaluator, err error) {
	defer mustNotPanic(&err)
	e = &evaluator{guard: guard.Guard{IgnoreFormats: source.formats == FormatsIgnored, Patterns: source.patterns}}
	c := newCompiler(source)
	e.guard.Attach(c)
	if e.schema, err = c.Compile(rootURL); err == nil {
		e.inverse, err = c.Compile(inverseURL)
	}
	if err != nil {
		return nil, misconfigured("%s", compileReason(err))
	}
	if err := e.guard.CheckChains(); err != nil {
		return nil, misconfigured("%s", place(err.Error()))
	}
	return e, nil
}

func newCompiler(source jsonSource) *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(source.draft)
	if source.formats == FormatsAsserted {
		c.AssertFormat()
	}
	c.UseLoader(source)
	c.UseRegexpEngine(source.patterns.Engine())
	return c
}

// compileReason says what is wrong with a schema, and where.
func compileReason(err error) string {
	if outside, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
		return fmt.Sprintf("it refers to %s, which is not a part of it; nothing is fetched", guard.Quoted(place(outside.URL)))
	}
	invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err)
	if !ok {
		return shorten(place(err.Error()))
	}
	failure, ok := invalid.Err.(*jsonschema.ValidationError)
	if !ok {
		return "it is no JSON Schema"
	}
	found, more := problems(failure)
	var b strings.Builder
	fmt.Fprintf(&b, "it is no JSON Schema: at %q ", place(invalid.URL)+found[0].Pointer)
	b.WriteString(found[0].Message)
	if more += len(found) - 1; more > 0 {
		fmt.Fprintf(&b, " (and %d more)", more)
	}
	return b.String()
}

// place takes out of a text the URL that only this package knows of.
func place(text string) string { return strings.ReplaceAll(text, rootURL, "") }

func shorten(text string) string {
	const most = 300
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
