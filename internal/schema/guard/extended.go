package guard

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// extended is a regular expression of RE2's syntax that may also have look-around, (?=…), (?!…), (?<=…) and (?<!…), or
// back-references, \1 and \k<name>, as ECMA-262 means them. RE2 has neither, and engines that have them try one way after
// another: a text of forty characters can keep them busy for hours.
//
// Here an expression with look-around alone, or without, is for an automaton, whose steps grow with the length of the text and
// with that of the expression, never faster. What a back-reference matches depends on how the place was reached, which no
// automaton remembers: only an expression that has one is for a backtracker. The steps of both are counted while they run.
//
// Once compiled it is not changed, and many can use it at once.
type extended struct {
	looks        []look // each behind those that are in it
	whole        program
	instructions int // of all programs

	captures   int  // capturing groups
	references bool // it has back-references: slots is how many numbers a backtracker remembers
	slots      int
}

type look struct {
	program
	ahead, negative bool
	captures        span // in it
}

// program is a compiled expression. In the place of each look-around and each back-reference it has an empty group.
type program struct {
	*syntax.Prog
	groups    []group // by their numbers in the program; the first is none
	backwards bool    // it matches texts back to front
	anchored  bool    // it matches from the text's beginning only, or its end if it is backwards
	prefix    string  // what each match begins with, unless it is backwards or anchored
}

// group is what a group of a program stands for.
type group struct {
	kind groupKind
	n    int  // the number of a capturing group, the index of a look-around, or the slot of a loop
	fold bool // a back-reference: whatever the case
	span span // the capturing groups in a round of a loop
}

type groupKind int

const (
	captures    groupKind = iota
	lookAround            // an empty group in its place
	reference             // an empty group in its place; n is the number of the group that it refers to
	loop                  // around a loop that has one round at least
	round                 // around a round of a loop
	neededRound           // around one of those that a loop has at least
)

// span is from a capturing group to another, exclusive.
type span struct{ from, to int }

var errNotExtended = errors.New("has neither look-around nor back-references")

var (
	// The beginning of a group: of a look-around, a capturing group or flags.
	opening = regexp.MustCompile(`^\((?:\?(?:(<?[=!])|P?<(\w+)>|([imsU]*(?:-[imsU]*)?)([:)])))?`)
	// A back-reference, by a number or a name.
	backReference = regexp.MustCompile(`^\\(?:([1-9][0-9]*)|k<(\w+)>)`)
	// Whatever begins with a backslash, or a class: to the end of the text if it has none.
	escape = regexp.MustCompile(`(?s)^\\(?:[1-9][0-9]*|k<\w+>|Q.*?(?:\\E|$)|.|$)`)
	class  = regexp.MustCompile(`(?s)^\[\^?\]?(?:\\.?|\[:\^?\w*:\]|[^\]\\])*(?:\]|$)`)
)

