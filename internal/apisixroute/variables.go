package apisixroute

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/internal/secrets"
)

// Environment returns what a variable has where APISIX's document is read. It fails with
// [secrets.ErrNotSet] or says why the variable is not read.
type Environment func(name string) (string, error)

// variable is what APISIX replaces in apisix.yaml and apisix.json (var_sub in
// apisix/cli/file.lua): ${{NAME}} and ${{NAME:=default}}.
var variable = regexp.MustCompile(`\$\{\{[\s\v]*([0-9A-Za-z_]+[:=]?(?s:.*?))[\s\v]*\}\}`)

// HasVariable reports whether a text has ${{NAME}} in it.
func HasVariable(text string) bool { return variable.MatchString(text) }

// Variable is a ${{NAME}} of a document, or several of one name.
type Variable struct {
	Name string
	// Default reports that it is not set here and that its default stands in its place.
	Default bool
	// Err says why nothing stands in its place: APISIX's environment has it, or APISIX
	// refuses the document. It is nil where it is replaced.
	Err error
}

// Partial is a string of a document with a ${{NAME}} in it that could not be replaced.
type Partial string

// Replace returns it with another text for each variable in it.
func (p Partial) Replace(text string) string {
	return variable.ReplaceAllLiteralString(string(p), text)
}

// names are the variables in it.
func (p Partial) names() string {
	var all []string
	for _, m := range variable.FindAllString(string(p), maxNamed) {
		all = append(all, shown(m))
	}
	return strings.Join(all, ", ")
}

// maxNamed bounds how many references one message names.
const maxNamed = 5

// shown is a reference in a message.
func shown(reference string) string { return fmt.Sprintf("%.80q", reference) }

// replacer replaces variables as APISIX does, and keeps track of those that it cannot
// replace: a mark stands in their place, letters and digits only, so that YAML reads the
// text around them as if they were replaced by a word.
type replacer struct {
	env    Environment
	found  []Variable
	known  map[Variable]bool // without Err
	mark   string
	marked []string // what the marks stand for
	marks  *regexp.Regexp
}

func newReplacer(env Environment) *replacer {
	mark := "v" + rand.Text() // a text that the document cannot have
	return &replacer{env: env, known: map[Variable]bool{}, mark: mark, marks: regexp.MustCompile(mark + `([0-9]+)_`)}
}

var errTooLarge = fmt.Errorf("it has more than %d bytes when its ${{NAME}} are replaced", MaxBytes)

// replace returns the text with each variable replaced by its value, its default or a mark.
func (r *replacer) replace(text string) (string, error) {
	var b strings.Builder
	end := 0
	for _, m := range variable.FindAllStringSubmatchIndex(text, -1) {
		b.WriteString(text[end:m[0]])
		b.WriteString(r.value(text[m[0]:m[1]], text[m[2]:m[3]]))
		if end = m[1]; b.Len() > MaxBytes {
			return "", errTooLarge
		}
	}
	b.WriteString(text[end:])
	if end > 0 && b.Len() > MaxBytes {
		return "", errTooLarge
	}
	return b.String(), nil
}

// value is what stands in the place of a variable; inner is what is between the brackets.
func (r *replacer) value(whole, inner string) string {
	name, fallback, hasDefault := strings.Cut(inner, ":=")
	value, err := r.env(name)
	v := Variable{Name: name, Err: err}
	if hasDefault && errors.Is(err, secrets.ErrNotSet) {
		value, v = strings.Trim(fallback, " \t\n\v\f\r"), Variable{Name: name, Default: true}
	}
	if key := (Variable{Name: v.Name, Default: v.Default}); !r.known[key] {
		r.known[key] = true
		r.found = append(r.found, v)
	}
	if v.Err != nil {
		r.marked = append(r.marked, whole)
		return r.mark + strconv.Itoa(len(r.marked)-1) + "_"
	}
	return value
}

// unmark returns a text with what its marks stand for, and whether it has any.
func (r *replacer) unmark(text string) (string, bool) {
	has := false
	text = r.marks.ReplaceAllStringFunc(text, func(m string) string {
		has = true
		i, _ := strconv.Atoi(m[len(r.mark) : len(m)-1])
		return r.marked[i]
	})
	return text, has
}

// tree changes all strings in a document's value, names too. A string in which a mark
// remains becomes a Partial.
func (r *replacer) tree(v any, change func(string) (any, error)) (any, error) {
	var err error
	switch v := v.(type) {
	case string:
		return change(v)
	case []any:
		for i := range v {
			if v[i], err = r.tree(v[i], change); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		changed := make(map[string]any, len(v))
		for name, inner := range v {
			key, err := change(name)
			if err != nil {
				return nil, err
			}
			if changed[fmt.Sprint(key)], err = r.tree(inner, change); err != nil {
				return nil, err
			}
		}
		return changed, nil
	}
	return v, nil
}

// yaml is for what was read of an apisix.yaml, in whose text APISIX replaces the variables.
func (r *replacer) yaml(v any) any {
	if len(r.marked) == 0 {
		return v
	}
	v, _ = r.tree(v, func(s string) (any, error) { return r.partial(s), nil })
	return v
}

func (r *replacer) partial(text string) any {
	if text, has := r.unmark(text); has {
		return Partial(text)
	}
	return text
}

// json is for what was read of an apisix.json, in whose strings APISIX replaces the
// variables. What looks like a number or a boolean then is one.
func (r *replacer) json(v any) (any, error) {
	return r.tree(v, func(s string) (any, error) {
		text, err := r.replace(s)
		if err != nil || text == s {
			return s, err
		}
		switch {
		case text == "true", text == "false":
			return text == "true", nil
		case json.Valid([]byte(text)) && strings.Trim(text[:1], "-0123456789") == "":
			return json.Number(text), nil
		}
		return r.partial(text), nil
	})
}

// reading is an error about a text as it is after the replacement.
func (r *replacer) reading(err error) error {
	var names []string
	state := "replaced"
	for _, v := range r.found {
		if v.Err != nil {
			state = "not all known"
		}
		names = append(names, shown(v.Name))
	}
	if len(names) == 0 {
		return err
	}
	text, _ := r.unmark(err.Error()) // YAML quotes names of anchors
	return fmt.Errorf("%s (APISIX replaces ${{NAME}} before it reads the file; here %s: %s)", text,
		state, strings.Join(names[:min(len(names), maxNamed)], ", "))
}
