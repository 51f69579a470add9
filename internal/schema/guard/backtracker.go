package guard

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

const (
	// instructionsPerStep is how many instructions of a pattern are one step.
	instructionsPerStep = 64
	// maxWays bounds the memory of a backtracker: 16 MB. ".*" takes one way for each character.
	maxWays = 2 << 20
)

// backtracker tries the ways to match an expression with back-references, one after another, as ECMA-262 has it, and gives up
// when its instructions or the memory for its ways are used up. It is made for one text; its memory does not stay.
type backtracker struct {
	*extended
	text  string
	slots []int32 // places: the two ends of each capturing group, and where the round of each loop began; or a value below 0
	ways  []way
	left  int // instructions; below 0: it gave up
}

// way is what to go back to: an instruction and a place, or, where pc is below 0, what the slot ^pc had.
type way struct{ pc, at int32 }

const (
	unset      = -1
	firstRound = -2 // of a loop, is next
)

// backtrack reports whether the expression is somewhere in s, which is UTF-8, and how many steps it took to know: more than
// limit means that it isn't known.
func (x *extended) backtrack(s string, limit int) (found bool, steps int) {
	all := limit * instructionsPerStep
	b := &backtracker{extended: x, text: s, slots: make([]int32, x.slots), left: all - x.slots}
	for i := range b.slots {
		b.slots[i] = unset
	}
	for at := 0; !found && b.left >= 0; {
		found = b.run(&x.whole, at)
		_, n := utf8.DecodeRuneInString(s[at:])
		if n == 0 {
			break
		}
		at += n
	}
	if b.left < 0 {
		return false, limit + 1
	}
	return found, (all - b.left) / instructionsPerStep
}

// run reports whether a program matches at a place. What was captured on the way then stays.
func (b *backtracker) run(p *program, at int) bool {
	bottom := len(b.ways)
	for pc := p.Start; ; {
		if b.left--; b.left < 0 {
			return false
		}
		in, goesOn := &p.Inst[pc], true
		switch in.Op {
		case syntax.InstMatch:
			b.settle(bottom)
			return true
		case syntax.InstAlt, syntax.InstAltMatch:
			b.keep(way{int32(in.Arg), int32(at)})
		case syntax.InstCapture:
			at, goesOn = b.group(p, in.Arg, at)
		case syntax.InstEmptyWidth:
			goesOn = syntax.EmptyOp(in.Arg)&^around(b.text, at) == 0
		case syntax.InstFail:
			goesOn = false
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			var r rune
			r, at = next(b.text, at, p.backwards)
			goesOn = r >= 0 && in.MatchRune(r)
		}
		if goesOn {
			pc = int(in.Out)
		} else if pc, at = b.back(bottom); pc < 0 {
			return false
		}
	}
}

// group begins or ends a group, and returns the place behind it, and false if no match leads there.
func (b *backtracker) group(p *program, arg uint32, at int) (then int, goesOn bool) {
	g, ends := &p.groups[arg/2], arg&1 == 1
	switch g.kind {
	case captures:
		slot := 2 * g.n
		if ends != p.backwards {
			slot++
		}
		b.set(slot, at)
	case lookAround:
		l := &b.looks[g.n]
		return at, ends || b.run(&l.program, at) != l.negative // where it is not, what it has captured is gone back from
	case reference:
		if !ends {
			return b.again(p, g, at)
		}
	case loop:
		if !ends {
			b.set(g.n, firstRound)
		}
	case round:
		if ends {
			return at, int(b.slots[g.n]) != at
		}
		began := at
		if b.slots[g.n] == firstRound {
			began = unset // wherever it ends, it is not empty for nothing
		}
		b.forget(g.span)
		b.set(g.n, began)
	case neededRound:
		if !ends {
			b.forget(g.span)
		}
	}
	return at, true
}

// again matches what a group has captured. A group without a match is matched by nothing.
func (b *backtracker) again(p *program, g *group, at int) (then int, goesOn bool) {
	from, to := int(b.slots[2*g.n]), int(b.slots[2*g.n+1])
	if from < 0 || to < from {
		return at, true
	}
	captured := b.text[from:to]
	if g.fold {
		return b.againFolded(p, captured, at)
	}
	b.left -= len(captured) / instructionsPerStep
	if p.backwards {
		return at - len(captured), strings.HasSuffix(b.text[:at], captured)
	}
	return at + len(captured), strings.HasPrefix(b.text[at:], captured)
}

// againFolded matches a text, whatever the case.
func (b *backtracker) againFolded(p *program, captured string, at int) (then int, goesOn bool) {
	in := 0
	if p.backwards {
		in = len(captured)
	}
	for {
		b.left--
		var want, is rune
		if want, in = next(captured, in, p.backwards); want < 0 {
			return at, true
		}
		if is, at = next(b.text, at, p.backwards); is < 0 || !strings.EqualFold(string(want), string(is)) {
			return at, false
		}
	}
}

// set gives a slot a value, until it is gone back from.
func (b *backtracker) set(slot, value int) {
	b.keep(way{^int32(slot), b.slots[slot]})
	b.slots[slot] = int32(value)
}

// forget is the beginning of a round.
func (b *backtracker) forget(captures span) {
	b.left -= captures.to - captures.from
	for slot := 2 * captures.from; slot < 2*captures.to; slot++ {
		if b.slots[slot] != unset {
			b.set(slot, unset)
		}
	}
}

func (b *backtracker) keep(w way) {
	if len(b.ways) == maxWays {
		b.left = -1
		return
	}
	b.ways = append(b.ways, w)
}

// back takes the last way that has not been tried, and returns its instruction and its place; below 0: there is none.
func (b *backtracker) back(bottom int) (pc, at int) {
	for len(b.ways) > bottom {
		last := b.ways[len(b.ways)-1]
		b.ways = b.ways[:len(b.ways)-1]
		if last.pc >= 0 {
			return int(last.pc), int(last.at)
		}
		b.slots[^last.pc] = last.at
	}
	return -1, 0
}

// settle drops the ways that have not been tried, and leaves what the slots had.
func (b *backtracker) settle(bottom int) {
	b.left -= len(b.ways) - bottom
	kept := b.ways[:bottom]
	for _, w := range b.ways[bottom:] {
		if w.pc < 0 {
			kept = append(kept, w)
		}
	}
	b.ways = kept
}

// next returns the next character of a text and the place behind it; below 0: there is none.
func next(text string, at int, backwards bool) (r rune, then int) {
	var n int
	if backwards {
		r, n = utf8.DecodeLastRuneInString(text[:at])
		then = at - n
	} else {
		r, n = utf8.DecodeRuneInString(text[at:])
		then = at + n
	}
	if n == 0 {
		return -1, at
	}
	return r, then
}

// around returns what holds between the characters at a place.
func around(text string, at int) syntax.EmptyOp {
	before, _ := next(text, at, true)
	after, _ := next(text, at, false)
	return syntax.EmptyOpContext(before, after)
}
