package schema

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const protobufKinds = `syntax = "proto3";
package p;
import "google/protobuf/timestamp.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/any.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/duration.proto";
message M {
  enum E { ZERO = 0; ONE = 1; }
  int32 a = 1;
  string b = 2;
  M c = 3;
  int64 d = 4;
  bytes e = 5;
  repeated int32 f = 6;
  E g = 7;
  map<string, int32> h = 8;
  oneof o { string o_text = 9; int32 o_number = 10; }
  google.protobuf.Timestamp t = 11;
  google.protobuf.Struct s = 12;
  google.protobuf.Any any = 13;
  google.protobuf.Int64Value w = 14;
  float x = 15;
  google.protobuf.FieldMask mask = 16;
  google.protobuf.Duration lasts = 17;
  google.protobuf.Value v = 18;
  map<int64, M> deep = 19;
}`

// The bytes of the documentation's own examples (protobuf.dev, Encoding) are marked.
func TestProtobufValues(t *testing.T) {
	s := mustCompileText(t, Protobuf, protobufKinds)
	for _, c := range []struct{ what, value, want string }{
		{"nothing", `{}`, ``},
		{"150 (the documentation's)", `{"a": 150}`, `089601`},
		{"testing (the documentation's)", `{"b": "testing"}`, `120774657374696e67`},
		{"a message (the documentation's)", `{"c": {"a": 150}}`, `1a03089601`},
		{"a packed list (the documentation's)", `{"f": [3, 270, 86942]}`, `3206038e029ea705`},
		{"-2 (the documentation's)", `{"d": -2}`, `20feffffffffffffffff01`},
		{"a long that no float64 has", `{"d": 9007199254740993}`, `208180808080808010`},
		{"in a string, as Protobuf writes it", `{"d": "9007199254740993"}`, `208180808080808010`},
		{"an integer in another way", `{"a": 1.5e2}`, `089601`},
		{"bytes", `{"e": "AP8="}`, `2a0200ff`},
		{"an enum by its name", `{"g": "ONE"}`, `3801`},
		{"a map, its keys in order", `{"h": {"b": 2, "a": 1}}`, `42050a01611001` + `42050a01621002`},
		{"a oneof", `{"oNumber": 0}`, `5000`},
		{"a member by its name in the schema", `{"o_text": ""}`, `4a00`},
		{"null is as absent", `{"a": null, "c": null}`, ``},
		{"a time", `{"t": "1970-01-01T00:00:01.000000002Z"}`, `5a0408011002`},
		{"a wrapper", `{"w": "1"}`, `72020801`},
		{"any JSON", `{"s": {"k": [true]}}`, `620d0a0b0a016b12063204` + `0a022001`},
		{"an Any", `{"any": {"@type": "type.googleapis.com/p.M", "a": 150}}`, `6a1e0a17747970652e676f6f676c65617069732e636f6d2f702e4d1203089601`},

		{"a member that there is not", `{"c": {"z": 1}}`, `/c/z is not what the schema takes: unknown field "z"`},
		{"a wrong type", `{"f": [1, {"a": 2}]}`, `/f/1 is not what the schema takes: invalid value for int32 field f: {`},
		{"a text", `{"a": "x"}`, `/a is not what the schema takes: invalid value for int32 field a: "x"`},
		{"an int that is too large", `{"a": 2147483648}`, `/a is not what the schema takes: invalid value for int32 field a: 2147483648`},
		{"a long that is too large", `{"deep": {"5": {"d": 9223372036854775808}}}`, `/deep/5/d is not what the schema takes: invalid value for int64 field d: 9223372036854775808`},
		{"a fraction", `{"a": 1.5}`, `/a is not what the schema takes: invalid value for int32 field a: 1.5`},
		{"an exponent without end", `{"a": 1e1000000000}`, `/a is not what the schema takes: invalid value for int32 field a: 1e1000000000`},
		{"a float that is too large", `{"x": 1e39}`, `/x is not what the schema takes: invalid value for float field x: 1e39`},
		{"two of a oneof", `{"oText": "", "oNumber": 1}`, `/oNumber is not what the schema takes: error parsing "oNumber", oneof p.M.o is already set`},
		{"a member twice", `{"oText": "", "o_text": ""}`, `/o_text is not what the schema takes: duplicate field "o_text"`},
		{"a key of a map twice", `{"h": {"a": 1, "a": 2}}`, `/h/a is not what the schema takes: duplicate map key "a"`},
		{"an enum's name that there is not", `{"g": "TWO"}`, `/g is not what the schema takes: invalid value for enum field g: "TWO"`},
		{"no message", `[]`, `the value is not what the schema takes: unexpected token [`},
		{"an Any of a type that is not in the schema", `{"any": {"@type": "type.googleapis.com/x.Y"}}`, `/any/@type is not what the schema takes: unable to resolve "type.googleapis.com/x.Y": "not found"`},
		{"half a surrogate pair", `{"b": "\ud800"}`, `the value has half of a surrogate pair, such as \ud800, which is no character`},
		{"a long text is cut", `{"a": "` + strings.Repeat("y", 90) + `"}`, `/a is not what the schema takes: invalid value for int32 field a: "` + strings.Repeat("y", 38) + `…`},
		{"levels", `{"s": {"a": ` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}}`, `the value has more than 100 arrays and objects inside one another`},
	} {
		t.Run(c.what, func(t *testing.T) {
			if got := encodedAs(s, c.value); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// The index of a message is behind the id: of the first one the byte 0, of others a length and the way to it.
func TestProtobufMessageByItsName(t *testing.T) {
	const text = `syntax = "proto3"; package p.q; message A { message B { message C { int32 a = 1; } } } message D { message E {} message F { int32 a = 1; } }`
	for name, want := range map[string]string{"": "0000000001" + "00", "A": "0000000001" + "00", "p.q.A": "0000000001" + "00", "A.B": "0000000001" + "040000",
		"p.q.A.B.C": "0000000001" + "06000000", "D": "0000000001" + "0202", "D.F": "0000000001" + "040202"} {
		s, err := CompileText(Name{Format: Protobuf, Message: name}, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if encoded, found, _ := encode(s, []byte(`{}`), 1, 100); found != nil || hex.EncodeToString(encoded) != want {
			t.Errorf("%s: got %x, want %s", name, encoded, want)
		}
	}
	for _, name := range []string{"Z", "A.Z", "q.A", "p.q", "."} {
		if _, err := CompileText(Name{Format: Protobuf, Message: name}, []byte(text)); kindOf(err) != KindConfiguration {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestProtobufSchemasThatCannotBeUsed(t *testing.T) {
	for _, c := range []struct{ what, schema, want string }{
		{"no schema", `{"type": "object"}`, `it is no Protobuf schema: schema:1:1: syntax error`},
		{"no message", `syntax = "proto3";`, `it has no message`},
		{"an import that is not there", `syntax = "proto3"; import "/etc/passwd"; message M {}`, `it is no Protobuf schema: `},
		{"itself", `syntax = "proto3"; import "schema"; message M {}`, `it is no Protobuf schema: `},
		{"a type that is not there", `syntax = "proto3"; message M { N n = 1; }`, `it is no Protobuf schema: `},
	} {
		t.Run(c.what, func(t *testing.T) {
			if _, err := CompileText(Name{Format: Protobuf, Message: ""}, []byte(c.schema)); kindOf(err) != KindConfiguration || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// Within these bounds a schema is compiled in seconds; without them 48 kB took minutes, and a hundred lines of public imports an age.
func TestProtobufSchemaIsBounded(t *testing.T) {
	const head = `syntax = "proto2"; import "google/protobuf/descriptor.proto"; message X { optional X x = 1; optional bool not = 2; } extend google.protobuf.MessageOptions { optional X o = 50000; }`
	option := func(levels int) string { // below the message's
		return head + "message M { option (o) = " + strings.Repeat("{x:", levels-2) + "{}" + strings.Repeat("}", levels-2) + "; }"
	}
	ranges := func(n int) string { return strings.Repeat("3,", n) }
	for _, c := range []struct {
		what, refused string // "": not
		texts         []string
	}{
		{"levels of an option", "", []string{option(50)}},
		{"too many levels of an option", "it has more than 50 braces and brackets inside one another", []string{option(51)}},
		{"in another bracket", "it has more than 50 braces and brackets inside one another", []string{`message M { option (o) = ` + strings.Repeat("<x:[", 25)}},
		{"in an imported file", "it has more than 50 braces and brackets inside one another", []string{option(51), `message M {}`}},
		{"braces of strings and comments", "", []string{`syntax = "proto3"; message M { string a = 1 [json_name = "\"` + strings.Repeat("{", 99) + `"]; // ` + strings.Repeat("{", 99) + "\n/* \"" + strings.Repeat("{", 99) + ` */ }`}},
		{"a name", "", []string{`syntax = "proto3"; message ` + strings.Repeat("M", 255) + ` {}`}},
		{"too long a name", "it has a name of more than 255 bytes", []string{`syntax = "proto3"; message ` + strings.Repeat("M", 256) + ` {}`}},
		{"too long a name, in parts", "it has a name of more than 255 bytes", []string{head + `message M { option (o).` + strings.Repeat("x /**/ . ", 127) + `not = true; }`}},
		{"too long a name, in brackets", "it has a name of more than 255 bytes", []string{head + `message M { option (o)` + strings.Repeat(".(o)", 128) + ` = true; }`}},
		{"words and signs", "", []string{`syntax = "proto3"; message M {` + strings.Repeat(";", 49992) + `}`}},
		{"too many words and signs", "the schema and its references have more than 50000 words and signs", []string{`syntax = "proto3"; message M {` + strings.Repeat(";", 49993) + `}`}},
		{"in two files", "the schema and its references have more than 50000 words and signs", []string{`syntax = "proto3";` + strings.Repeat(";", 25000), `syntax = "proto3"; message M {` + strings.Repeat(";", 25000) + `}`}},
		{"too many comments", "the schema and its references have more than 50000 words and signs", []string{`syntax = "proto3"; message M {` + strings.Repeat("/**/", 50000) + `}`}},
		{"options of many ranges", "the schema and its references have more than 50000 words and signs",
			[]string{`syntax = "proto2"; message M { extensions ` + ranges(1000) + `9 [verification = UNVERIFIED, declaration = {` + strings.Repeat("reserved: true ", 20) + `}]; }`}},
		{"many ranges, and other options", "", []string{head + ` message R { extensions 5 to 6,8; option (o) = {x: {}}; extensions 9, 11; }`}},
	} {
		t.Run(c.what, func(t *testing.T) {
			parts := []part{}
			for i, text := range c.texts {
				parts = append(parts, part{fmt.Sprint("file", i), text})
			}
			_, err := compileParts(t.Context(), Protobuf, parts, "")
			if c.refused == "" && err == nil {
				return
			}
			if kindOf(err) != KindConfiguration || err.Error() != c.refused {
				t.Errorf("got %v, want %s", err, c.refused)
			}
		})
	}
}

// The compiler looks for a name in all ways through public imports, which here each file doubles.
func TestProtobufPublicImportsAreBounded(t *testing.T) {
	chain := func(n int) (parts []part) {
		for i := range n {
			text := `syntax = "proto3";`
			for j := range i {
				text += fmt.Sprintf(`import /**/ public "f%d";`, j)
			}
			parts = append(parts, part{fmt.Sprint("f", i), text})
		}
		return append(parts, part{"", fmt.Sprintf(`syntax = "proto3"; import "f%d"; message M {}`, n-1)})
	}
	if _, err := compileParts(t.Context(), Protobuf, chain(4), ""); err != nil { // 1·2·3·4 ways at most
		t.Errorf("got %v", err)
	}
	if _, err := compileParts(t.Context(), Protobuf, chain(5), ""); kindOf(err) != KindConfiguration || err.Error() != "the schema and its references have too many public imports" {
		t.Errorf("got %v", err)
	}
}

func TestProtobufSchemaThatIsNotCompiledInTimeIsUnavailable(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := compileParts(ctx, Protobuf, []part{{text: protobufKinds}}, ""); kindOf(err) != KindUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestProtobufRequiredFieldIsMissing(t *testing.T) {
	s := mustCompileText(t, Protobuf, `syntax = "proto2"; package p; message M { required int32 a = 1; optional int32 b = 2 [default = 7]; }`)
	if got := encodedAs(s, `{"b": 1}`); got != `the value is not what the schema takes: required field p.M.a not set` {
		t.Errorf("got %s", got)
	}
	if got := encodedAs(s, `{"a": 1}`); got != `0801` { // a default is the reader's
		t.Errorf("got %s", got)
	}
}

// Protobuf's libraries differ there: null is a value of that type, and for a list of another type no list.
func TestProtobufListOfValuesIsNotNull(t *testing.T) {
	s := mustCompileText(t, Protobuf, `syntax = "proto3"; import "google/protobuf/struct.proto"; message M { repeated google.protobuf.Value v = 1; repeated int32 i = 2; }`)
	if got := encodedAs(s, `{"v": null}`); got != `/v is not what the schema takes: unexpected token null` {
		t.Errorf("got %s", got)
	}
	if got := encodedAs(s, `{"v": [null], "i": null}`); got != `0a020800` {
		t.Errorf("got %s", got)
	}
}

// A body is no longer on its way than its size accounts for, whatever it nests.
func TestProtobufNestedAnyIsReadInTime(t *testing.T) {
	s := mustCompileText(t, Protobuf, protobufKinds)
	value := strings.Repeat(`{"any": {"@type": "p.M", "any": `, 30) + `{"@type": "p.M", "b": "` + strings.Repeat("x", 1<<20) + `"}` + strings.Repeat(`}}`, 30)
	began := time.Now()
	encodedAs(s, value)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// FuzzProtobuf reads what is written back: it is a message, whose JSON is written in the same way again.
func FuzzProtobuf(f *testing.F) {
	s := mustCompileText(f, Protobuf, protobufKinds)
	message := s.binary.(*protobufType)
	for _, seed := range []string{`{}`, `{"a": 1, "c": {"d": "7", "h": {"a": 1}}, "oText": "x"}`, `{"t": "2026-11-22T10:00:00Z", "lasts": "1.5s", "mask": "a,bC"}`, `{"any": {"@type": "p.M", "any": {"@type": "google.protobuf.Duration", "value": "1s"}}}`,
		`{"s": {"k": [null, true, {"z": 1e300}]}, "v": null, "x": "NaN"}`, `{"deep": {"-1": {}}}`, `{"a": 1e1000000}`, `[1`, `{"z":"\ud800"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		encoded, found, _ := encode(s, value, -1, 1<<20)
		if len(found) > 0 {
			return
		}
		m := message.message.New().Interface()
		if err := proto.Unmarshal(encoded, m); err != nil {
			t.Fatalf("%s: %x: %v", value, encoded, err)
		}
		again, err := protojson.MarshalOptions{Resolver: message.types}.Marshal(m)
		if err != nil {
			return // of a Value of infinity, which JSON does not have
		}
		if twice, found, _ := encode(s, again, -1, 1<<20); found == nil && !bytes.Equal(twice, encoded) {
			t.Errorf("%s is %x, and %s is %x", value, encoded, again, twice)
		}
	})
}
