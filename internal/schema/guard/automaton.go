package guard

import "regexp/syntax"

// automaton runs an expression's programs over a text, each in every state that it can be in at a place at once. Its memory is
// that of the longest text so far.
type automaton struct {
	text []rune
	held [][]bool // of each look-around, whether it holds at a place of the text

	seen  []int    // by instruction: the visit that reached it last
	visit int      // of a place by a program
	reach []uint32 // instructions to go on from
	waits []uint32 // instructions that take a character
}

// matches reports whether an expression without back-references is somewhere in s, which is UTF-8.
func (x *extended) matches(s string) bool {
	a := &x.automaton
	a.text = append(a.text[:0], []rune(s)...)
	for i, look := range x.looks {
		if i == len(a.held) {
			a.held = append(a.held, nil)
		}
		holds := a.held[i][:0]
		for range len(a.text) + 1 {
			holds = append(holds, look.negative)
		}
		a.held[i] = holds
		a.run(look.program, look.ahead, func(at int) (enough bool) {
			holds[at] = !look.negative
			return false
		})
	}
	found := false
	a.run(x.whole, false, func(int) (enough bool) {
		found = true
		return true
	})
	return found
}

// run begins a match at each place of the text, from the last to the first if backwards, and calls ends with each place where
// one ends, until that is enough.
func (a *automaton) run(p program, backwards bool, ends func(at int) (enough bool)) {
	if more := len(p.Inst) - len(a.seen); more > 0 {
		a.seen = append(a.seen, make([]int, more)...)
	}
	at, last, step := 0, len(a.text), 1
	if backwards {
		at, last, step = last, at, -1
	}
	a.reach = a.reach[:0]
	for {
		a.reach = append(a.reach, uint32(p.Start))
		if a.follow(p, at) && ends(at) || at == last {
			return
		}
		next := a.text[min(at, at+step)]
		for _, pc := range a.waits {
			if in := &p.Inst[pc]; in.MatchRune(next) {
				a.reach = append(a.reach, in.Out)
			}
		}
		at += step
	}
}

// follow goes on from what is to be reached at a place, as far as that takes no character, and reports whether a match ends there.
func (a *automaton) follow(p program, at int) (matched bool) {
	empty := a.around(at)
	a.visit++
	a.waits = a.waits[:0]
	for len(a.reach) > 0 {
		pc := a.reach[len(a.reach)-1]
		a.reach = a.reach[:len(a.reach)-1]
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
			if syntax.EmptyOp(in.Arg)&^empty == 0 {
				a.reach = append(a.reach, in.Out)
			}
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			a.waits = append(a.waits, pc)
		}
	}
	return matched
}

// around returns what holds between the characters at a place.
func (a *automaton) around(at int) syntax.EmptyOp {
	before, after := rune(-1), rune(-1)
	if at > 0 {
		before = a.text[at-1]
	}
	if at < len(a.text) {
		after = a.text[at]
	}
	return syntax.EmptyOpContext(before, after)
}
