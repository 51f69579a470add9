package interop

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// protobufType is a field's type, and its values. A zero is left out where a field does not say whether it is there.
type protobufType struct {
	name  string
	value func() (v pair, zero bool)
}

// protobufWriter writes the text of a file, its messages inside one another.
type protobufWriter struct {
	*generator
	text     strings.Builder
	level    int
	imported []protobufType
}

func (w *protobufWriter) line(format string, args ...any) {
	fmt.Fprintf(&w.text, strings.Repeat("  ", w.level)+format+"\n", args...)
}

func (g *generator) protobufSample() sample {
	s := sample{name: g.name("protobuf-"), format: "protobuf"}
	w := g.protobufFile([]string{"", "top.level"}[g.IntN(2)])
	if g.IntN(3) == 0 {
		imported := g.protobufFile("imported.from")
		m := imported.message(0)
		m.name = "imported.from." + m.name
		w.imported = append(w.imported, m)
		path := "imported/" + g.name("file") + ".proto"
		w.line(`import "%s";`, path)
		s.references = []reference{{path, imported.text.String()}}
	}
	var messages []protobufType
	for range 1 + g.IntN(3) {
		messages = append(messages, w.message(2))
	}
	m := messages[0]
	if g.bool() { // the first is the default
		m = messages[g.IntN(len(messages))]
		s.message = m.name
	}
	if g.IntN(4) == 0 {
		outer := g.name("Outer")
		w.line("message %s {", outer)
		w.level++
		w.message(0)
		m = w.message(1)
		w.level--
		w.line("}")
		s.message = outer + "." + m.name
	}
	s.text = w.text.String()
	v, _ := m.value()
	s.sent, s.want = v.sent, v.want
	return s
}

// protobufFile is the beginning of a file.
func (g *generator) protobufFile(pkg string) *protobufWriter {
	w := &protobufWriter{generator: g}
	w.line(`syntax = "proto3";`)
	if pkg != "" {
		w.line("package %s;", pkg)
	}
	for _, file := range []string{"timestamp", "duration", "struct", "wrappers", "field_mask", "empty"} {
		w.line(`import "google/protobuf/%s.proto";`, file)
	}
	return w
}

// protobufField is a field, or several that are one by one set: a oneof.
type protobufField struct {
	name     string
	explicit bool // it says whether it is there
	of       protobufType
	others   []protobufField
}

// message writes a message whose fields are of types with at most so many levels below them.
func (w *protobufWriter) message(depth int) protobufType {
	name := w.name("M")
	w.line("message %s {", name)
	w.level++
	var fields []protobufField
	number := 0
	declare := func(label string, of protobufType) protobufField {
		number += 1 + w.IntN(2000)*w.IntN(2)
		f := protobufField{name: fmt.Sprintf("f%d_of_%s", number, []string{"it", "a1", "x_Y"}[w.IntN(3)]), of: of, explicit: label != ""}
		w.line("%s%s %s = %d;", label, of.name, f.name, number)
		return f
	}
	for range 1 + w.IntN(7) {
		switch w.IntN(6) {
		case 0:
			fields = append(fields, declare("optional ", w.single(depth)))
		case 1:
			of := []protobufType{w.single(depth), w.single(depth), w.single(depth)}
			w.line("oneof %s {", w.name("one"))
			w.level++
			f := declare("", of[0])
			f.explicit = true
			for _, t := range of[1:] {
				other := declare("", t)
				other.explicit = true
				f.others = append(f.others, other)
			}
			w.level--
			w.line("}")
			fields = append(fields, f)
		default:
			fields = append(fields, declare("", w.any(depth)))
		}
	}
	w.level--
	w.line("}")
	return protobufType{name, func() (pair, bool) { return w.valueOf(fields), false }}
}

