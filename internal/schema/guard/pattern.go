package guard

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// MaxPattern bounds a regular expression, in bytes. What it is compiled to can be
// hundreds of times as large.
const MaxPattern = 4096

// pattern is a regular expression: RE2's, whose matching takes time that is linear in
// the text. One that is invalid has an error; it is reported by Guard.checkPatterns,
// which knows the place.
type pattern struct {
	text         string
	expression   *regexp.Regexp
	instructions int
	guard        *Guard // nil: nothing is counted
	err          error
}

// Regexp is a regular expression for a compiler (jsonschema.RegexpEngine). It has no error:
// the place of an invalid one is known later.
func Regexp(text string) (jsonschema.Regexp, error) { return newPattern(text), nil }

func newPattern(text string) *pattern {
	p := &pattern{text: text}
	if len(text) > MaxPattern {
		p.err = fmt.Errorf("is longer than %d bytes", MaxPattern)
		return p
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		p.err = notRE2(err)
		return p
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		p.err = notRE2(err)
		return p
	}
	p.instructions = len(program.Inst)
	p.expression, err = regexp.Compile(text)
	p.err = notRE2(err)
	return p
}

func notRE2(err error) error {
	if invalid, ok := errors.AsType[*syntax.Error](err); ok {
		return fmt.Errorf("is not a pattern that RE2 knows: %s: %s", invalid.Code, Quoted(invalid.Expr))
	}
	return err
}

// String returns the pattern's text.
func (p *pattern) String() string { return p.text }

// MatchString reports whether the pattern is somewhere in s, and counts the steps.
func (p *pattern) MatchString(s string) bool {
	if p.err != nil {
		return false
	}
	if p.guard != nil {
		p.guard.spend(1 + len(s)*p.instructions/64)
	}
	return p.expression.MatchString(s)
}

// checkPatterns returns the error of the subschema's first invalid pattern, and lets
// the others count their steps.
func (g *Guard) checkPatterns(s *jsonschema.Schema) error {
	if err := g.checkPattern(s.Pattern, s.Location+"/pattern"); err != nil {
		return err
	}
	var first error
	for re := range s.PatternProperties {
		err := g.checkPattern(re, s.Location+"/patternProperties/"+EscapeToken.Replace(Cut(re.String())))
		if err != nil && (first == nil || err.Error() < first.Error()) {
			first = err
		}
	}
	return first
}

func (g *Guard) checkPattern(re jsonschema.Regexp, at string) error {
	p, ok := re.(*pattern)
	if !ok {
		return nil
	}
	p.guard = g
	if p.err != nil {
		return fmt.Errorf("%q %w", at, p.err)
	}
	return nil
}

// validateRegex is the format "regex".
func validateRegex(v any) error {
	if s, ok := v.(string); ok {
		return newPattern(s).err
	}
	return nil
}

// EscapeToken escapes a name as a part of a JSON pointer.
var EscapeToken = strings.NewReplacer("~", "~0", "/", "~1")
