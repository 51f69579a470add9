package guard

import (
	"errors"
	"regexp/syntax"
	"strconv"
	"strings"
)

// lookaround is a regular expression with look-around, (?=…), (?!…), (?<=…) and (?<!…), and otherwise of RE2's syntax. RE2 has
// none, and engines that have it try one way after another: a text of forty characters can keep them busy for hours. Here
// each look-around, the inner ones first, is held against all places of the text in one pass of an automaton, and what is
// around it reads the result as it reads "^" or "\b". The steps grow with the length of the text and with that of the pattern,
// and are known before. (Back-references cannot be had this way.) It is for one text at a time, as its Guard is.
type lookaround struct {
	automaton
	looks        []look // each behind those that are in it
	whole        program
	instructions int // of all programs
}

type look struct {
	program
	ahead, negative bool
}

// program is a compiled expression, which has an empty group in the place of each look-around.
type program struct {
	*syntax.Prog
	looks []int // by the number of a group: the index of the look-around that it is the place of, or -1
}

// placeName begins the names of the groups that are places of look-arounds. The rest is the index.
const placeName = "look_around_"

var errNoLookaround = errors.New("is not look-around")

// newLookaround returns the pattern of a text. errNoLookaround means that it has no look-around, a group that is not closed, or \Q or flags,
// which look-around is not offered with. Other errors are RE2's, about what is around a look-around or in it.
func newLookaround(text string) (*lookaround, error) {
	if strings.Contains(text, placeName) {
		return nil, errNoLookaround
	}
	p := &lookaroundParser{open: []group{{}}}
	for text != "" {
		n, err := p.next(text)
		if err != nil {
			return nil, err
		}
		text = text[n:]
	}
	if len(p.open) > 1 || len(p.found.looks) == 0 {
		return nil, errNoLookaround
	}
	var err error
	p.found.whole, err = p.compile(p.open[0].text, false)
	return &p.found, err
}

type lookaroundParser struct {
	found lookaround
	open  []group // innermost last; the first is the whole pattern
}

type group struct {
	text []byte // what has been read of it, with places for look-arounds
	look *look  // nil: another group
}

// next reads the first token of a text, and returns its length.
func (p *lookaroundParser) next(text string) (int, error) {
	switch text[0] {
	case '(':
		opening, l, err := parseOpening(text)
		if err != nil {
			return 0, err
		}
		p.open = append(p.open, group{look: l})
		if l == nil {
			p.write(opening)
		}
		return len(opening), nil
	case ')':
		return 1, p.close()
	}
	n := 1
	switch text[0] {
	case '\\':
		if strings.HasPrefix(text, `\Q`) { // up to \E nothing is a group
			return 0, errNoLookaround
		}
		n = min(2, len(text))
	case '[':
		n = classLength(text)
	}
	p.write(text[:n])
	return n, nil
}

func (p *lookaroundParser) write(text string) {
	in := &p.open[len(p.open)-1]
	in.text = append(in.text, text...)
}

// close ends the innermost group.
func (p *lookaroundParser) close() error {
	if len(p.open) == 1 {
		return errNoLookaround
	}
	closed := p.open[len(p.open)-1]
	p.open = p.open[:len(p.open)-1]
	if closed.look == nil {
		p.write(string(closed.text) + ")")
		return nil
	}
	var err error
	closed.look.program, err = p.compile(closed.text, closed.look.ahead)
	p.write("(?P<" + placeName + strconv.Itoa(len(p.found.looks)) + ">)")
	p.found.looks = append(p.found.looks, *closed.look)
	return err
}

var openings = []struct {
	text string
	look *look
}{
	{"(?=", &look{ahead: true}},
	{"(?!", &look{ahead: true, negative: true}},
	{"(?<=", &look{}},
	{"(?<!", &look{negative: true}},
	{"(?:", nil},
	{"(?P<", nil},
	{"(?<", nil},
}

// parseOpening returns how a group begins, and its look-around, if it is one.
func parseOpening(text string) (opening string, l *look, err error) {
	if !strings.HasPrefix(text, "(?") {
		return "(", nil, nil
	}
	for _, o := range openings {
		if !strings.HasPrefix(text, o.text) {
			continue
		}
		if o.look != nil {
			l = &look{ahead: o.look.ahead, negative: o.look.negative}
		}
		return o.text, l, nil
	}
	return "", nil, errNoLookaround // flags
}

// classLength returns the length of the character class at the beginning of a text.
func classLength(text string) int {
	n := len("[")
	if strings.HasPrefix(text[n:], "^") {
		n++
	}
	for first := true; n < len(text); first = false {
		switch {
		case text[n] == ']' && !first:
			return n + 1
		case text[n] == '\\':
			n++
		case strings.HasPrefix(text[n:], "[:"):
			if end := strings.Index(text[n:], ":]"); end > 0 {
				n += end + 1
			}
		}
		n++
	}
	return len(text)
}

// compile returns the program of an expression, or of the expression that matches its texts back to front.
func (p *lookaroundParser) compile(text []byte, backwards bool) (program, error) {
	parsed, err := syntax.Parse(string(text), syntax.Perl)
	if err != nil {
		return program{}, err
	}
	var looks []int
	for _, name := range parsed.CapNames() {
		index := -1
		if digits, ok := strings.CutPrefix(name, placeName); ok {
			index, _ = strconv.Atoi(digits) // close has written it
		}
		looks = append(looks, index)
	}
	simple := parsed.Simplify()
	if backwards {
		simple = reversed(simple)
	}
	compiled, err := syntax.Compile(simple)
	if err != nil {
		return program{}, err
	}
	p.found.instructions += len(compiled.Inst)
	return program{compiled, looks}, nil
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