func (w *protobufWriter) valueOf(fields []protobufField) pair {
	sent, want := object{}, object{}
	for _, f := range fields {
		if all := append(slices.Clone(f.others), f); f.others != nil {
			f = all[w.IntN(len(all))]
		}
		v, zero := f.of.value()
		if w.IntN(8) == 0 {
			if w.bool() && !strings.HasSuffix(f.of.name, "google.protobuf.Value") { // null is a value of it, and no list of it
				sent[f.name] = nil
			}
			continue
		}
		given := f.name
		if w.bool() {
			given = lowerCamel(f.name)
		}
		sent[given] = v.sent
		if f.explicit || !zero {
			want[lowerCamel(f.name)] = v.want
		}
	}
	return pair{sent, want}
}

// lowerCamel is a field's name in JSON, as the language guide has it.
func lowerCamel(name string) string {
	parts := strings.Split(name, "_")
	for i := 1; i < len(parts); i++ {
		parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
	}
	return strings.Join(parts, "")
}

// any is a type, a list or a map.
func (w *protobufWriter) any(depth int) protobufType {
	switch w.IntN(4) {
	case 0:
		of := w.single(depth)
		return protobufType{"repeated " + of.name, func() (pair, bool) {
			sent, want := []any{}, []any{}
			for range w.IntN(4) {
				v, _ := of.value()
				sent, want = append(sent, v.sent), append(want, v.want)
			}
			return pair{sent, want}, len(sent) == 0
		}}
	case 1:
		of := w.single(depth)
		kind := []string{"string", "int32", "sint64", "fixed64", "bool"}[w.IntN(5)]
		return protobufType{fmt.Sprintf("map<%s, %s>", kind, of.name), func() (pair, bool) {
			sent, want := object{}, object{}
			for range w.IntN(4) {
				v, _ := of.value()
				key := map[string]string{"string": w.generator.text(), "int32": strconv.FormatInt(w.integer(32), 10), "sint64": strconv.FormatInt(w.integer(64), 10),
					"fixed64": strconv.FormatUint(w.Uint64(), 10), "bool": strconv.FormatBool(w.bool())}[kind]
				sent[key], want[key] = v.sent, v.want
			}
			return pair{sent, want}, len(sent) == 0
		}}
	}
	return w.single(depth)
}

// single is a type that is neither a list nor a map.
func (w *protobufWriter) single(depth int) protobufType {
	switch n := w.IntN(10); {
	case n < 3 && depth > 0:
		return w.message(depth - 1)
	case n == 3 && len(w.imported) > 0:
		return w.imported[0]
	case n == 4:
		return w.enum()
	case n < 8:
		return w.wellKnown()
	}
	kind := w.scalarKind()
	return protobufType{kind, func() (pair, bool) { return w.scalar(kind) }}
}

func (w *protobufWriter) enum() protobufType {
	name := w.name("E")
	w.line("enum %s { %s_ZERO = 0; %s_ONE = 1; %s_FAR = -2147483648; }", name, name, name, name)
	return protobufType{name, func() (pair, bool) {
		i := w.IntN(3)
		v := same(name + []string{"_ZERO", "_ONE", "_FAR"}[i])
		if w.bool() {
			v.sent = []int{0, 1, -2147483648}[i]
		}
		return v, i == 0
	}}
}

func (w *protobufWriter) scalarKind() string {
	all := []string{"double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64", "bool", "string", "bytes"}
	return all[w.IntN(len(all))]
}

