package guard

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	// MaxPattern bounds a regular expression, in bytes. What it is compiled to can be
	// hundreds of times as large.
	MaxPattern = 4096
	// maxInstructions bounds what it is compiled to, to about 10 MB: RE2's own bound is
	// 128 MB, which a few hundred bytes of "(?:()()()){1000}" come to in seconds.
	maxInstructions = 100_000
)

var errTooLarge = fmt.Errorf("is compiled to more than %d instructions", maxInstructions)

// pattern is a regular expression: RE2's, or one with look-around or back-references. Matching takes time that is linear in
// the text, except with back-references: what that takes is counted on the way. One that is invalid has an error; it is
// reported by Guard.checkPatterns, which knows the place.
type pattern struct {
	text         string
	re2          string // in RE2's form
	matches      func(s string) bool
	instructions int
	begin        int       // steps, however short the text is
	references   *extended // nil: it has no back-references, and all above is for it
	guard        *Guard    // nil: nothing is counted
	err          error
}

// uncountedSteps is what back-references may take where nothing is counted.
const uncountedSteps = 100_000

// Regexp is a regular expression for a compiler (jsonschema.RegexpEngine). It has no error:
// the place of an invalid one is known later.
func Regexp(text string) (jsonschema.Regexp, error) { return newPattern(text), nil }

func newPattern(text string) *pattern {
	p := &pattern{text: text}
	re2, extended, err := p.parse()
	if err == nil {
		err = p.compile(re2, extended)
	}
	p.err = notRE2(err)
	return p
}

// parse reads the pattern, and returns one of its two kinds.
func (p *pattern) parse() (re2 *syntax.Regexp, extended *extendedParser, err error) {
	if len(p.text) > MaxPattern {
		return nil, nil, fmt.Errorf("is longer than %d bytes", MaxPattern)
	}
	p.re2 = fromECMA(p.text)
	re2, err = syntax.Parse(p.re2, syntax.Perl)
	if err != nil || octal.MatchString(p.re2) {
		extended, why := parseExtended(p.re2)
		if why != errNotExtended {
			return nil, extended, why
		}
	}
	if err == nil && instructions(re2) > maxInstructions {
		err = errTooLarge
	}
	return re2, nil, err
}

// instructions is about how many an expression is compiled to.
func instructions(e *syntax.Regexp) int {
	n := 0
	for _, sub := range e.Sub {
		n += instructions(sub)
	}
	switch {
	case e.Op == syntax.OpLiteral:
		return max(1, len(e.Rune))
	case e.Op == syntax.OpRepeat && e.Min == e.Max:
		return e.Max * n
	case e.Op == syntax.OpRepeat:
		return max(1, e.Min, e.Max) * (1 + n)
	}
	return 1 + n
}

func (p *pattern) compile(re2 *syntax.Regexp, extended *extendedParser) error {
	if extended != nil {
		x, err := extended.compile()
		if err != nil {
			return err
		}
		p.extend(x)
		return nil
	}
	program, err := syntax.Compile(re2.Simplify())
	if err != nil {
		return err
	}
	expression, err := regexp.Compile(p.re2)
	if err != nil {
		return err
	}
	p.instructions = len(program.Inst)
	p.matches = expression.MatchString
	return nil
}

// octal is what RE2 reads as a character, and ECMA-262 as a back-reference if there are as many groups.
var octal = regexp.MustCompile(`\\[1-7][0-7]`)

func (p *pattern) extend(x *extended) {
	if x.references {
		p.references = x
		return
	}
	p.instructions = x.instructions
	p.begin = p.instructions / instructionsPerStep // each look-around is tried, however short the text is
	p.matches = x.matches
}

func notRE2(err error) error {
	if invalid, ok := errors.AsType[*syntax.Error](err); ok {
		return fmt.Errorf("is not a pattern that RE2 knows, or RE2 with look-around and back-references: %s: %s", invalid.Code, Quoted(invalid.Expr))
	}
	return err
}

func (p *pattern) String() string { return p.text }

// MatchString reports whether the pattern is somewhere in s, and counts the steps.
func (p *pattern) MatchString(s string) bool {
	if p.err != nil {
		return false
	}
	if p.references != nil {
		return p.backtrack(s)
	}
	if p.guard != nil {
		p.guard.spend(1 + p.begin + len(s)*p.instructions/instructionsPerStep)
	}
	return p.matches(s)
}

func (p *pattern) backtrack(s string) bool {
	if p.guard == nil {
		found, _ := p.references.backtrack(s, uncountedSteps)
		return found
	}
	found, steps := p.references.backtrack(s, p.guard.left)
	p.guard.spend(1 + steps)
	return found
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

// validateRegex is the format "regex". It compiles nothing, which takes longer than its steps stand for.
func validateRegex(v any) error {
	if s, ok := v.(string); ok {
		_, _, err := (&pattern{text: s}).parse()
		return notRE2(err)
	}
	return nil
}

// EscapeToken escapes a name as a part of a JSON pointer.
var EscapeToken = strings.NewReplacer("~", "~0", "/", "~1")
