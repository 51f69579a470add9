package guard

import (
	"regexp/syntax"
	"strings"
)

// passedPerInstruction is how many bytes strings.Index looks at, at worst, in the time that an instruction takes.
const passedPerInstruction = 16

// automaton runs an expression's programs over a text, each in every state that it can be in at a place at once. Its memory is
// that of the longest text so far.
//
// It is for all expressions without back-references, those of plain RE2 too: package regexp does not say what it has done, and
// its bound, the instructions for each byte, is hundreds of times what "^.{1,4096}$" takes.
type automaton struct {
	held [][]bool // of each look-around, whether it holds at a place of the text
	left int      // instructions; below 0: it gave up

	seen  []int    // by instruction: the visit that reached it last
	visit int      // of a place by a program
	reach []uint32 // instructions to go on from
	waits []uint32 // instructions that take a character
}

// matches reports whether an expression without back-references is somewhere in s, which is UTF-8, and how many steps it took to
// know: more than limit means that it isn't known.
func (a *automaton) matches(x *extended, s string, limit int) (found bool, steps int) {
	all := limit * instructionsPerStep
	a.left = all
	for i := range x.looks {
		look := &x.looks[i]
		if a.left -= len(s); a.left < 0 { // before it takes the memory
			break
		}
		if i == len(a.held) {
			a.held = append(a.held, nil)
		}
		holds := a.held[i][:0]
		for range len(s) + 1 {
			holds = append(holds, look.negative)
		}
		a.held[i] = holds
		a.run(&look.program, s, func(at int) (enough bool) {
			holds[at] = !look.negative
			return false
		})
	}
	a.run(&x.whole, s, func(int) (enough bool) {
		found = true
		return true
	})
	if a.left < 0 {
		return false, limit + 1
	}
	return found, (all - a.left) / instructionsPerStep
}

// run begins a match at each place of the text where there can be one, from the last to the first if the program is backwards,
// and calls ends with each place where one ends, until that is enough.
func (a *automaton) run(p *program, s string, ends func(at int) (enough bool)) {
	if more := len(p.Inst) - len(a.seen); more > 0 {
		a.seen = append(a.seen, make([]int, more)...)
	}
	at := 0
	if p.backwards {
		at = len(s)
	}
	a.reach = append(a.reach[:0], uint32(p.Start))
	for a.left >= 0 && len(a.reach) > 0 {
		if a.follow(p, s, at) && ends(at) {
			return
		}
		r, then := next(s, at, p.backwards)
		if r < 0 {
			return
		}
		at = then
		for _, pc := range a.waits {
			if in := &p.Inst[pc]; in.MatchRune(r) {
				a.reach = append(a.reach, in.Out)
			}
		}
		if len(a.reach) == 0 && p.prefix != "" {
			n := strings.Index(s[at:], p.prefix)
			if n < 0 {
				n = len(s) - at
			}
			a.left -= n / passedPerInstruction
			at += n
		}
		if !p.anchored {
			a.reach = append(a.reach, uint32(p.Start))
		}
	}
}

// follow goes on from what is to be reached at a place, as far as that takes no character, and reports whether a match ends there.
func (a *automaton) follow(p *program, s string, at int) (matched bool) {
	looked, empty := false, syntax.EmptyOp(0)
	a.visit++
	a.left--
	a.waits = a.waits[:0]
	for len(a.reach) > 0 {
		pc := a.reach[len(a.reach)-1]
		a.reach = a.reach[:len(a.reach)-1]
		a.left--
		if a.seen[pc] == a.visit {
			continue
		}
		a.seen[pc] = a.visit
		switch in := &p.Inst[pc]; in.Op {
		case syntax.InstMatch:
			matched = true
		case syntax.InstAlt, syntax.InstAltMatch:
			a.reach = append(a.reach, in.Out, in.Arg)
		case syntax.InstNop:
			a.reach = append(a.reach, in.Out)
		case syntax.InstCapture:
			if g := p.groups[in.Arg/2]; g.kind != lookAround || a.held[g.n][at] {
				a.reach = append(a.reach, in.Out)
			}
		case syntax.InstEmptyWidth:
			if !looked {
				looked, empty = true, around(s, at)
			}
			if syntax.EmptyOp(in.Arg)&^empty == 0 {
				a.reach = append(a.reach, in.Out)
			}
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			a.waits = append(a.waits, pc)
		}
	}
	return matched
}