// scalar is a value, in one of the forms that Protobuf's JSON has for it, and whether it is zero.
func (w *protobufWriter) scalar(kind string) (v pair, zero bool) {
	switch kind {
	case "double", "float":
		bits := map[string]int{"double": 64, "float": 32}[kind]
		if w.IntN(8) == 0 {
			return same([]string{"NaN", "Infinity", "-Infinity"}[w.IntN(3)]), false
		}
		f := w.NormFloat64() * 1e9 * float64(w.IntN(8))
		return same(number(float64(float32(f)), bits)), f == 0 && !math.Signbit(f) // minus zero is no default
	case "int32", "sint32", "sfixed32":
		i := w.integer(32)
		return same(i), i == 0
	case "uint32", "fixed32":
		i := w.integer(33) & 0xffffffff
		return same(i), i == 0
	case "int64", "sint64", "sfixed64":
		i := w.integer(64)
		return w.long(big.NewInt(i)), i == 0
	case "uint64", "fixed64":
		i := uint64(w.integer(64))
		return w.long(new(big.Int).SetUint64(i)), i == 0
	case "bool":
		b := w.bool()
		return same(b), !b
	case "string":
		s := w.generator.text()
		return same(s), s == ""
	}
	b := w.bytes(w.IntN(9))
	v = same(base64.StdEncoding.EncodeToString(b))
	if w.bool() {
		v.sent = base64.RawURLEncoding.EncodeToString(b)
	}
	return v, len(b) == 0
}

// long is sent as a number or as a string.
func (w *protobufWriter) long(i *big.Int) pair {
	v := same(i.String())
	if w.bool() {
		v.sent = json.Number(i.String())
	}
	return v
}

// wellKnown is one of Google's types, which have JSON of their own.
func (w *protobufWriter) wellKnown() protobufType {
	name := []string{"Timestamp", "Duration", "Struct", "Value", "ListValue", "FieldMask", "Empty", "wrapper", "wrapper"}[w.IntN(9)]
	if name == "wrapper" {
		wrapped := []string{"double", "float", "int64", "uint64", "int32", "uint32", "bool", "string", "bytes"}[w.IntN(9)]
		name = map[string]string{"int64": "Int64", "uint64": "UInt64", "int32": "Int32", "uint32": "UInt32"}[wrapped]
		if name == "" {
			name = strings.ToUpper(wrapped[:1]) + wrapped[1:]
		}
		return protobufType{"google.protobuf." + name + "Value", func() (pair, bool) {
			v, _ := w.scalar(wrapped)
			return v, false
		}}
	}
	return protobufType{"google.protobuf." + name, func() (pair, bool) { return w.wellKnownValue(name), false }}
}

func (w *protobufWriter) wellKnownValue(name string) pair {
	switch name {
	case "Timestamp":
		t := w.moment()
		v := same(t.Format("2006-01-02T15:04:05") + w.nanoseconds() + "Z")
		if w.bool() {
			v.sent = t.In(time.FixedZone("", 2*3600)).Format("2006-01-02T15:04:05") + strings.TrimSuffix(strings.TrimPrefix(v.want.(string), t.Format("2006-01-02T15:04:05")), "Z") + "+02:00"
		}
		return v
	case "Duration":
		return same(fmt.Sprintf("%s%d%ss", []string{"", "-"}[w.IntN(2)], 1+w.Int64N(315576000000-1), w.nanoseconds()))
	case "Struct":
		return same(w.structValue(2))
	case "Value":
		return same(w.jsonValue(2))
	case "ListValue":
		return same([]any{w.jsonValue(1), w.jsonValue(1)})
	case "FieldMask":
		return same([]string{"", "a", "fooBar.b,c"}[w.IntN(3)])
	}
	return same(object{})
}

// nanoseconds has none, 3, 6 or 9 digits, as all of Protobuf's libraries print them.
func (w *protobufWriter) nanoseconds() string {
	return []string{"", ".120", ".000001", ".999999999"}[w.IntN(4)]
}

func (w *protobufWriter) structValue(depth int) object {
	v := object{}
	for range w.IntN(3) {
		v[w.generator.text()] = w.jsonValue(depth - 1)
	}
	return v
}

func (w *protobufWriter) jsonValue(depth int) any {
	switch n := w.IntN(7); {
	case n == 0:
		return nil
	case n == 1:
		return w.bool()
	case n == 2:
		return number(float64(w.IntN(1e6))/8, 64)
	case n == 3 && depth > 0:
		return w.structValue(depth)
	case n == 4 && depth > 0:
		return []any{w.jsonValue(depth - 1), w.jsonValue(depth - 1)}
	}
	return w.generator.text()
}
