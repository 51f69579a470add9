package schema

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kafkaupstream/kafkaupstream/internal/schema/guard"
)

// avroType is a type of an Avro schema, as a value is written by it.
type avroType struct {
	kind     string // null, boolean, int, long, float, double, bytes, string, record, enum, array, map, fixed, union
	label    string // what names it in a union: the kind, or its full name
	fields   []*avroField
	byName   map[string]int // of fields, symbols or branches: the index
	branches []*avroType
	of       *avroType // the type of items or values
	size     int       // of fixed, in bytes
}

type avroField struct {
	name     string
	of       *avroType
	optional bool // it has a default
	given    any  // the default, as encoding/json has it
	written  []byte
	state    int
}

// States of an avroField's default.
const (
	unwritten = iota
	beingWritten
	written
)

// encoded returns the form of the field's default.
func (f *avroField) encoded() ([]byte, error) {
	switch f.state {
	case written:
		return f.written, nil
	case beingWritten:
		return nil, misconfigured("the default of the field %s leads back to itself", guard.Quoted(f.name))
	}
	f.state = beingWritten
	w := avroWriter{limit: maxSchemaBytes, inDefault: true}
	if w.value(f.of, f.given); w.bad != nil {
		return nil, misconfigured("the default of the field %s cannot be used: %s", guard.Quoted(f.name), w.bad)
	}
	f.written, f.state = w.out, written
	return f.written, nil
}

// encode appends the value's binary form (Avro 1.12, Binary Encoding), of at most limit bytes.
func (t *avroType) encode(dst, value []byte, limit int) ([]byte, *Problem) {
	v, _, bad := decode(value, bounds{values: maxValues, depth: maxDepth})
	if bad != nil {
		return nil, bad
	}
	w := avroWriter{out: dst, limit: len(dst) + limit}
	if w.value(t, v); w.bad != nil {
		return nil, w.bad
	}
	return w.out, nil
}

func (t *avroType) appendIndex(dst []byte) []byte { return dst }

// avroWriter writes decoded JSON values in Avro's binary form, as Avro's JSON encoding has them: a union's value is null or an
// object with the name of its branch, and bytes are a string with a character up to U+00FF for each.
type avroWriter struct {
	out       []byte
	limit     int // of out, in bytes
	inDefault bool
	steps     int // that write nothing, or are taken in a default: of unions in unions there are many ways
	location  []string
	bad       *Problem // the first; nothing is written behind it
}

// refuse notes what is wrong with the value at the current place.
func (w *avroWriter) refuse(format string, args ...any) {
	if w.bad == nil {
		w.bad = &Problem{pointer(w.location), fmt.Sprintf(format, args...)}
	}
}

// at writes a part of the value.
func (w *avroWriter) at(token string, t *avroType, v any) {
	w.location = append(w.location, token)
	w.value(t, v)
	w.location = w.location[:len(w.location)-1]
}

func (w *avroWriter) value(t *avroType, v any) {
	if len(w.out) > w.limit {
		w.refuse("has a binary form that is too large")
	}
	if w.inDefault {
		w.step(minSteps)
	}
	if w.bad != nil {
		return
	}
	switch t.kind {
	case "null":
		if v != nil {
			w.expected("null", v)
		}
	case "union":
		w.union(t, v)
	case "record":
		w.record(t, v)
	case "array":
		w.array(t, v)
	case "map":
		w.mapOf(t, v)
	case "boolean":
		if b, ok := v.(bool); !ok {
			w.expected("boolean", v)
		} else if w.out = append(w.out, 0); b {
			w.out[len(w.out)-1] = 1
		}
	case "int", "long", "float", "double":
		w.number(t, v)
	default:
		w.text(t, v)
	}
}

func (w *avroWriter) step(most int) {
	if w.steps++; w.steps > most {
		w.refuse("takes too many steps to write")
	}
}

func (w *avroWriter) expected(what string, v any) {
	w.refuse("must be %s, is %s", what, guard.TypeOf(v))
}

func (w *avroWriter) long(n int64) { w.out = binary.AppendVarint(w.out, n) }

// union writes a value of one of the branches. A default is one of the first branch that takes it, and has no name with it.
func (w *avroWriter) union(t *avroType, v any) {
	if w.inDefault {
		w.firstBranch(t, v)
		return
	}
	if v == nil {
		if i, ok := t.byName["null"]; ok {
			w.long(int64(i))
			return
		}
	}
	object, _ := v.(map[string]any)
	for name, v := range object {
		if i, ok := t.byName[name]; ok && len(object) == 1 && name != "null" {
			w.long(int64(i))
			w.at(name, t.branches[i], v)
			return
		}
	}
	w.refuse("must be %s, is %s", unionForms(t), guard.TypeOf(v))
}

// unionForms says what a union's value looks like.
func unionForms(t *avroType) string {
	const shown = 5
	var forms []string
	for i, branch := range t.branches {
		switch {
		case i == shown:
			return strings.Join(forms, " or ") + fmt.Sprintf(" or one of %d other branches", len(t.branches)-shown)
		case branch.kind == "null":
			forms = append(forms, "null")
		default:
			forms = append(forms, `{`+guard.Quoted(branch.label)+`: …}`)
		}
	}
	return strings.Join(forms, " or ")
}

