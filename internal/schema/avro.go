package schema

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/twmb/avro"

	"github.com/kafkaupstream/kafkaupstream/internal/schema/guard"
)

// compileAvro returns the schema of the last of the texts. Those before it have the named types that later ones refer to.
//
// The library checks the schemas, but not all that is in them: see bare.
func compileAvro(parts []part) (*avroType, error) {
	cache := &avro.SchemaCache{}
	b := &avroBuilder{named: map[string]*avroType{}}
	var root *avroType
	for _, p := range parts {
		doc, _, err := decodeSchema([]byte(p.text))
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(bare(doc))
		if err != nil {
			return nil, misconfigured("it is no Avro schema")
		}
		if _, err := cache.Parse(string(text)); err != nil {
			return nil, misconfigured("it is no Avro schema: %s", shorten(strings.TrimPrefix(err.Error(), "avro: ")))
		}
		if root = b.build(doc, ""); b.err != nil {
			return nil, b.err
		}
	}
	for _, f := range b.defaults {
		if _, err := f.encoded(); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// bare is a schema without what the library is not to look at. It would write each default out, and a few kilobytes of schema
// can have one of terabytes. It refuses logical types that are invalid, which the specification has readers and writers ignore, and
// which registries take. A namespace that is null is as absent, as it is in Java.
func bare(v any) any {
	switch v := v.(type) {
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = bare(v[i])
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(v))
		for name := range v {
			switch {
			case name == "default", name == "logicalType", name == "precision", name == "scale":
			case name == "namespace" && v[name] == nil:
			default:
				all[name] = bare(v[name])
			}
		}
		return all
	}
	return v
}

// avroBuilder makes types of schemas that the library has checked.
type avroBuilder struct {
	named    map[string]*avroType // by full name
	defaults []*avroField
	err      error
}

// build returns the type that a value of the schema stands for, in a namespace.
func (b *avroBuilder) build(v any, namespace string) *avroType {
	switch v := v.(type) {
	case string:
		if isPrimitive(v) {
			return &avroType{kind: v, label: v}
		}
		return b.reference(v, namespace)
	case []any:
		t := &avroType{kind: "union", byName: map[string]int{}}
		for i := range v {
			branch := b.build(v[i], namespace)
			t.branches = append(t.branches, branch)
			t.byName[branch.label] = i
		}
		return t
	case map[string]any:
		return b.object(v, namespace)
	}
	return b.unknown(v)
}

func isPrimitive(name string) bool {
	switch name {
	case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
		return true
	}
	return false
}

func (b *avroBuilder) object(v map[string]any, namespace string) *avroType {
	kind, _ := v["type"].(string)
	t := &avroType{kind: kind, label: kind}
	switch kind {
	case "array":
		t.of = b.build(v["items"], namespace)
	case "map":
		t.of = b.build(v["values"], namespace)
	case "enum":
		b.name(t, v, namespace)
		t.byName = map[string]int{}
		symbols, _ := v["symbols"].([]any)
		for i := range symbols {
			symbol, _ := symbols[i].(string)
			t.byName[symbol] = i
		}
	case "fixed":
		b.name(t, v, namespace)
		size, _ := v["size"].(json.Number)
		n, err := whole(size, 32)
		if err != nil {
			b.unknown(v["size"])
		}
		t.size = int(n)
	case "record", "error":
		t.kind = "record"
		b.fields(t, v, b.name(t, v, namespace))
	default:
		return b.build(v["type"], namespace) // with attributes, such as a logical type
	}
	return t
}

func (b *avroBuilder) fields(t *avroType, v map[string]any, namespace string) {
	t.byName = map[string]int{}
	fields, _ := v["fields"].([]any)
	for i := range fields {
		given, _ := fields[i].(map[string]any)
		f := &avroField{of: b.build(given["type"], namespace)}
		f.name, _ = given["name"].(string)
		if f.given, f.optional = given["default"]; f.optional {
			b.defaults = append(b.defaults, f)
		}
		t.byName[f.name] = i
		t.fields = append(t.fields, f)
	}
}

// name gives a type its full name, and returns its namespace, which what is in it has, too.
func (b *avroBuilder) name(t *avroType, v map[string]any, namespace string) string {
	t.label, _ = v["name"].(string)
	if own, ok := v["namespace"].(string); ok {
		namespace = own
	}
	if i := strings.LastIndexByte(t.label, '.'); i >= 0 {
		namespace = t.label[:i]
	} else if namespace != "" {
		t.label = namespace + "." + t.label
	}
	b.named[t.label] = t
	return namespace
}

// reference returns the type of a name, which without a dot is one of the namespace or of none.
func (b *avroBuilder) reference(name, namespace string) *avroType {
	if t := b.named[namespace+"."+name]; t != nil && !strings.Contains(name, ".") {
		return t
	}
	if t := b.named[name]; t != nil {
		return t
	}
	return b.unknown(name)
}

func (b *avroBuilder) unknown(what any) *avroType {
	if b.err == nil {
		b.err = misconfigured("it refers to a type that it does not have: %s", guard.Quoted(fmt.Sprint(what)))
	}
	return &avroType{}
}
