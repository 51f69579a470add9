package schema

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kafkaupstream/kafkaupstream/internal/schema/guard"
)

// maxReferences bounds the schemas that a schema refers to, directly or not.
const maxReferences = 50

// loader collects a schema of the registry and those it refers to.
type loader struct {
	registry *Registry
	format   Format
	docs     documents // of JSON Schema
	parts    []part    // of others, each behind those that it refers to
	asked    int
	bytes    int
	values   int
}

// load returns the schema that is made of a registered one; an error of KindConfiguration says of which. A JSON Schema that does not say its draft is of draft-07, as
// Confluent's own libraries take it. What it refers to is asked for until asking ends, and compiled until ctx does: a schema that
// comes late is of use, and one that is thrown away takes as long again the next time.
func (r *Registry) load(ctx, asking context.Context, of Registered, name Name) (*Schema, error) {
	s, err := r.compile(ctx, asking, of, name)
	if invalid, ok := errors.AsType[*Error](err); ok && invalid.Kind == KindConfiguration {
		which := name.String()
		if name.ID == 0 {
			which += fmt.Sprintf(" (id %d)", of.ID)
		}
		err = misconfigured("%s: %s", which, invalid.Reason)
	}
	return s, err
}

func (r *Registry) compile(ctx, asking context.Context, of Registered, name Name) (*Schema, error) {
	l := &loader{registry: r, format: Format(of.Type), docs: documents{}}
	if l.format == JSONSchema {
		if err := l.add(asking, of, rootURL, nil); err != nil {
			return nil, err
		}
		return unlessEnded(ctx, func() (*Schema, error) {
			return compile(jsonSource{l.docs, jsonschema.Draft7, name.Formats, &guard.Patterns{}})
		})
	}
	if err := l.addPart(asking, of, "", nil); err != nil {
		return nil, err
	}
	return unlessEnded(ctx, func() (*Schema, error) { return compileParts(ctx, l.format, l.parts, name.Message) })
}

// unlessEnded compiles a schema, and leaves that alone when ctx ends: for a large one on a busy machine it takes seconds, for
// which the end of the program is not to wait.
func unlessEnded(ctx context.Context, compile func() (*Schema, error)) (*Schema, error) {
	type result struct {
		schema *Schema
		err    error
	}
	compiled := make(chan result, 1)
	go func() {
		s, err := compile()
		compiled <- result{s, err}
	}()
	select {
	case r := <-compiled:
		return r.schema, r.err
	case <-ctx.Done():
		return nil, unavailable("the schema has not been compiled in time")
	}
}

// addPart adds what a schema refers to, and then the schema. The path is the versions that led to it.
func (l *loader) addPart(ctx context.Context, of Registered, name string, path []Name) error {
	if l.bytes += len(of.Schema); l.bytes > maxSchemaBytes {
		return misconfigured("the schema and its references have more than %d bytes", maxSchemaBytes)
	}
	for _, p := range l.parts {
		switch {
		case p.name != name || name == "":
		case p.text == of.Schema:
			return nil
		default:
			return misconfigured("two references have the same name %s", guard.Quoted(name))
		}
	}
	for _, ref := range of.References {
		if ref.Name == "" {
			return misconfigured("a reference has no name")
		}
		to, path, err := l.step(ref, path)
		if err != nil {
			return err
		}
		referred, err := l.registry.Get(ctx, to)
		if err != nil {
			return err
		}
		if err := l.addPart(ctx, referred, ref.Name, path); err != nil {
			return err
		}
	}
	l.parts = append(l.parts, part{name, of.Schema})
	return nil
}

// step returns the version that a reference leads to, and the path with it.
func (l *loader) step(ref Reference, path []Name) (Name, []Name, error) {
	to := Name{Subject: ref.Subject, Version: strconv.Itoa(ref.Version), Format: l.format}
	if ref.Version == -1 {
		to.Version = latest
	}
	if slices.Contains(path, to) {
		return Name{}, nil, misconfigured("the references of the subject %s lead back to it", guard.Quoted(ref.Subject))
	}
	if l.asked++; l.asked > maxReferences {
		return Name{}, nil, misconfigured("the schema has more than %d references", maxReferences)
	}
	return to, append(path[:len(path):len(path)], to), nil
}

// add adds a JSON Schema under a URL, and then its references. The path is the versions
// that led to it.
func (l *loader) add(ctx context.Context, of Registered, at string, path []Name) error {
	doc, values, err := decodeSchema([]byte(of.Schema))
	if err != nil {
		return err
	}
	l.bytes += len(of.Schema)
	l.values += values
	if l.bytes > maxSchemaBytes || l.values > maxSchemaValues {
		return misconfigured("the schema and its references have more than %d bytes or %d values", maxSchemaBytes, maxSchemaValues)
	}
	if before, ok := l.docs[at]; ok {
		if reflect.DeepEqual(before, doc) {
			return nil
		}
		return misconfigured("two references have the same name %s", guard.Quoted(place(at)))
	}
	l.docs[at] = doc
	base, err := baseURL(doc, at)
	if err != nil {
		return err
	}
	for _, ref := range of.References {
		if err := l.follow(ctx, ref, base, path); err != nil {
			return err
		}
	}
	return nil
}

// follow adds the schema that a reference leads to. Its name is what a "$ref" says,
// so it is relative to the URL of the schema that it is in.
func (l *loader) follow(ctx context.Context, ref Reference, base *url.URL, path []Name) error {
	to, path, err := l.step(ref, path)
	if err != nil {
		return err
	}
	at, err := base.Parse(ref.Name)
	if err != nil || ref.Name == "" || strings.Contains(ref.Name, "#") {
		return misconfigured("a reference's name is no URL: %s", guard.Quoted(ref.Name))
	}
	if at.Hostname() == "json-schema.org" { // the library trusts what is there
		return misconfigured("a reference's name is one of the JSON Schema metaschemas: %s", guard.Quoted(ref.Name))
	}
	of, err := l.registry.Get(ctx, to)
	if err != nil {
		return err
	}
	return l.add(ctx, of, at.String(), path)
}

// baseURL returns what the references in a document are relative to: the URL that
// it says it has, or the one where it is.
func baseURL(doc any, at string) (*url.URL, error) {
	base, err := url.Parse(at)
	if err != nil {
		return nil, misconfigured("a reference's name is no URL: %s", guard.Quoted(at))
	}
	object, _ := doc.(map[string]any)
	for _, key := range []string{"$id", "id"} { // draft-04's is "id"
		id, _ := object[key].(string)
		if id == "" || strings.HasPrefix(id, "#") {
			continue
		}
		if own, err := base.Parse(id); err == nil {
			return own, nil
		}
	}
	return base, nil
}