func (w *avroWriter) firstBranch(t *avroType, v any) {
	start := len(w.out)
	for i, branch := range t.branches {
		w.out = w.out[:start]
		w.long(int64(i))
		if w.value(branch, v); w.bad == nil {
			return
		}
		if i < len(t.branches)-1 && w.steps <= minSteps {
			w.bad = nil
		}
	}
}

func (w *avroWriter) record(t *avroType, v any) {
	object, ok := v.(map[string]any)
	if !ok {
		w.expected("object", v)
		return
	}
	known := 0
	for _, f := range t.fields {
		v, given := object[f.name]
		switch {
		case given:
			known++
			w.at(f.name, f.of, v)
		case !f.optional:
			w.refuse("has no %s", guard.Quoted(f.name))
		default:
			w.defaultOf(f)
		}
		if w.bad != nil {
			return
		}
	}
	if known == len(object) {
		return
	}
	var unknown []string
	for name := range object {
		if _, ok := t.byName[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	w.refuse("has properties that are not in the schema: %s", names(unknown))
}

// defaultOf writes the default of a field that the value leaves out.
func (w *avroWriter) defaultOf(f *avroField) {
	encoded, err := f.written, error(nil)
	if w.inDefault { // when schemas are compiled; later all of them are written
		encoded, err = f.encoded()
	}
	switch {
	case err != nil:
		w.refuse("%s", err.Error())
	case len(w.out)+len(encoded) > w.limit:
		w.refuse("has a binary form that is too large")
	case len(encoded) == 0: // which no limit of the form bounds
		w.step(maxSteps)
	default:
		w.out = append(w.out, encoded...)
	}
}

// array writes all items as one block.
func (w *avroWriter) array(t *avroType, v any) {
	items, ok := v.([]any)
	if !ok {
		w.expected("array", v)
		return
	}
	if len(items) > 0 {
		w.long(int64(len(items)))
	}
	for i, item := range items {
		if w.at(strconv.Itoa(i), t.of, item); w.bad != nil {
			return
		}
	}
	w.out = append(w.out, 0)
}

func (w *avroWriter) mapOf(t *avroType, v any) {
	object, ok := v.(map[string]any)
	if !ok {
		w.expected("object", v)
		return
	}
	if len(object) > 0 {
		w.long(int64(len(object)))
	}
	for _, name := range slices.Sorted(maps.Keys(object)) { // equal values have equal bytes
		w.long(int64(len(name)))
		w.out = append(w.out, name...)
		if w.at(name, t.of, object[name]); w.bad != nil {
			return
		}
	}
	w.out = append(w.out, 0)
}

func (w *avroWriter) number(t *avroType, v any) {
	n, isNumber := v.(json.Number)
	if s, ok := v.(string); ok && t.kind != "int" && t.kind != "long" && (s == "NaN" || s == "Infinity" || s == "-Infinity") {
		n, isNumber = json.Number(s), true // as Java's encoder writes them
	}
	if !isNumber {
		w.expected("number", v)
		return
	}
	switch t.kind {
	case "int", "long":
		bits := map[string]int{"int": 32, "long": 64}[t.kind]
		i, err := whole(n, bits)
		if err != nil {
			w.refuse("%s", err)
			return
		}
		w.long(i)
	case "float":
		f, err := strconv.ParseFloat(string(n), 32)
		if err != nil {
			w.refuse("is out of the range of a float")
			return
		}
		w.out = binary.LittleEndian.AppendUint32(w.out, math.Float32bits(float32(f)))
	case "double":
		f, err := strconv.ParseFloat(string(n), 64)
		if err != nil {
			w.refuse("is out of the range of a double")
			return
		}
		w.out = binary.LittleEndian.AppendUint64(w.out, math.Float64bits(f))
	}
}

// whole returns a number that is an integer of so many bits, however it is written: 1, 1.0 and 1e0 are equal in JSON.
func whole(n json.Number, bits int) (int64, error) {
	i, err := strconv.ParseInt(string(n), 10, bits)
	if err == nil {
		return i, nil
	}
	r, ok := new(big.Rat).SetString(string(n)) // of bounded length and exponent: decode has seen to it
	if !ok || !r.IsInt() {
		return 0, errNotWhole
	}
	if i = r.Num().Int64(); !r.Num().IsInt64() || bits == 32 && i != int64(int32(i)) {
		return 0, fmt.Errorf("is out of the range of %d bits", bits)
	}
	return i, nil
}

var errNotWhole = errors.New("must be a whole number")

// text writes what JSON has a string for.
func (w *avroWriter) text(t *avroType, v any) {
	s, ok := v.(string)
	if !ok {
		w.expected("string", v)
		return
	}
	switch t.kind {
	case "string":
		w.long(int64(len(s)))
		w.out = append(w.out, s...)
	case "enum":
		i, ok := t.byName[s]
		if !ok {
			w.refuse("is none of the symbols of the enum %s", guard.Quoted(t.label))
			return
		}
		w.long(int64(i))
	case "bytes", "fixed":
		n := utf8.RuneCountInString(s)
		switch {
		case t.kind == "bytes":
			w.long(int64(n))
		case n != t.size:
			w.refuse("must have %d bytes, has %d", t.size, n)
			return
		}
		for _, r := range s {
			if r > 0xff {
				w.refuse("must have characters up to U+00FF only, one for each byte")
				return
			}
			w.out = append(w.out, byte(r))
		}
	}
}