// parseExtended reads an expression. errNotExtended means that it has neither look-around nor back-references, a group that is
// not closed, or two of a name. Other errors are about the rest.
func parseExtended(text string) (*extendedParser, error) {
	p := &extendedParser{names: map[string]int{}}
	for rest := text; rest != ""; rest = rest[tokenLength(rest):] {
		o := opening.FindStringSubmatch(rest)
		if o == nil || !capturing(o) {
			continue
		}
		p.found.captures++
		if _, again := p.names[o[2]]; again && o[2] != "" {
			return nil, errNotExtended
		}
		p.names[o[2]] = p.found.captures
	}
	whole := &part{groups: []group{{}}}
	p.open = []open{{part: whole}}
	for rest := text; rest != ""; {
		n := tokenLength(rest)
		if err := p.take(rest[:n]); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	if len(p.open) > 1 || len(p.parts) == 0 && !p.found.references {
		return nil, errNotExtended
	}
	p.parts = append(p.parts, whole)
	return p, p.parse()
}

// tokenLength is the length of a text's first token. Only in front of what RE2 refuses is it not what RE2 reads.
func tokenLength(text string) int {
	switch text[0] {
	case '(':
		return len(opening.FindString(text))
	case '\\':
		return len(escape.FindString(text))
	case '[':
		return len(class.FindString(text))
	}
	return 1
}

// capturing reports whether an opening is a capturing group's.
func capturing(o []string) bool { return o[0] == "(" || o[2] != "" }

type extendedParser struct {
	found extended
	names map[string]int // of capturing groups
	begun int            // capturing groups
	open  []open         // groups, innermost last; the first is the whole
	parts []*part        // look-arounds that are closed; at the end, the whole
}

// open is a group that is not closed.
type open struct {
	part  *part
	look  bool // the group is the part
	flags string
}

// part is what is compiled to one program: the whole, or a look-around without those in it.
type part struct {
	text   []byte
	parsed *syntax.Regexp
	groups []group
	look   look
}

// write adds a text to the part that is being read, and what the group stands for that the text begins.
func (p *extendedParser) write(text string, begins ...group) {
	in := p.open[len(p.open)-1].part
	in.text = append(in.text, text...)
	in.groups = append(in.groups, begins...)
}

func (p *extendedParser) take(token string) error {
	switch {
	case token[0] == '(':
		return p.begin(opening.FindStringSubmatch(token))
	case token == ")":
		return p.end()
	}
	if n := p.referred(token); n > 0 {
		p.found.references = true
		p.write("()", group{kind: reference, n: n, fold: strings.Contains(p.open[len(p.open)-1].flags, "i")})
	} else {
		p.write(token)
	}
	return nil
}

// referred returns the number of the group that a token refers to, 0 if it is no back-reference.
func (p *extendedParser) referred(token string) int {
	ref := backReference.FindStringSubmatch(token)
	if ref == nil {
		return 0
	}
	if ref[2] != "" {
		return p.names[ref[2]]
	}
	n, err := strconv.Atoi(ref[1])
	if err != nil || n > p.found.captures {
		return 0 // a digit in octal, or nothing: as RE2 says
	}
	return n
}

// begin reads the opening of a group.
func (p *extendedParser) begin(o []string) error {
	now := &p.open[len(p.open)-1]
	next := open{part: now.part, flags: now.flags}
	switch kind := o[1]; {
	case o[4] == ")":
		now.flags = changed(now.flags, o[3])
		p.write(o[0])
		return nil
	case o[4] == ":":
		next.flags = changed(now.flags, o[3])
		p.write(o[0])
	case kind != "":
		next.look = true
		next.part = &part{groups: []group{{}}}
		next.part.look = look{ahead: kind[0] != '<', negative: strings.HasSuffix(kind, "!"), captures: span{from: p.begun + 1}}
		if now.flags != "" {
			next.part.text = []byte("(?" + now.flags + ")")
		}
	default:
		p.begun++
		p.write(o[0], group{kind: captures, n: p.begun})
	}
	p.open = append(p.open, next)
	return nil
}

// changed returns the flags that hold after a change, such as "i-s".
func changed(flags, change string) string {
	on, off, _ := strings.Cut(change, "-")
	var result []byte
	for _, flag := range []byte("imsU") {
		held := strings.IndexByte(flags+on, flag) >= 0
		if held && strings.IndexByte(off, flag) < 0 {
			result = append(result, flag)
		}
	}
	return string(result)
}

// end closes the innermost group.
func (p *extendedParser) end() error {
	if len(p.open) == 1 {
		return errNotExtended
	}
	closed := p.open[len(p.open)-1]
	p.open = p.open[:len(p.open)-1]
	if !closed.look {
		p.write(")")
		return nil
	}
	closed.part.look.captures.to = p.begun + 1
	p.write("()", group{kind: lookAround, n: len(p.parts)})
	p.parts = append(p.parts, closed.part)
	return nil
}

// parse has RE2 read all parts.
func (p *extendedParser) parse() error {
	size := 0
	for _, part := range p.parts {
		var err error
		if part.parsed, err = syntax.Parse(string(part.text), syntax.Perl); err != nil {
			return err
		}
		if size += instructions(part.parsed); size > maxInstructions {
			return errTooLarge
		}
	}
	return nil
}

// compile compiles all parts. The automaton looks ahead from the end of the text, and runs all else from its beginning.
func (p *extendedParser) compile() (*extended, error) {
	x := &p.found
	x.slots = 2 * (x.captures + 1)
	for _, part := range p.parts {
		l := part.look
		var err error
		if l.program, err = x.compile(part, l.ahead != x.references && part != p.open[0].part); err != nil {
			return nil, err
		}
		x.looks = append(x.looks, l)
	}
	last := len(x.looks) - 1
	x.looks, x.whole = x.looks[:last], x.looks[last].program
	return x, nil
}

func (x *extended) compile(part *part, backwards bool) (program, error) {
	parsed, p := part.parsed, program{groups: part.groups, backwards: backwards}
	if x.references {
		parsed, _ = x.withRounds(&p, parsed)
	}
	simple := parsed.Simplify()
	if backwards {
		simple = reversed(simple)
	}
	var err error
	if p.Prog, err = syntax.Compile(simple); err != nil {
		return program{}, err
	}
	x.instructions += len(p.Inst)
	from := syntax.EmptyBeginText
	if backwards {
		from = syntax.EmptyEndText
	}
	if p.anchored = p.StartCond()&from != 0; !p.anchored && !backwards {
		p.prefix, _ = p.Prefix()
	}
	return p, nil
}

// withRounds returns an expression for the backtracker, with groups around loops and their rounds, and the capturing groups in
// it. ECMA-262 has it that a round begins without what was captured in the one before, and that one that is not needed must
// not be empty; without this a loop might have no end.
func (x *extended) withRounds(p *program, e *syntax.Regexp) (*syntax.Regexp, span) {
	r := *e
	r.Sub = make([]*syntax.Regexp, len(e.Sub))
	var in span
	if e.Op == syntax.OpCapture {
		in = x.inGroup(p.groups[e.Cap])
	}
	for i, sub := range e.Sub {
		var inSub span
		r.Sub[i], inSub = x.withRounds(p, sub)
		in = in.with(inSub)
	}
	least, most := e.Min, e.Max
	switch e.Op {
	case syntax.OpStar:
		least, most = 0, -1
	case syntax.OpPlus:
		least, most = 1, -1
	case syntax.OpQuest:
		least, most = 0, 1
	case syntax.OpRepeat:
	default:
		return &r, in
	}
	if isCharacter(r.Sub[0]) { // and neither captures nor is empty
		return &r, in
	}
	around := func(kind groupKind, sub *syntax.Regexp) *syntax.Regexp {
		p.groups = append(p.groups, group{kind: kind, n: x.slots, span: in})
		return &syntax.Regexp{Op: syntax.OpCapture, Cap: len(p.groups) - 1, Sub: []*syntax.Regexp{sub}}
	}
	repeat := func(least, most int, sub *syntax.Regexp) *syntax.Regexp {
		return &syntax.Regexp{Op: syntax.OpRepeat, Flags: e.Flags, Min: least, Max: most, Sub: []*syntax.Regexp{sub}}
	}
	first, rest := least, around(round, r.Sub[0])
	switch {
	case most >= 0:
		rest = repeat(0, most-least, rest)
	case least == 0:
		rest = repeat(0, -1, rest)
	default: // RE2 makes as many copies of such a loop: more of loops in loops could fill the memory
		first, rest = least-1, around(loop, repeat(1, -1, rest))
	}
	if first > 0 {
		first := repeat(first, first, around(neededRound, r.Sub[0]))
		rest = &syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{first, rest}}
	}
	x.slots++
	return rest, in
}

