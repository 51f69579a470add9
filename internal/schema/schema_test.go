package schema

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/schema/guard"
)

func mustCompile(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Compile([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate and encode are for those whom nobody keeps waiting.
func validate(s *Schema, value []byte) ([]Problem, int) {
	found, more, err := s.Validate(context.Background(), value)
	if err != nil {
		panic(err)
	}
	return found, more
}

func encode(s *Schema, value []byte, id, limit int) ([]byte, []Problem, int) {
	encoded, found, more, err := s.Encode(context.Background(), value, id, limit)
	if err != nil {
		panic(err)
	}
	return encoded, found, more
}

func sentences(found []Problem) []string {
	var all []string
	for _, p := range found {
		all = append(all, p.String())
	}
	return all
}

func TestValidate(t *testing.T) {
	const tree = `{"$ref": "#/$defs/n", "$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}, "v": {"type": "string"}}}}}`
	const union = `{"oneOf": [
		{"properties": {"kind": {"const": "card"}, "number": {"minLength": 4}}},
		{"properties": {"kind": {"const": "cash"}, "amount": {"minimum": 1}}}]}`
	for _, c := range []struct{ what, schema, value, want string }{
		{"a valid value has no problem", `{"type": "object"}`, `{}`, ``},
		{"the type", `{"type": ["string", "null"]}`, `1`, `the value must be null or string, is number`},
		{"the place is a JSON pointer", `{"properties": {"a/b": {"items": {"type": "string"}}}}`, `{"a/b": ["x", 1]}`, `/a~1b/1 must be string, is number`},
		{"what is missing", `{"required": ["b", "a"]}`, `{}`, `the value has no "a, b"`},
		{"what is not allowed", `{"additionalProperties": false}`, `{"y": 1, "x": 1}`, `the value has properties that are not allowed: "x, y"`},
		{"a constant", `{"const": "a"}`, `"b"`, `the value must be "a"`},
		{"one of few", `{"enum": [1, "a", null]}`, `2`, `the value must be one of 1, "a", null`},
		{"an enum of many is cut", `{"enum": [1, 2, 3, 4, 5, 6, 7]}`, `0`, `the value must be one of 1, 2, 3, 4, 5 and 2 others`},
		{"a pattern", `{"pattern": "^[a-z]{2,}$"}`, `"A"`, `the value must match "^[a-z]{2,}$"`},
		{"a bound that no float64 holds", `{"maximum": 9007199254740993}`, `9007199254740994`, `the value must be at most 9007199254740993`},
		{"a number that a float64 would round to the bound", `{"maximum": 9007199254740992}`, `9007199254740993`, `the value must be at most 9007199254740992`},
		{"a multiple in decimal digits", `{"multipleOf": 0.01}`, `0.07`, ``},
		{"a fraction as the bound", `{"exclusiveMinimum": 0.1}`, `0.1`, `the value must be more than 0.1`},
		{"items in their order, 2 before 10", `{"items": {"maximum": 5}}`, `[1,1,9,1,1,1,1,1,1,1,9]`, `/2 must be at most 5; /10 must be at most 5`},
		{"names after names", `{"additionalProperties": {"type": "null"}}`, `{"b": 1, "a": 1}`, `/a must be null, is number; /b must be null, is number`},
		{"the same problem twice is one", `{"allOf": [{"type": "null"}, {"type": "null"}]}`, `1`, `the value must be null, is number`},
		{"the alternative of the value's type is the one that was meant", `{"anyOf": [{"type": "null"}, {"type": "object", "required": ["a"]}]}`, `{}`, `the value has no "a"`},
		{"the alternative with the value's constant is the one that was meant", union, `{"kind": "cash", "number": "1", "amount": 0}`, `/amount must be at least 1`},
		{"no alternative that was meant", union, `{"kind": "coin"}`, `the value matches none of the alternatives (oneOf)`},
		{"two alternatives", `{"oneOf": [{"type": "number"}, {"minimum": 1}]}`, `1`, `the value matches the alternatives 0 and 1, must match one (oneOf)`},
		{"a recursive schema", tree, `{"next": {"next": {"v": 1}}}`, `/next/next/v must be string, is number`},
		{"the places of names that are not allowed", `{"items": {"propertyNames": {"maxLength": 1}}}`, `[{"aa": 1}, {"a": 1}, {"bb": 1}]`,
			`/0 has a property whose name is not allowed: "aa"; /2 has a property whose name is not allowed: "bb"`},
		{"equal objects whatever the order", `{"uniqueItems": true}`, `[{"a": 1, "b": [2]}, 1, {"b": [2.0], "a": 1e0}]`, `the value has equal items at 0 and 2`},
		{"items that only look equal", `{"uniqueItems": true}`, `[1, "1", true, "true", null, "null", [], {}, ["a", "b"], ["ab"], [["a"], "b"], -1]`, ``},
		{"zero is zero", `{"uniqueItems": true}`, `[0, -0]`, `the value has equal items at 0 and 1`},
		{"unique items in vain are no matter elsewhere", `{"not": {"uniqueItems": true}}`, `[1, 1]`, ``},
		{"$dynamicRef", `{"$dynamicAnchor": "n", "properties": {"c": {"$dynamicRef": "#n"}, "v": {"type": "null"}}}`, `{"c": {"v": 1}}`, `/c/v must be null, is number`},
		{"a format is a remark in 2020-12", `{"format": "date"}`, `"x"`, ``},
		{"and a rule in draft-07", `{"$schema": "http://json-schema.org/draft-07/schema#", "format": "date"}`, `"x"`, `the value must be of the format "date"`},
		{"a pattern that looks ahead and behind", `{"properties": {"a": {"pattern": "^(?!.*--)[a-z-]+(?<!-)$"}}}`, `{"a": "a-"}`, `/a must match "^(?!.*--)[a-z-]+(?<!-)$"`},
		{"as many characters as a pattern lets there be", `{"items": {"pattern": "^.{1,255}$"}}`, `[` + strings.Repeat(`"`+strings.Repeat("x", 200)+`",`, 149) + `""]`, `/149 must match "^.{1,255}$"`},
		{"as the longest does", `{"items": {"pattern": "^.{1,4096}$"}}`, `["` + strings.Repeat("x", 4096) + `", "` + strings.Repeat("x", 4097) + `"]`, `/1 must match "^.{1,4096}$"`},
		{"and one that looks ahead", `{"items": {"pattern": "^(?!.*--).{1,3000}$"}}`, `["` + strings.Repeat("x", 3000) + `", "` + strings.Repeat("x", 3001) + `"]`, `/1 must match "^(?!.*--).{1,3000}$"`},
		{"names that look ahead", `{"patternProperties": {"^(?!x-)": {"type": "null"}}}`, `{"x-a": 1, "a": 1}`, `/a must be null, is number`},
		{"the format regex is what a pattern can be", `{"$schema": "http://json-schema.org/draft-07/schema#", "items": {"format": "regex"}}`, `["a{2,}(?=b)", "(a)\\1", "(a)\\2"]`, `/2 must be of the format "regex"`},
		{"a pattern with a repetition is a regex", `{"$schema": "http://json-schema.org/draft-07/schema#", "format": "regex"}`, `"a{2,}"`, ``},
		{"a metaschema may be referred to", `{"$ref": "https://json-schema.org/draft/2020-12/schema"}`, `{"type": 1}`, `/type must be one of "array", "boolean", "integer", "null", "number" and 2 others`},
		{"false", `{"properties": {"a": false}}`, `{"a": 1}`, `/a is not allowed`},
	} {
		t.Run(c.what, func(t *testing.T) {
			found, more := validate(mustCompile(t, c.schema), []byte(c.value))
			if got := strings.Join(sentences(found), "; "); got != c.want || more != 0 {
				t.Errorf("got %s and %d more, want %s", got, more, c.want)
			}
		})
	}
}

// Every draft in turn: its own word for a thing works, and "format" is what the key says or else the draft.
func TestDrafts(t *testing.T) {
	for _, c := range []struct {
		draft, schema, valid, invalid string
		asserted                      bool
	}{
		{"http://json-schema.org/draft-04/schema#", `"maximum": 3, "exclusiveMaximum": true`, `2`, `3`, true},
		{"http://json-schema.org/draft-06/schema#", `"exclusiveMaximum": 3, "contains": {}`, `2`, `3`, true},
		{"http://json-schema.org/draft-07/schema#", `"if": {"type": "number"}, "then": {"maximum": 3}`, `3`, `4`, true},
		{"https://json-schema.org/draft/2019-09/schema", `"dependentRequired": {"a": ["b"]}`, `{"b": 1}`, `{"a": 1}`, false},
		{"https://json-schema.org/draft/2020-12/schema", `"prefixItems": [{"type": "number"}]`, `[1]`, `["a"]`, false},
	} {
		t.Run(c.draft, func(t *testing.T) {
			s := mustCompile(t, `{"$schema": "`+c.draft+`", `+c.schema+`}`)
			for value, want := range map[string]bool{c.valid: true, c.invalid: false} {
				if found, _ := validate(s, []byte(value)); (found == nil) != want {
					t.Errorf("%s: got %v", value, found)
				}
			}
			for formats, refused := range map[Formats]bool{FormatsOfDraft: c.asserted, FormatsAsserted: true, FormatsIgnored: false} {
				s, err := CompileText(Name{Format: JSONSchema, Formats: formats}, []byte(`{"$schema": "`+c.draft+`", "format": "ipv4"}`))
				if err != nil {
					t.Fatal(err)
				}
				if found, _ := validate(s, []byte(`"x"`)); (found != nil) != refused {
					t.Errorf("formats %d: got %v", formats, found)
				}
			}
		})
	}
}

func TestSchemaThatCannotBeChecked(t *testing.T) {
	s := mustCompile(t, `{"items": {"maximum": 1}}`)
	for _, c := range []struct{ what, value, want string }{
		{"no value", ``, `the value is not JSON: EOF`},
		{"half a value", `[1`, `the value is not JSON: unexpected EOF`},
		{"two values", `[] []`, `the value is not JSON: something follows the value`},
		{"something behind", `[]]`, `the value is not JSON: something follows the value`},
		{"no UTF-8", "\"\xff\"", `the value is not UTF-8`},
		{"a name twice", `{"a": 1, "a": 2}`, `the value has an object with the same name twice`},
		{"a name twice, written differently", `[{"a": 1, "\u0061": 2}]`, `the value has an object with the same name twice`},
		{"names and colons in strings", `{"a:\":{": "::", "b\\": ":"}`, ``},
		{"levels", strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), `the value has more than 100 arrays and objects inside one another`},
		{"values", "[" + strings.Repeat("1,", maxValues) + "1]", `the value has more than 250000 values`},
		{"an exponent that the library has no number for", `[1e1000001]`, `/0 is a number with more than 400 characters or an exponent beyond 400`},
		{"a negative one", `{"b": 1e-401, "a": {"c": [0, 1E-401]}}`, `/a/c/1 is a number with more than 400 characters or an exponent beyond 400`},
		{"an exponent that no int has", `[1e+99999999999999999999]`, `/0 is a number with more than 400 characters or an exponent beyond 400`},
		{"an exponent at the limit", `[1e-400]`, ``},
		{"digits", `[1` + strings.Repeat("0", maxNumber) + `]`, `/0 is a number with more than 400 characters or an exponent beyond 400`},
	} {
		t.Run(c.what, func(t *testing.T) {
			found, _ := validate(s, []byte(c.value))
			if got := strings.Join(sentences(found), "; "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestProblemsAreTheFirstTenInTheSameOrderEachTime(t *testing.T) {
	s := mustCompile(t, `{"additionalProperties": {"type": "null"}}`)
	var value []string
	for i := range 30 {
		value = append(value, fmt.Sprintf(`"p%02d": 1`, i))
	}
	text := []byte("{" + strings.Join(value, ",") + "}")
	for range 20 {
		found, more := validate(s, text)
		if len(found) != maxProblems || more != 20 {
			t.Fatalf("%d problems and %d more", len(found), more)
		}
		for i, p := range found {
			if p.Pointer != fmt.Sprintf("/p%02d", i) {
				t.Fatalf("problem %d is at %s", i, p.Pointer)
			}
		}
	}
}

func TestMessagesAndPointersAreShort(t *testing.T) {
	long := strings.Repeat("ü", 1000)
	for _, c := range []struct{ what, schema, value string }{
		{"a property that is not allowed", `{"additionalProperties": false}`, `{"` + long + `": 1}`},
		{"many", `{"additionalProperties": false}`, `{"` + long + `": 1, "` + long + `x": 1}`},
		{"the name of a property", `{"propertyNames": {"maxLength": 1}}`, `{"` + long + `": 1}`},
		{"a place", `{"additionalProperties": {"type": "null"}}`, `{"` + long + `": 1}`},
		{"a format", `{"$schema": "http://json-schema.org/draft-07/schema#", "format": "date"}`, `"` + long + `"`},
		{"a pattern", `{"pattern": "^a$"}`, `"` + long + `"`},
		{"a constant", `{"const": 1}`, `"` + long + `"`},
		{"a bad number in a place", `true`, `{"` + long + `": 1e999}`},
	} {
		t.Run(c.what, func(t *testing.T) {
			found, _ := validate(mustCompile(t, c.schema), []byte(c.value))
			if len(found) != 1 {
				t.Fatalf("%d problems", len(found))
			}
			if n := strings.Count(found[0].Message, "ü"); n > guard.MaxQuoted {
				t.Errorf("%d characters of the value in %s", n, found[0].Message)
			}
			if n := len(found[0].Pointer); n > maxPointer+len("…") {
				t.Errorf("a pointer of %d bytes", n)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	long := func(what string) (all string) { // patterns that differ
		for i := range 70 {
			all += fmt.Sprintf(`,{"pattern": "^%s{1,%d}$"}`, what, 1000+i)
		}
		return `{"allOf": [true` + all + `]}`
	}
	chain := `{"$defs": {"d0": true`
	for i := range guard.MaxChain {
		chain += fmt.Sprintf(`, "d%d": {"$ref": "#/$defs/d%d"}`, i+1, i)
	}
	for _, c := range []struct{ what, schema, want string }{
		{"no JSON", `{`, `it is not JSON: unexpected EOF`},
		{"no schema", `[]`, `it is no JSON Schema: at "#" must be boolean or object, is array`},
		{"a keyword's value", `{"properties": {"a": {"minLength": -1}}}`, `it is no JSON Schema: at "#/properties/a/minLength" must be at least 0`},
		{"two wrong keywords", `{"minLength": -1, "maxLength": -1}`, `it is no JSON Schema: at "#/maxLength" must be at least 0 (and 1 more)`},
		{"a remark that is none", `{"title": 1}`, `it is no JSON Schema: at "#/title" must be string, is number`},
		{"another dialect", `{"$schema": "http://example.com/my"}`, `it refers to "http://example.com/my", which is not a part of it; nothing is fetched`},
		{"a remote reference", `{"items": {"$ref": "http://169.254.169.254/x#/y"}}`, `it refers to "http://169.254.169.254/x", which is not a part of it; nothing is fetched`},
		{"a remote reference by its own id", `{"$id": "https://example.com/a/b", "$ref": "c"}`, `it refers to "https://example.com/a/c", which is not a part of it; nothing is fetched`},
		{"a file", `{"$ref": "file:///etc/hostname"}`, `it refers to "file:///etc/hostname", which is not a part of it; nothing is fetched`},
		{"another document", `{"$ref": "other.json"}`, `it refers to "other.json", which is not a part of it; nothing is fetched`},
		{"a dynamic remote reference", `{"$dynamicRef": "http://example.com/x"}`, `it refers to "http://example.com/x", which is not a part of it; nothing is fetched`},
		{"a reference to nothing", `{"$ref": "#/$defs/a"}`, `json-pointer in "#/$defs/a" not found`},
		{"a pattern with a back-reference to nothing", `{"properties": {"a/b": {"pattern": "^(?=a)b\\1"}}}`, `"#/properties/a~1b/pattern" is not a pattern that RE2 knows, or RE2 with look-around and back-references: invalid escape sequence: "\\1"`},
		{"a pattern of names", `{"patternProperties": {"(?>a)": true, "a": true}}`, `"#/patternProperties/(?>a)" is not a pattern that RE2 knows, or RE2 with look-around and back-references: invalid or unsupported Perl syntax: "(?>"`},
		{"a pattern that takes megabytes", `{"pattern": "((a{100}){100}){100}"}`, `"#/pattern" is not a pattern that RE2 knows, or RE2 with look-around and back-references: invalid repeat count: "{100}"`},
		{"a long pattern", `{"pattern": "` + strings.Repeat("a", guard.MaxPattern+1) + `"}`, `"#/pattern" is longer than 4096 bytes`},
		{"many long patterns", long("(?:ab|ba)"), `/pattern" makes the patterns of the schema more than 500000 instructions`},
		{"many patterns with many classes", long(`[` + strings.Repeat(`\\pL`, 20) + `]`), `/pattern" makes the patterns of the schema more than 500000 instructions`},
		{"a pattern with too many", `{"pattern": "[` + strings.Repeat(`\\pL`, 1000) + `]"}`, `"#/pattern" has more classes such as \pL, or of many characters whatever the case, than 100000 instructions stand for`},
		{"too many ranges of letters whatever the case", `{"pattern": "(?i)[` + strings.Repeat("B-𞥂", 600) + `]"}`, `"#/pattern" has more classes such as \pL, or of many characters whatever the case, than 100000 instructions stand for`},
		{"itself", `{"$ref": "#"}`, `"#" refers to itself for the same value`},
		{"itself in a circle", `{"properties": {"a": {"anyOf": [{"$ref": "#/properties/a"}]}}}`, ` refers to itself for the same value`},
		{"itself by an anchor", `{"$dynamicAnchor": "a", "not": {"$dynamicRef": "#a"}}`, ` refers to itself for the same value`},
		{"a long chain", chain + `}, "$ref": "#/$defs/d200"}`, `" begins a chain of more than 200 schemas for the same value`},
		{"the same key twice", `{"type": "null", "type": "object"}`, `it has an object with the same name twice`},
		{"size", `{"title": "` + strings.Repeat("a", maxSchemaBytes) + `"}`, `it is larger than 1048576 bytes`},
		{"values", `{"enum": [` + strings.Repeat("1,", maxSchemaValues) + `1]}`, `it has more than 10000 values`},
		{"levels", strings.Repeat(`{"not":`, maxSchemaDepth+1) + `true` + strings.Repeat("}", maxSchemaDepth+1), `it has more than 50 arrays and objects inside one another`},
		{"a number", `{"maximum": 1e1000001}`, `/maximum is a number with more than 400 characters or an exponent beyond 400`},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := Compile([]byte(c.schema))
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Kind != KindConfiguration {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(e.Reason, c.want) {
				t.Errorf("got %s, want %s", e.Reason, c.want)
			}
		})
	}
}

func TestHostileValuesCostLittle(t *testing.T) {
	// In whatever order members are looked at: one that tells the alternatives apart would end some of them early.
	const twice = `{"$ref": "#/$defs/n", "$defs": {"n": {"oneOf": [
		{"properties": {"c": {"$ref": "#/$defs/n"}}},
		{"properties": {"c": {"$ref": "#/$defs/n"}}}]}}}`
	var collisions strings.Builder
	for i := range 5_000 {
		fmt.Fprintf(&collisions, `["%s","%s"],`, strings.Repeat(`s\u0004`, i%100), strings.Repeat(`\u0004s`, 100-i%100))
	}
	deep := strings.Repeat(`{"c":`, 90) + `{}` + strings.Repeat("}", 90)
	texts := func(n int, format string) (all []string) {
		for i := range n {
			text := format
			if strings.Contains(format, "%") {
				text = fmt.Sprintf(format, i)
			}
			all = append(all, text)
		}
		return all
	}
	list := func(n int, format string) string { return strings.Join(texts(n, format), ",") }
	ten := func(format string) string { return strings.Join(texts(10, format), "; ") }
	for _, c := range []struct{ what, schema, value, want string }{
		{"alternatives that double at each level", twice, deep, `the value takes too many steps to validate`},
		{"a long text for a large pattern", `{"pattern": "(a|b|ab)*([ab]{2000}x|y)$"}`, `"` + strings.Repeat("ab", 1<<12) + `"`, `the value takes too many steps to validate`},
		{"for one of which little is tried", `{"pattern": "(a|b|ab)*(x{500}|y)$"}`, `"` + strings.Repeat("ab", 1<<15) + `"`, `the value must match "(a|b|ab)*(x{500}|y)$"`},
		{"a pattern that keeps others busy for ever", `{"pattern": "^(?=(a+)+$)(?=(a*)*$)(a|aa)+$"}`, `"` + strings.Repeat("a", 30_000) + `b"`, `the value must match "^(?=(a+)+$)(?=(a*)*$)(a|aa)+$"`},
		{"a long text for much look-around", `{"pattern": "` + strings.Repeat("(?=a)", 800) + `"}`, `"` + strings.Repeat("a", 1<<14) + `"`, `the value takes too many steps to validate`},
		{"many texts for much look-around", `{"items": {"pattern": "` + strings.Repeat("(?=(?:()()){200})", 90) + `"}}`, `[` + strings.Repeat(`"",`, 1000) + `""]`, `the value takes too many steps to validate`},
		{"a back-reference that can be tried in many ways", `{"pattern": "^(a+)+\\1$"}`, `"` + strings.Repeat("a", 30) + `b"`, `the value takes too many steps to validate`},
		{"in a long text", `{"pattern": "(?=(.*)(.*))(.*)*\\3b"}`, `"` + strings.Repeat("a", 1<<17) + `"`, `the value takes too many steps to validate`},
		{"many failures", `{"items": {"type": "null"}}`, `[` + strings.Repeat("1,", 130_000) + `1]`, `the value is not valid, and too large to say where`},
		{"items of one hash", `{"uniqueItems": true}`, `[` + collisions.String() + `0]`, `the value has equal items at 0 and 100`},
		{"a regex that would be compiled to a gigabyte", `{"$schema": "http://json-schema.org/draft-07/schema#", "format": "regex"}`, `"(?:` + strings.Repeat("()", 800) + `){1000}"`, `the value must be of the format "regex"`},
		{"many constants", `{"items": {"enum": [` + list(200, "%d") + `]}}`, `[` + list(30_000, "199") + `]`, ``},
		{"many constants that are alternatives", `{"items": {"oneOf": [` + list(400, `{"const": %d}`) + `]}}`, `[` + list(12_000, "400") + `]`, `the value takes too many steps to validate`},
		{"many alternatives of another type", `{"items": {"anyOf": [` + list(400, `{"type": "null"}`) + `]}}`, `[` + list(12_000, "400") + `]`, `the value takes too many steps to validate`},
		{"many that are just true", `{"items": {"allOf": [` + list(400, `true`) + `]}}`, `[` + list(12_000, "400") + `]`, `the value takes too many steps to validate`},
		{"many names that others may depend on", `{"items": {"dependentRequired": {` + list(3_000, `"%d": []`) + `}}}`, `[` + list(20_000, `{}`) + `]`, `the value takes too many steps to validate`},
		{"many names to be evaluated again and again", `{"unevaluatedProperties": {}, "allOf": [` + list(1_000, `true`) + `]}`, `{` + list(8_000, `"%d": 1`) + `}`, `the value takes too many steps to validate`},
		{"numbers that are kilobytes", `{"items": {"anyOf": [` + list(40, `{"type": "integer"}`) + `]}}`, `[` + list(5_000, "1e-400") + `]`, ten("/%d matches none of the alternatives (anyOf)")},
		{"numbers that are compared", `{"items": {"allOf": [` + list(20, `{"multipleOf": 7e-399}`) + `]}}`, `[` + list(1_000, "7e-399") + `]`, `the value takes too many steps to validate`},
		{"arrays in arrays that have unique items", `{"$dynamicAnchor": "n", "uniqueItems": true, "items": {"$dynamicRef": "#n"}}`, strings.Repeat("[", 90) + list(20_000, "%d") + strings.Repeat("]", 90), `the value takes too many steps to validate`},
		{"many failures to be sorted", `{"additionalProperties": {"type": "string"}}`, `{` + list(58_000, `"%05d": 1`) + `}`, ten("/%05d must be string, is number")},
		{"many failures at one place", `{"propertyNames": {"maxLength": 1}}`, `{` + list(40_000, `"%05d": 1`) + `}`, ten(`the value has a property whose name is not allowed: "%05d"`)},
		{"many failures that list many names", `{"items": {"required": [` + list(200, `"%d"`) + `]}}`, `[` + list(58_000, `{}`) + `]`, `the value takes too many steps to validate`},
		{"failures that list many names", `{"items": {"required": [` + list(200, `"%d"`) + `]}}`, `[` + list(3_000, `{}`) + `]`, ten(`/%d has no "0, 1, 10, 100, 101, 102, 103, 104, 105,…"`)},
		{"regexes with many classes", `{"$schema": "http://json-schema.org/draft-07/schema#", "items": {"format": "regex"}}`, `[` + list(60, `"[`+strings.Repeat(`\\pL`, 200)+`]"`) + `]`, `the value takes too many steps to validate`},
		{"with more than there may be", `{"$schema": "http://json-schema.org/draft-07/schema#", "items": {"format": "regex"}}`, `[` + list(60, `"[`+strings.Repeat(`\\pL`, 260)+`]"`) + `]`, `the value takes too many steps to validate`},
		{"with ranges of letters whatever the case", `{"$schema": "http://json-schema.org/draft-07/schema#", "items": {"format": "regex"}}`, `[` + list(200, `"(?i)[B-𞥂C-\\x{1E942}]"`) + `]`, `the value takes too many steps to validate`},
		{"that are repeated", `{"$schema": "http://json-schema.org/draft-07/schema#", "items": {"format": "regex"}}`, `[` + list(60, `"(?:\\pL\\pL){0,40000}"`) + `]`, `the value takes too many steps to validate`},
		{"a regex that takes megabytes", `{"$schema": "http://json-schema.org/draft-07/schema#", "format": "regex"}`, `"` + strings.Repeat("a", guard.MaxPattern+1) + `"`, `the value must be of the format "regex"`},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := mustCompile(t, c.schema)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			found, _ := validate(s, []byte(c.value))
			runtime.ReadMemStats(&after)
			if got := strings.Join(sentences(found), "; "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 250 {
				t.Errorf("it took %d MB", mb)
			}
		})
	}
}

func TestLibraryDoesNotCompareValues(t *testing.T) {
	e := <-mustCompile(t, `{"uniqueItems": true, "propertyNames": {"maxLength": 1}, "type": "array", "const": [], "enum": [[]]}`).ready
	if s := e.schema; s.UniqueItems || s.PropertyNames != nil || s.Types != nil || s.Const != nil || s.Enum != nil {
		t.Error("the library has a keyword that this package has its own of")
	}
}

func TestPatternOfManySubschemasIsCompiledOnce(t *testing.T) {
	text := `{"allOf": [true` + strings.Repeat(`,{"pattern": "^.{1,4096}$"}`, 200) + `]}` // together more than a schema may have
	if found, _ := validate(mustCompile(t, text), []byte(`"a"`)); found != nil {
		t.Error(found)
	}
}

// One that is free is waited for, or the next that is made, but no longer than the request lasts.
func TestRequestDoesNotWaitForAnotherEvaluator(t *testing.T) {
	s := mustCompile(t, `{}`)
	first := <-s.ready
	begun, made := make(chan struct{}), make(chan *evaluator)
	s.another = func() (*evaluator, error) {
		close(begun)
		return <-made, nil
	}
	s.unmade = make(chan struct{}, 1)
	s.unmade <- struct{}{}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Validate(ended, []byte("1")); kindOf(err) != KindUnavailable {
		t.Errorf("got %v", err)
	}
	<-begun
	made <- first
	if found, more := validate(s, []byte("1")); found != nil || more != 0 {
		t.Errorf("got %v and %d more", found, more)
	}
}

func TestSchemaIsForManyAtOnce(t *testing.T) {
	s := mustCompile(t, `{"properties": {"a": {"uniqueItems": true, "items": {"type": "string", "pattern": "^(?=[b-z])."}}}}`)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			value, want := `{"a": ["b", "c"]}`, []string(nil)
			if i%2 == 0 {
				value, want = `{"a": ["b", 1]}`, []string{"/a/1 must be string, is number"}
			}
			for range 20 {
				found, _ := validate(s, []byte(value))
				if got := sentences(found); !slices.Equal(got, want) {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
	wg.Wait()
	if made, most := len(s.ready), min(runtime.GOMAXPROCS(0), maxEvaluators); made == 0 || made > most {
		t.Errorf("%d evaluators were made, at most %d are allowed", made, most)
	}
}

// A request may wait for those before it, but no longer than its client does.
func TestWaitingForOthersEndsWithTheRequest(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s := mustCompile(t, `{}`)
	var taken []*evaluator
	for range cap(s.ready) {
		e, err := s.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, e)
	}
	binary, err := CompileText(Name{Format: Avro}, []byte(`"int"`))
	if err != nil {
		t.Fatal(err)
	}
	for range cap(turns) {
		turns <- struct{}{}
	}
	for _, s := range []*Schema{s, binary} {
		if _, found, _, err := s.Encode(ended, []byte("1"), -1, 10); kindOf(err) != KindUnavailable || found != nil {
			t.Errorf("%s: got %v, %v", s.Format, found, err)
		}
	}
	for range cap(turns) {
		<-turns
	}
	for _, e := range taken {
		s.ready <- e
	}
	for _, s := range []*Schema{s, binary} { // where there is room, nobody looks at the clock
		if _, found, _, err := s.Encode(ended, []byte("1"), -1, 10); err != nil || found != nil {
			t.Errorf("%s: got %v, %v", s.Format, found, err)
		}
	}
}

func TestEncodePutsTheIDBeforeTheValue(t *testing.T) {
	s := mustCompile(t, `{}`)
	for id, want := range map[int]string{-1: "7", 0: "\x00\x00\x00\x00\x007", 1: "\x00\x00\x00\x00\x017", 0x01020304: "\x00\x01\x02\x03\x047", 1<<31 - 1: "\x00\x7f\xff\xff\xff7"} {
		if got, found, _ := encode(s, []byte("7"), id, 10); string(got) != want || found != nil {
			t.Errorf("%d: got %q, %v, want %q", id, got, found, want)
		}
	}
}
