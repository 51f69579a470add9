package guard

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	// MaxPattern bounds a regular expression, in bytes. What it is compiled to can be
	// hundreds of times as large.
	MaxPattern = 4096
	// maxInstructions bounds what it is compiled to, to about 4 MB and a tenth of a second: RE2's own bound is
	// 128 MB, which a few hundred bytes of "(?:()()()){1000}" come to in seconds.
	maxInstructions = 100_000
	// maxOfSchema bounds all regular expressions of a schema together, each once: requests wait until a schema of a registry is
	// compiled, and while an inline one is, APISIX holds the lock on its routes.
	maxOfSchema = 500_000

	// What reading an expression takes, as so many instructions: RE2 makes a list of the hundreds of ranges that
	// \pL is, and looks at each character of [A-\x{1E943}] where the case does not count.
	perByte     = 4
	perCategory = 400
	perFolded   = 10_000
)

var (
	errTooLarge  = fmt.Errorf("is compiled to more than %d instructions", maxInstructions)
	errTooWide   = fmt.Errorf(`has more classes such as \pL, or of many characters whatever the case, than %d instructions stand for`, maxInstructions)
	errTooMany   = fmt.Errorf("makes the patterns of the schema more than %d instructions", maxOfSchema)
	ignoresCase  = regexp.MustCompile(`\(\?[a-zA-Z]*i`)
	endsFarAbove = regexp.MustCompile(`-(?:\\|[^\x00-\x7f])`) // a range; read for 10 ms at worst
)

// Patterns are the regular expressions of one schema, each compiled once, whatever has it: subschemas, what checks the schema,
// and all guards. The zero value has none.
type Patterns struct {
	mu       sync.Mutex
	compiled map[string]pattern
	size     int // instructions
}

// Engine returns what makes regular expressions for a compiler. It has no error: the place of an invalid one is known later.
func (all *Patterns) Engine() jsonschema.RegexpEngine { return all.engine(nil) }

func (all *Patterns) engine(g *Guard) jsonschema.RegexpEngine {
	return func(text string) (jsonschema.Regexp, error) {
		p := all.pattern(text)
		p.guard = g
		return &p, nil
	}
}

func (all *Patterns) pattern(text string) pattern {
	all.mu.Lock()
	defer all.mu.Unlock()
	p, known := all.compiled[text]
	if !known {
		if all.compiled == nil {
			all.compiled = map[string]pattern{}
		}
		p = pattern{text: text}
		p.err = notRE2(p.compile(all.pay))
		all.compiled[text] = p
	}
	return p
}

// pay counts what an expression takes, before it does.
func (all *Patterns) pay(instructions int) error {
	if instructions > maxOfSchema-all.size {
		return errTooMany
	}
	all.size += instructions
	return nil
}

// pattern is a regular expression: RE2's, or one with look-around or back-references. What matching takes is counted on the way.
// One that is invalid has an error; it is reported by Guard.checkPatterns, which knows the place.
type pattern struct {
	text string
	*extended
	guard *Guard // nil: nothing is counted
	err   error
}

// uncountedSteps is what matching may take where nothing is counted.
const uncountedSteps = 100_000

// parse reads the pattern. It pays before it does what takes long.
func (p *pattern) parse(pay func(instructions int) error) (*extendedParser, error) {
	if len(p.text) > MaxPattern {
		return nil, fmt.Errorf("is longer than %d bytes", MaxPattern)
	}
	text := fromECMA(p.text)
	takes := min(price(text), maxInstructions+1)
	if err := pay(takes); err != nil {
		return nil, err
	}
	switch {
	case perByte*len(text) > maxInstructions:
		return nil, errTooLarge
	case takes > maxInstructions:
		return nil, errTooWide
	}
	re2, err := syntax.Parse(text, syntax.Perl)
	if err != nil || octal.MatchString(text) {
		extended, why := parseExtended(text)
		if why != errNotExtended {
			return extended, why
		}
	}
	switch {
	case err != nil:
		return nil, err
	case instructions(re2) > maxInstructions:
		return nil, errTooLarge
	}
	whole := &part{parsed: re2, groups: make([]group, re2.MaxCap()+1)}
	return &extendedParser{open: []open{{part: whole}}, parts: []*part{whole}}, nil
}

// price is what reading an expression takes.
func price(text string) int {
	n := perByte*len(text) + perCategory*(strings.Count(text, `\p`)+strings.Count(text, `\P`))
	if ignoresCase.MatchString(text) {
		n += perFolded * len(endsFarAbove.FindAllStringIndex(text, -1))
	}
	return n
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

func (p *pattern) compile(pay func(instructions int) error) error {
	read, err := p.parse(pay)
	if err != nil {
		return err
	}
	size := 0
	for _, part := range read.parts {
		size += instructions(part.parsed)
	}
	if err := pay(size); err != nil {
		return err
	}
	p.extended, err = read.compile()
	return err
}

// octal is what RE2 reads as a character, and ECMA-262 as a back-reference if there are as many groups.
var octal = regexp.MustCompile(`\\[1-7][0-7]`)

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
	if p.guard == nil {
		found, _ := p.matches(&automaton{}, s, uncountedSteps)
		return found
	}
	found, steps := p.matches(&p.guard.automaton, s, p.guard.left)
	p.guard.spend(1 + steps)
	return found
}

// matches returns how many steps it took, too: more than limit means that it is not known what is found.
func (p *pattern) matches(a *automaton, s string, limit int) (found bool, steps int) {
	if p.references {
		return p.backtrack(s, limit)
	}
	return a.matches(p.extended, s, limit)
}

// checkPatterns returns the error of the subschema's first invalid pattern.
func checkPatterns(s *jsonschema.Schema) error {
	if err := checkPattern(s.Pattern, s.Location+"/pattern"); err != nil {
		return err
	}
	var first error
	for re := range s.PatternProperties {
		err := checkPattern(re, s.Location+"/patternProperties/"+EscapeToken.Replace(Cut(re.String())))
		if err != nil && (first == nil || err.Error() < first.Error()) {
			first = err
		}
	}
	return first
}

func checkPattern(re jsonschema.Regexp, at string) error {
	p, ok := re.(*pattern)
	if !ok {
		return nil
	}
	if p.err != nil {
		return fmt.Errorf("%q %w", at, p.err)
	}
	return nil
}

// validateRegex is the format "regex". It compiles nothing, which takes longer than its steps stand for.
func (g *Guard) validateRegex(v any) error {
	if s, ok := v.(string); ok {
		_, err := (&pattern{text: s}).parse(func(instructions int) error {
			g.spend(instructions / 2) // one takes a microsecond to compile, a step two
			return nil
		})
		return notRE2(err)
	}
	return nil
}

// EscapeToken escapes a name as a part of a JSON pointer.
var EscapeToken = strings.NewReplacer("~", "~0", "/", "~1")