// inGroup returns the capturing groups that a group is or stands for.
func (x *extended) inGroup(g group) span {
	switch g.kind {
	case captures:
		return span{g.n, g.n + 1}
	case lookAround:
		return x.looks[g.n].captures
	}
	return span{}
}

func (s span) with(other span) span {
	switch {
	case s.from == s.to:
		return other
	case other.from == other.to:
		return s
	}
	return span{min(s.from, other.from), max(s.to, other.to)}
}

func isCharacter(e *syntax.Regexp) bool {
	switch e.Op {
	case syntax.OpLiteral:
		return len(e.Rune) == 1
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	}
	return false
}

// reversed returns a copy: Simplify may have put the same expression into several places.
func reversed(e *syntax.Regexp) *syntax.Regexp {
	r := *e
	r.Rune = append([]rune(nil), e.Rune...)
	r.Sub = make([]*syntax.Regexp, len(e.Sub))
	for i, sub := range e.Sub {
		if e.Op == syntax.OpConcat {
			i = len(e.Sub) - 1 - i
		}
		r.Sub[i] = reversed(sub)
	}
	if e.Op == syntax.OpLiteral {
		for i, j := 0, len(r.Rune)-1; i < j; i, j = i+1, j-1 {
			r.Rune[i], r.Rune[j] = r.Rune[j], r.Rune[i]
		}
	}
	return &r
}
