package schema

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzValidate(f *testing.F) {
	s := mustCompile(f, benchSchema)
	for _, seed := range []string{benchValue, `{"id": "x", "lines": [{"sku": "a", "price": 1e400}]}`, `[]`, `{"a":1,"a":2}`, "\xff", `1e1000001`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		found, more := validate(s, value)
		if len(found) > maxProblems || more > 0 && len(found) < maxProblems {
			t.Errorf("%d problems and %d more", len(found), more)
		}
		if len(found) == 0 && !json.Valid(value) {
			t.Error("it is not JSON, and valid")
		}
		for _, p := range found {
			if !utf8.ValidString(p.String()) || len(p.Pointer) > maxPointer+len("…") {
				t.Errorf("%q", p)
			}
		}
		again, _ := validate(s, value)
		if strings.Join(sentences(found), ";") != strings.Join(sentences(again), ";") {
			t.Errorf("first %v, then %v", found, again)
		}
	})
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{benchSchema, `{"$ref": "#/$defs/a", "$defs": {"a": {"$anchor": "x", "$id": "b"}}}`,
		`{"$schema": "http://json-schema.org/draft-04/schema#", "id": "#a", "dependencies": {"a": ["b"], "c": {"$ref": "#"}}}`,
		`{"$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveAnchor": true, "items": {"$recursiveRef": "#"}}`,
		`{"patternProperties": {"a{2,}": {"uniqueItems": true}}, "propertyNames": {"pattern": "^a"}}`, `{"multipleOf": 1e-400}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Compile(text)
		if err != nil {
			// That is a panic in the library, or here.
			if strings.HasSuffix(err.Error(), "it cannot be compiled") {
				t.Error(err)
			}
			return
		}
		for _, value := range []string{`null`, `true`, `"a"`, `-1.5`, `[1, [1], {"a": 1}, 1]`, `{"a": {"a": [1]}, "b": "c"}`} {
			validate(s, []byte(value))
		}
	})
}
