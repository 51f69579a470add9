package apisixroute

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

// variables is an environment.
type variables map[string]string

func (v variables) get(name string) (string, error) {
	if value := v[name]; value != "" {
		return value, nil
	}
	return "", secrets.ErrNotSet
}

// yamlWith is an apisix.yaml with a value as it is written there.
func yamlWith(value string) string {
	return "routes:\n  - uri: /a\n    plugins:\n      ext-plugin-post-req:\n        conf:\n          - name: p\n            value: " + value + "\n#END\n"
}

// jsonWith is an apisix.json with a value as it is written there.
func jsonWith(value string) string {
	return `{"routes":[{"uri":"/a","plugins":{"ext-plugin-post-req":{"conf":[{"name":"p","value":` + value + `}]}}}]}`
}

// adminWith is what the Admin API takes.
func adminWith(value string) string {
	return `{"uri":"/a","plugins":{"ext-plugin-post-req":{"conf":[{"name":"p","value":` + value + `}]}}}`
}

// theEntry is a document's only entry.
func theEntry(t *testing.T, text string, env Environment) Entry {
	t.Helper()
	doc, err := Read([]byte(text), env)
	if err != nil || len(doc.Resources) != 1 || len(doc.Resources[0].Entries) != 1 {
		t.Fatalf("%s: %+v %v", text, doc, err)
	}
	return doc.Resources[0].Entries[0]
}

