package schema

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/avro"
)

func mustCompileText(t testing.TB, format Format, text string) *Schema {
	t.Helper()
	s, err := CompileText(Name{Format: format, Message: ""}, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// encodedAs is the binary form in hexadecimal digits, or what is wrong with the value.
func encodedAs(s *Schema, value string) string {
	encoded, found, more := encode(s, []byte(value), -1, 1<<20)
	if len(found) > 0 {
		return fmt.Sprint(strings.Join(sentences(found), "; "), strings.Repeat("!", more))
	}
	return hex.EncodeToString(encoded)
}

// The bytes of the specification's own examples are marked.
func TestAvroValues(t *testing.T) {
	const (
		ab    = `{"type": "record", "name": "test", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}]}`
		foo   = `{"type": "enum", "name": "Foo", "symbols": ["A", "B", "C", "D"]}`
		tree  = `{"type": "record", "name": "N", "namespace": "x.y", "fields": [{"name": "v", "type": "int"}, {"name": "next", "type": ["null", "N"], "default": null}]}`
		named = `{"type": "record", "name": "R", "namespace": "n", "fields": [{"name": "f", "type": ["string", {"type": "fixed", "name": "F", "size": 2}, {"type": "enum", "name": "m.E", "symbols": ["S"]}]}]}`
		fills = `{"type": "record", "name": "R", "fields": [
			{"name": "l", "type": "long", "default": 9007199254740993}, {"name": "b", "type": "bytes", "default": "\u00ff"}, {"name": "u", "type": ["string", "null"], "default": "x"},
			{"name": "r", "type": {"type": "record", "name": "S", "fields": [{"name": "m", "type": {"type": "map", "values": "float"}, "default": {"k": 1.5}}]}, "default": {}}]}`
	)
	for _, c := range []struct{ what, schema, value, want string }{
		{"0 (the specification's)", `"long"`, `0`, `00`},
		{"-1 (the specification's)", `"long"`, `-1`, `01`},
		{"1 (the specification's)", `"long"`, `1`, `02`},
		{"-64 (the specification's)", `"int"`, `-64`, `7f`},
		{"64 (the specification's)", `"int"`, `64`, `8001`},
		{"a string (the specification's)", `"string"`, `"foo"`, `06666f6f`},
		{"a logical type that is invalid is none", `{"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}`, `"a"`, `0261`},
		{"one without its precision", `{"type": "fixed", "name": "F", "size": 1, "logicalType": "decimal"}`, `"a"`, `61`},
		{"one with half a digit", `["null", {"type": "bytes", "logicalType": "decimal", "precision": 2.4}]`, `{"bytes": "a"}`, `020261`},
		{"one of a field", `{"type": "record", "name": "R", "fields": [{"name": "f", "type": "bytes", "logicalType": "decimal", "precision": -2}]}`, `{"f": "a"}`, `0261`},
		{"a namespace that is null", `{"type": "record", "name": "n.R", "fields": [{"name": "f", "type": ["null", {"type": "fixed", "name": "F", "namespace": null, "size": 1}]}]}`, `{"f": {"n.F": "a"}}`, `0261`},
		{"a record (the specification's)", ab, `{"a": 27, "b": "foo"}`, `3606666f6f`},
		{"the members in another order", ab, `{"b": "foo", "a": 27}`, `3606666f6f`},
		{"an enum (the specification's)", foo, `"D"`, `06`},
		{"an array (the specification's)", `{"type": "array", "items": "long"}`, `[3, 27]`, `04063600`},
		{"a union's null (the specification's)", `["null", "string"]`, `null`, `00`},
		{"a union's branch (the specification's)", `["null", "string"]`, `{"string": "a"}`, `020261`},
		{"null", `"null"`, `null`, ``},
		{"true", `"boolean"`, `true`, `01`},
		{"false", `"boolean"`, `false`, `00`},
		{"float", `"float"`, `1.5`, `0000c03f`},
		{"double", `"double"`, `-2`, `00000000000000c0`},
		{"not a number", `"double"`, `"NaN"`, `010000000000f87f`},
		{"infinity", `"float"`, `"-Infinity"`, `000080ff`},
		{"bytes", `"bytes"`, `"\u00ff\u0000a"`, `06ff0061`},
		{"a string is UTF-8", `"string"`, `"ÿ😀\ud83d\ude00"`, `14c3bff09f9880f09f9880`},
		{"fixed", `{"type": "fixed", "name": "F", "size": 2}`, `"\u0001\u0080"`, `0180`},
		{"an empty array", `{"type": "array", "items": "long"}`, `[]`, `00`},
		{"a map, its keys in order", `{"type": "map", "values": "int"}`, `{"b": 2, "a": 1}`, `040261020262` + `0400`},
		{"a recursive schema", tree, `{"v": 1, "next": {"x.y.N": {"v": 2}}}`, `02020400`},
		{"branches by their full names", `{"type": "array", "items": ` + named + `}`, `[{"f": {"n.F": "ab"}}, {"f": {"m.E": "S"}}, {"f": {"string": ""}}]`, `0602616204000000` + `00`},
		{"a long that no float64 has", `"long"`, `9007199254740993`, `8280808080808020`},
		{"the largest long", `"long"`, `9223372036854775807`, `feffffffffffffffff01`},
		{"the smallest", `"long"`, `-9223372036854775808`, `ffffffffffffffffff01`},
		{"an integer that is written as a decimal", `"long"`, `2.50e1`, `32`},
		{"the largest long in another way", `"long"`, `9.223372036854775807e18`, `feffffffffffffffff01`},
		{"a decimal is the bytes of its unscaled value", `{"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}`, `"\u0004\u00d2"`, `0404d2`},
		{"a time is its number", `{"type": "long", "logicalType": "timestamp-millis"}`, `1`, `02`},
		{"defaults", fills, `{}`, `82808080808080` + `20` + `02ff` + `000278` + `02026b0000c03f00`},
		{"an unnamed default's place is taken by the value", fills, `{"l": 0, "b": "", "u": null, "r": {"m": {}}}`, `00` + `00` + `02` + `00`},

		{"a long that is too large", `"long"`, `9223372036854775808`, `the value is out of the range of 64 bits`},
		{"an int that is too large", ab[:0] + `{"type": "array", "items": "int"}`, `[1, 2147483648]`, `/1 is out of the range of 32 bits`},
		{"an int that is too large, as a decimal", `"int"`, `2147483648.0`, `the value is out of the range of 32 bits`},
		{"a fraction", `"int"`, `1.5`, `the value must be a whole number`},
		{"a float that is too large", `"float"`, `1e39`, `the value is out of the range of a float`},
		{"a double that is too large", `"double"`, `1e309`, `the value is out of the range of a double`},
		{"an exponent without end", `"long"`, `1e1000000000`, `the value is a number with more than 400 characters or an exponent beyond 400`},
		{"text that is not a number", `"double"`, `"1"`, `the value must be number, is string`},
		{"a missing field", ab, `{"a": 1}`, `the value has no "b"`},
		{"a field that there is not", tree, `{"v": 1, "next": {"x.y.N": {"v": 1, "z": 1, "y": 2}}}`, `/next/x.y.N has properties that are not in the schema: "y, z"`},
		{"a union's value without its branch", `["null", "string"]`, `"a"`, `the value must be null or {"string": …}, is string`},
		{"a branch that there is not", named, `{"f": {"F": "ab"}}`, `/f must be {"string": …} or {"n.F": …} or {"m.E": …}, is object`},
		{"two branches", `["null", "string", "int"]`, `{"string": "a", "int": 1}`, `the value must be null or {"string": …} or {"int": …}, is object`},
		{"null in a branch of its own", `["null", "string"]`, `{"null": null}`, `the value must be null or {"string": …}, is object`},
		{"a symbol that there is not", foo, `"E"`, `the value is none of the symbols of the enum "Foo"`},
		{"a wrong size", `{"type": "fixed", "name": "F", "size": 2}`, `"abc"`, `the value must have 2 bytes, has 3`},
		{"a character that is no byte", `"bytes"`, `"ā"`, `the value must have characters up to U+00FF only, one for each byte`},
		{"half a surrogate pair", `"string"`, `"\ud800"`, `the value has half of a surrogate pair, such as \ud800, which is no character`},
		{"a name twice", ab, `{"a": 1, "a": 2, "b": ""}`, `the value has an object with the same name twice`},
		{"a place in a map", `{"type": "map", "values": {"type": "array", "items": "boolean"}}`, `{"a/b": [true, 1]}`, `/a~1b/1 must be boolean, is number`},
		{"no JSON", ab, `{`, `the value is not JSON: unexpected EOF`},
	} {
		t.Run(c.what, func(t *testing.T) {
			if got := encodedAs(mustCompileText(t, Avro, c.schema), c.value); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestAvroSchemasThatCannotBeUsed(t *testing.T) {
	for _, c := range []struct{ what, schema, want string }{
		{"no JSON", `{`, `it is not JSON`},
		{"no schema", `{"type": "records"}`, `it is no Avro schema: `},
		{"a type that there is not", `{"type": "array", "items": "x.Y"}`, `it is no Avro schema: `},
		{"a default without end", `{"type": "record", "name": "A", "fields": [{"name": "a", "type": "A", "default": {}}]}`, `default`},
		{"levels", strings.Repeat(`{"type": "array", "items": `, 60) + `"int"` + strings.Repeat("}", 60), `it has more than 50 arrays and objects inside one another`},
		{"size", `{"type": "fixed", "name": "F", "size": 1, "doc": "` + strings.Repeat("x", 1<<20) + `"}`, `more than 1048576 bytes`},
	} {
		t.Run(c.what, func(t *testing.T) {
			if _, err := CompileText(Name{Format: Avro, Message: ""}, []byte(c.schema)); kindOf(err) != KindConfiguration || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// A few bytes must not become a large value: by defaults that hold others twice, and those again.
func TestAvroDefaultsAreBounded(t *testing.T) {
	b := strings.Builder{}
	b.WriteString(`[{"type": "record", "name": "R0", "fields": [{"name": "a", "type": "string", "default": "x"}]}`)
	for i := range 40 {
		fmt.Fprintf(&b, `, {"type": "record", "name": "R%d", "fields": [{"name": "a", "type": "R%d", "default": {}}, {"name": "b", "type": "R%[2]d", "default": {}}]}`, i+1, i)
	}
	b.WriteString("]")
	if _, err := CompileText(Name{Format: Avro, Message: ""}, []byte(b.String())); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v", err)
	}
	b.Reset()
	b.WriteString(`[{"type": "enum", "name": "A0", "symbols": ["x"]}, {"type": "enum", "name": "B0", "symbols": ["x"]}`)
	for i := range 40 {
		fmt.Fprintf(&b, `, {"type": "record", "name": "A%d", "fields": [{"name": "f", "type": ["A%d", "B%[2]d"]}]}, {"type": "record", "name": "B%[1]d", "fields": [{"name": "f", "type": ["A%[2]d", "B%[2]d"]}]}`, i+1, i)
	}
	b.WriteString(`, {"type": "record", "name": "R", "fields": [{"name": "f", "type": "A40", "default": ` + strings.Repeat(`{"f": `, 40) + `"y"` + strings.Repeat("}", 40) + `}]}]`)
	if _, err := CompileText(Name{Format: Avro, Message: ""}, []byte(b.String())); err == nil || !strings.Contains(err.Error(), "too many steps") {
		t.Errorf("got %v", err)
	}
	s := mustCompileText(t, Avro, `{"type": "array", "items": {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string", "default": "`+strings.Repeat("x", 100_000)+`"}]}}`)
	if got := encodedAs(s, "["+strings.Repeat("{},", 1000)+"{}]"); !strings.Contains(got, "too large") {
		t.Errorf("%d bytes", len(got)/2)
	}
	b.Reset()
	b.WriteString(`{"type": "array", "items": {"type": "record", "name": "R", "fields": [{"name": "f", "type": "null", "default": null}`)
	for i := range 1000 {
		fmt.Fprintf(&b, `, {"name": "f%d", "type": "null", "default": null}`, i)
	}
	s = mustCompileText(t, Avro, b.String()+"]}}")
	for n, want := range map[int]string{1000: "d00f00", 2000: "takes too many steps to write"} {
		if got := encodedAs(s, "["+strings.Repeat("{},", n-1)+"{}]"); !strings.Contains(got, want) {
			t.Errorf("%d records that have nothing: got %s", n, got)
		}
	}
}

// FuzzAvro reads what is written back by the library's decoder: it takes all of it, and writes the same again.
func FuzzAvro(f *testing.F) {
	const text = `{"type": "record", "name": "R", "namespace": "n", "fields": [
		{"name": "u", "type": ["null", "boolean", "int", "long", "float", "double", "bytes", "string", {"type": "enum", "name": "E", "symbols": ["A", "B"]}, {"type": "fixed", "name": "F", "size": 2}, {"type": "array", "items": "n.R"}, {"type": "map", "values": "n.R"}, "n.R"], "default": null},
		{"name": "l", "type": "long", "default": 7}]}`
	s, library := mustCompileText(f, Avro, text), avro.MustParse(text)
	for _, seed := range []string{`{}`, `{"u": {"array": [{"u": {"bytes": "\u00ff"}}, {"u": {"n.R": {"l": 1e3}}}]}}`, `{"u": {"map": {"a": {"u": {"double": 1e300}}, "b": {"u": {"n.E": "B"}}}}}`,
		`{"u": {"string": "\ud800"}}`, `{"u": {"n.F": "ab"}, "l": -0}`, `{"u": {"float": "NaN"}}`, `{"l": 1e1000000}`, `[1`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		encoded, found, _ := encode(s, value, -1, 1<<20)
		if len(found) > 0 {
			return
		}
		var v any
		rest, err := library.Decode(encoded, &v, avro.TaggedUnions())
		if err != nil || len(rest) > 0 {
			t.Fatalf("%s: %x: %v, %d bytes are left", value, encoded, err, len(rest))
		}
		again, err := library.EncodeJSON(v, avro.TaggedUnions())
		if err != nil {
			t.Fatalf("%s: %v", value, err)
		}
		if twice, found, _ := encode(s, again, -1, 1<<20); found != nil || !bytes.Equal(twice, encoded) {
			t.Errorf("%s is %x, and %s is %x, %v", value, encoded, again, twice, found)
		}
	})
}
