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

// pattern is a regular expression: RE2's, or with look-around. Either's matching takes time that is linear in
// the text. One that is invalid has an error; it is reported by Guard.checkPatterns,
// which knows the place.
type pattern struct {
	text         string
	matches      func(s string) bool
	instructions int
	begin        int    // steps, however short the text is
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
	p.err = notRE2(p.compile())
	return p
}

func (p *pattern) compile() error {
	parsed, err := syntax.Parse(p.text, syntax.Perl)
	if err != nil {
		return p.compileLookaround(err)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return err
	}
	expression, err := regexp.Compile(p.text)
	if err != nil {
		return err
	}
	p.instructions = len(program.Inst)
	p.matches = expression.MatchString
	return nil
}

// compileLookaround compiles what is not RE2's, or returns why not.
func (p *pattern) compileLookaround(notRE2 error) error {
	look, err := newLookaround(p.text)
	switch {
	case err == errNoLookaround:
		return notRE2
	case err != nil:
		return err
	}
	p.instructions = look.instructions
	p.begin = p.instructions / 64 // each look-around is tried, however short the text is
	p.matches = look.matches
	return nil
}

func notRE2(err error) error {
	if invalid, ok := errors.AsType[*syntax.Error](err); ok {
		return fmt.Errorf("is not a pattern that RE2 knows, or RE2 with look-around: %s: %s", invalid.Code, Quoted(invalid.Expr))
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
		p.guard.spend(1 + p.begin + len(s)*p.instructions/64)
	}
	return p.matches(s)
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