func TestVariablesAreReplacedAsAPISIXDoes(t *testing.T) {
	env := variables{"A": "a", "N": "5", "T": "true", "Q": `it's "q"`, "L": "one\ntwo", "C": "x # y", "V": "${{A}}", "_1": "u"}
	for _, c := range []struct {
		says, text string
		want       any
	}{
		{"a variable", yamlWith(`${{A}}`), "a"},
		{"spaces", yamlWith("'${{ \t A  }}'"), "a"},
		{"a name of underscore and digit", yamlWith(`${{_1}}`), "u"},
		{"in a longer text, twice", yamlWith(`'x${{A}}y${{A}}'`), "xaya"},
		{"in a list in one line", "routes: [{uri: /a, plugins: {ext-plugin-post-req: {conf: [{name: p, value: ${{A}}}]}}}]\n#END", "a"},
		{"a default", yamlWith(`'${{X:= b c }}'`), "b c"},
		{"a default that is not needed", yamlWith(`'${{A:=b}}'`), "a"},
		{"an empty default", yamlWith(`'${{X:=}}'`), ""},
		{"a default with brackets", yamlWith(`'${{X:={"a":{}}}}'`), `{"a":{}}`},
		{"a space before the default is part of the name", yamlWith(`'${{A :=b}}'`), "b"},
		{"the type is YAML's to say", yamlWith(`${{N}}`), 5},
		{"and in quotes it is a string", yamlWith(`'${{N}}'`), "5"},
		{"a boolean", yamlWith(`${{T}}`), true},
		{"a comment in a value", yamlWith(`${{C}}`), "x"},
		{"a line break in quotes is a space", yamlWith(`"${{L}}"`), "one two"},
		{"what a variable has is not looked at again", yamlWith(`'${{V}}'`), "${{A}}"},
		{"a quote in a block", yamlWith("|-\n              ${{Q}}"), `it's "q"`},
		{"in JSON a quote is a quote", jsonWith(`"${{Q}}"`), `it's "q"`},
		{"JSON: a number", jsonWith(`"${{N}}"`), "5 as a number"},
		{"JSON: a boolean", jsonWith(`"${{T}}"`), true},
		{"JSON: a default", jsonWith(`"${{X:=d}}"`), "d"},
		{"the Admin API replaces nothing", adminWith(`"${{A}}"`), "${{A}}"},
		{"no variable", yamlWith(`'${A} {{A}} $ {{A}} ${{}} ${{-}}'`), "${A} {{A}} $ {{A}} ${{}} ${{-}}"},
	} {
		t.Run(c.says, func(t *testing.T) {
			e := theEntry(t, c.text, env.get)
			if n, is := e.Value.(fmt.Stringer); is {
				e.Value = n.String() + " as a number"
			}
			if e.Value != c.want || e.ValueErr != nil || e.Reference != "" {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestVariablesThatAreNotKnownAreSaidToBe(t *testing.T) {
	refused := errors.New("it may not be read")
	env := func(name string) (string, error) {
		if name == "B" {
			return "", refused
		}
		return variables{"A": "a"}.get(name)
	}
	text := "# ${{COMMENT}}\nroutes:\n  - id: ${{ID}}\n    ${{KEY}}: 1\n    uri: /a\n    methods: [\"${{M}}\"]\n    plugins:\n      ext-plugin-post-req:\n        conf:\n" +
		"          - {name: ${{NAME}}, value: ${{A}}}\n          - {name: p, value: 'x${{ B:=c }}${{A}}'}\n          - {name: p, value: '${{D:=d}}'}\n#END"
	doc, err := Read([]byte(text), env)
	if err != nil || len(doc.Resources) != 1 || len(doc.Resources[0].Entries) != 3 {
		t.Fatalf("%+v %v", doc, err)
	}
	not := secrets.ErrNotSet
	want := []Variable{{"COMMENT", false, not}, {"ID", false, not}, {"KEY", false, not}, {"M", false, not}, {"NAME", false, not}, {Name: "A"}, {"B", false, refused}, {Name: "D", Default: true}}
	if !reflect.DeepEqual(doc.Variables, want) {
		t.Errorf("variables: %+v", doc.Variables)
	}
	r := doc.Resources[0]
	if r.Name() != "route ${{ID}}" || r.Fields["${{KEY}}"] != 1 || r.Fields["methods"].([]any)[0] != Partial("${{M}}") {
		t.Errorf("%s: %+v", r.Name(), r.Fields)
	}
	if e := r.Entries[0]; e.Name != "${{NAME}}" || !isUnknown(e.NameErr, `it has "${{NAME}}", not known here`) || e.Value != "a" {
		t.Errorf("%+v", e)
	}
	if e := r.Entries[1]; e.Value != Partial("x${{ B:=c }}a") || !isUnknown(e.ValueErr, `it has "${{ B:=c }}", not known here`) {
		t.Errorf("%+v", e)
	}
	if e := r.Entries[2]; e.Value != "d" || e.ValueErr != nil {
		t.Errorf("%+v", e)
	}
}

func isUnknown(err error, why string) bool {
	unknown, is := errors.AsType[Unknown](err)
	return is && unknown.Why == why
}

func TestWholeValuesAreResolvedAsAPISIXDoes(t *testing.T) {
	env := variables{"A": "conf", "J": `{"a":"inner","a/b":"deep","n":5}`, "R": "$env://A"}
	for text, want := range map[string]string{
		"$env://A": "conf", "$ENV://A": "conf", "$Env://A/": "conf", "$env://J/a": "inner", "$env://J/a/b": "deep",
		"$env://R":                            "$env://A", // once
		"$env://NONE":                         `unknown: "$env://NONE" is a reference that APISIX resolves and this check does not: the environment variable is empty or not set`,
		"$env://":                             `unknown: "$env://" is a reference that APISIX resolves and this check does not: the environment variable is empty or not set`,
		"$env://J/x":                          `"$env://J/x": the variable's value has no string of that key here`,
		"$env://J/n":                          `"$env://J/n": the variable's value has no string of that key here`,
		"$env://A/a":                          `"$env://A/a" names a key, and the variable's value is no JSON object here`,
		" $env://A":                           " $env://A",
		"x$env://A":                           "x$env://A",
		"$env:/A":                             "$env:/A",
		"$file://A":                           "$file://A",
		"$SECRET://a":                         "$SECRET://a",
		"$secret://":                          `"$secret://" is no reference that APISIX can resolve; expected $secret://MANAGER/ID/KEY`,
		"$secret://a/":                        `"$secret://a/" is no reference that APISIX can resolve; expected $secret://MANAGER/ID/KEY`,
		"$secret://vault/1/apisix/kafka/conf": `unknown: "$secret://vault/1/apisix/kafka/conf" is a reference that APISIX resolves and this check does not: it asks no secret manager`,
	} {
		for form, document := range map[string]string{"yaml": yamlWith("'" + text + "'"), "admin": adminWith(fmt.Sprintf("%q", text)), "json": jsonWith(fmt.Sprintf("%q", text))} {
			e := theEntry(t, document, env.get)
			got, _ := e.Value.(string)
			if e.ValueErr != nil {
				got = e.ValueErr.Error()
			}
			if _, is := e.ValueErr.(Unknown); is {
				got = "unknown: " + got
			}
			if resolved := e.ValueErr != nil || got != text; got != want || (e.Reference == text) != resolved {
				t.Errorf("%s: %s: %s (%+v)", form, text, got, e)
			}
		}
	}
}

func TestReplacementsThatSpoilTheFile(t *testing.T) {
	const spoiled = "it is neither JSON nor YAML: line 5: did not find expected key (APISIX replaces ${{NAME}} before it reads the file; here "
	big := variables{"Q": "it's", "B": strings.Repeat("b", 1<<20)}
	for text, want := range map[string]string{
		yamlWith("'${{Q}}'"):                                  spoiled + `replaced: "Q")`,
		yamlWith("'${{Q}}${{X}}'"):                            spoiled + `not all known: "Q", "X")`,
		"${{ROUTES}}\n#END":                                   `it is neither JSON nor an apisix.yaml, which has routes (APISIX replaces ${{NAME}} before it reads the file; here not all known: "ROUTES")`,
		yamlWith("'" + strings.Repeat("${{B}}", 9) + "'"):     "it has more than 8388608 bytes when its ${{NAME}} are replaced",
		jsonWith(`"` + strings.Repeat("${{B}}", 1<<10) + `"`): "it has more than 8388608 bytes when its ${{NAME}} are replaced",
	} {
		if _, err := Read([]byte(text), big.get); err == nil || err.Error() != want {
			t.Errorf("%.30q: %v", text, err)
		}
	}
	if e := theEntry(t, "routes:\n${{ROUTES}}\n#END", variables{"ROUTES": strings.TrimPrefix(strings.TrimSuffix(yamlWith("v"), "\n#END\n"), "routes:\n")}.get); e.Value != "v" {
		t.Errorf("%+v", e)
	}
}

// FuzzVariables reads a document twice: what stands for variables meanwhile may not be
// seen in what is read.
func FuzzVariables(f *testing.F) {
	for _, s := range []string{yamlWith("'${{A}}${{B}}'"), yamlWith("${{ B }}"), jsonWith(`"${{A}}${{B:=x}}"`), "${{A}}: ${{B}}", yamlWith("$env://A/b"), "routes:\n- {id: ${{B}}, uri: /}", "*${{B}}"} {
		f.Add(s, `it's "a"`+"\n")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		env := variables{"A": value}.get
		one, err1 := Read([]byte(text), env)
		two, err2 := Read([]byte(text), env)
		if !reflect.DeepEqual(err1, err2) || (one == nil) != (two == nil) {
			t.Fatalf("%v, %v", err1, err2)
		}
		if one != nil && (!reflect.DeepEqual(one.Resources, two.Resources) || !reflect.DeepEqual(one.Variables, two.Variables)) {
			t.Errorf("%+v\n%+v", one, two)
		}
	})
}
