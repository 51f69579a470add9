package guard

import (
	"math"
	"regexp"
	"strings"
	"testing"
)

// Each pattern, and texts with a space between them that match, and that don't. Every one was tried in V8, with the flag u where it takes that.
func TestLookaround(t *testing.T) {
	for _, c := range []struct{ pattern, match, others string }{
		{`^(?=a)`, `a ab`, `b ba`},
		{`^(?!a)`, `b ba`, `a ab`},
		{`(?=a)b`, ``, `a b ab ba`},
		{`a(?=b)`, `ab cab aab`, `a ba`},
		{`a(?!b)`, `a ba aab aba`, `ab b`},
		{`(?<=a)b`, `ab cab`, `b bb ba`},
		{`(?<!a)b`, `b bb ba cb abb`, `ab a`},
		{`^(?!.*--)[a-z-]+$`, `a a-b -`, `a--b -- A`},
		{`^(?=.*[A-Z])(?=.*\d).{4,}$`, `aA1b 1A23 AAA1`, `aA1 abcd abc1 ABCD`},
		{`^(?!(?:con|prn)$)\w+$`, `cons pr com`, `con prn`},
		{`^(?!.*(?<!\\)")`, `a a\"`, `a" "`},
		{`(?<=a(?=b(?!c)))b`, `ab abd`, `abc b`},
		{`^(?=a(?=b)|c(?<=c)d)`, `ab cd`, `a c ac`},
		{`^(?:(?!ab).)*$`, `ba a b aaa`, `ab cab aab`},
		{`(?=abc)(?=[a-c]{3}$)`, `abc xabc`, `ab abcd`},
		{`aa(?=b)`, `aab aaab baaab`, `aa ab aba aaa`},
		{`(?<=b)aa(?!c)`, `baa bcbaa`, `aa aab baac aabaac`},
		{`\((?=\))[(?=)]?`, `()`, `( (?`},
		{`[\](?!)](?!x)`, `] ? !`, `]x x`},
		{`[^)(?=](?!x)`, `a ax`, `) ( ?`},
		{`(?<=^ü𝄞)é$`, `ü𝄞é`, `𝄞é é`},
		{`(?<=(?:ab|c){2}d)e`, `abcde ccde`, `cde de`},
		{`(?<=ab*c|d)(?=e+f$)`, `abbceef def`, `abef abce`},
		{`^(?=a|b)*c`, `c`, `a b ac`},
		{`(?<name>a)(?=b)`, `ab`, `a`},
		{`\b(?=b)`, `b b-b`, `ab`},
		{`(?=$)a|b(?=$)`, `b ab`, `a ba`},
		{`a(?!)`, ``, `a`},
		{`(?=)a`, `a`, `b`},
		{`(?=(a+)+$)b|^(?=(a*)*b)`, `aaab b`, `aaa c`},
	} {
		t.Run(c.pattern, func(t *testing.T) {
			checkMatches(t, c.pattern, c.match, c.others)
			checkMatches(t, `()\1(?:`+c.pattern+`)`, c.match, c.others) // by the backtracker
		})
	}
}

// newPattern is the only one of its schema, and for a text of any length.
func newPattern(text string) *pattern {
	p := (&Patterns{}).pattern(text)
	p.guard = &Guard{left: math.MaxInt32}
	return &p
}

func newExtended(text string) (*extended, error) {
	p, err := parseExtended(text)
	if err != nil {
		return nil, err
	}
	return p.compile()
}

func checkMatches(t *testing.T, pattern, match, others string) {
	t.Helper()
	p := newPattern(pattern)
	if p.err != nil {
		t.Fatal(p.err)
	}
	for list, want := range map[string]bool{match: true, others: false} {
		for _, s := range strings.Fields(list) {
			if got := p.MatchString(s); got != want {
				t.Errorf("%s on %q: %t", pattern, s, got)
			}
		}
	}
}

// Each was tried in V8, but for what is not its syntax: octal, flags of a part, \Q.
func TestBackReferences(t *testing.T) {
	for _, c := range []struct{ what, pattern, match, others string }{
		{"one", `^(a|b)\1$`, `aa bb`, `ab ba a`},
		{"another", `^(a|b)(c)\2\1$`, `acca bccb`, `acac`},
		{"by name", `^(?<q>["'])[^"']*\k<q>$`, `"a" 'a'`, `"a'`},
		{"by Python's name", `^(?P<q>["'])\k<q>$`, `""`, `"'`},
		{"between others", `^(?<a>x)(y)\2\k<a>\1$`, `xyyxx`, `xyxyx`},
		{"the tenth, which RE2 reads as a line feed", `^(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)\10$`, `abcdefghijj`, `abcdefghija0`},
		{"a character in octal, where there are not as many groups", `^(a)\101\1$`, `aAa`, `aa`},
		{"a digit behind it", `^(a)[\d]\1[1]$`, `a0a1`, `a0a`},
		{"more than once", `^(a+)-\1-\1$`, `aa-aa-aa`, `aa-aa-a`},
		{"repeated", `^(ab)\1{2}$`, `ababab`, `abab`},
		{"the shortest", `^(a+?)\1*$`, `aaaaa`, `ab`},
		{"tried again", `^(a*)\1b$`, `aab b aaaab`, `aaab`},
		{"characters of many bytes", `^(é|𝄞)\1$`, `éé 𝄞𝄞`, `é𝄞`},
		{"a group without a match is matched by nothing", `^(?:(a)|b)\1$`, `aa b`, `ab a`},
		{"so is a group that comes later", `^\1(a)$`, `a`, `aa`},
		{"and the group that it is in", `^(a\1)$`, `a`, `aa`},
		{"a round begins without what the one before has captured", `^(?:(a)|b)*\1$`, `ab bb aa b`, `abc`},
		{"so does each of those that are needed", `^(?:(a)|b){2}\1$`, `ab bb aaa`, `aba`},
		{"and what is in a look-around", `^(?:(?=(a))a|b)*\1$`, `ab abaa`, `aba`},
		{"and with it if there is one round", `^(?:(a)|b)\1c$`, `aac bc`, `ac`},
		{"an empty round is none", `^(a*)*\1$`, `aa aaa`, `a b`},
		{"unless it is needed", `^(?:(a*)){2}\1b$`, `b ab aab`, `a`},
		{"which the first of them may be", `^(a*)+b\1$`, `b aba`, `ab`},
		{"in a look-around", `^(a|b)(?=c\1)c`, `aca bcb`, `acb`},
		{"of a look-around's group", `^(?=(a|b))[ab]\1$`, `aa bb`, `ab`},
		{"a look-around is not tried again", `^(?=(a+))a*b\1$`, `aabaa aba`, `aaba baaa`},
		{"of one that must not match", `^(?!(a)b)a\1c$`, `ac`, `aac`},
		{"a look-behind reads back to front", `(?<=\1(a|b))$`, `aa bb`, `ab a`},
		{"and its groups do", `^[ab]+(?<=(a|b)(\1*))c\2$`, `abc ac`, `cc`},
		{"not with it", `^(a|b)(?!\1)`, `ab ba`, `aa bb`},
		{"two letters of which no two are one", `^(?!.*(.).*\1)[a-z]+$`, `abc`, `aba abb`},
		{"whatever the case", `^(?i)(ab)\1$`, `abAB aBAb`, `abac`},
		{"of a part", `^(?i:(ab))\1$`, `ABAB`, `ABab`},
		{"and of another length", `^(?i:(k)\1)$`, "k\u212a \u212ak KK", `kl`},
		{"and back to front", `(?i)(?<=\1(ab))$`, `abAB`, `abAC`},
		{"many characters of a large class", `^([\pL\pN]{1,255})-\1$`, `é-é`, `é-e`},
		{"quoted", `^(a)\Q\1(\E\1$`, `a\1(a`, `aa`},
	} {
		t.Run(c.what, func(t *testing.T) { checkMatches(t, c.pattern, c.match, c.others) })
	}
}

func TestFlagsBesideLookaround(t *testing.T) {
	for pattern, texts := range map[string][2]string{
		`(?i)^(?=a)`:              {`a A`, `b`},
		`^(?i:(?=a))[a-z]`:        {`a`, `A`},
		`^(?i)b(?-i)(?=a)`:        {`Ba ba`, `BA`},
		`^(?:(?i)b)(?=a)`:         {`Ba`, `BA`},
		`^(?i:(?=a(?-i:b(?=c))))`: {`abc Abc`, `aBc`},
		`(?is-m)^(?<=^)(?=a.b)`:   {`axb`, `xa.b`},
		`^\Q(?=a)\E(?=a)`:         {`(?=a)a`, `a`},
	} {
		checkMatches(t, pattern, texts[0], texts[1])
	}
}

// Backtrackers have been kept busy for years by these.
func TestBackReferencesEndWithTheirSteps(t *testing.T) {
	a := strings.Repeat("a", 1<<16)
	for _, c := range []struct{ pattern, text string }{
		{`^(a+)+\1$`, a[:30] + "b"},
		{`^(?:(a)|(a))*\1\2b$`, a[:100]},
		{`^(.*)*(.*)*(.*)*\1\2\3x$`, a[:100]},
		{`^(.*)\1$`, a + "b"},
		{`(?i)^(.*)\1$`, a + "b"},
		{`(.+)\1{2}b`, a},
		{`(?=(.*)){999}\1b`, a},
		{`^(a*)+\1b`, a[:1000]},
		{strings.Repeat("(", 400) + "a" + strings.Repeat("*)", 400) + `\1b`, a[:100]},
		{strings.Repeat("(?=", 900) + "(a*)" + strings.Repeat(")", 900) + `\1b`, a},
		{strings.Repeat("(?<!", 500) + "(a*)" + strings.Repeat(")", 500) + `\1b`, a},
		{strings.Repeat("(a?)", 900) + `\1b`, a[:900]},
		{`(?:(x)|` + strings.Repeat("(y)|", 900) + `a)*\1b`, a},
		{`(?:(?:()()()()(){100}()a){9})*\1b`, a},
	} {
		p := newPattern(c.pattern)
		if p.err != nil {
			t.Errorf("%.30s: %v", c.pattern, p.err)
			continue
		}
		const limit = 20_000
		if found, steps := p.backtrack(c.text, limit); found || steps != limit+1 {
			t.Errorf("%.30s: %t after %d steps", c.pattern, found, steps)
		}
		g := Guard{}
		p.guard = &g
		if g.Run(limit, func() { p.MatchString(c.text) }) {
			t.Errorf("%.30s: the guard has not ended it", c.pattern)
		}
	}
}

func TestBackReferencesTakeFewStepsWhereTheyCan(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		most          int
	}{
		{`^(a|b)\1$`, "aa", 1},
		{`^(["'])[^"']*\1$`, `"` + strings.Repeat("a", 1000) + `"`, 100},
		{`^(?!.*(.)\1)\w+$`, strings.Repeat("ab", 100), 100},
		{`(a*)*\1`, strings.Repeat("a", 1000), 200},
		{`((a{10}){10}){10}\1`, strings.Repeat("a", 1999), 100},
	} {
		found, steps := newPattern(c.pattern).backtrack(c.text, 10_000)
		if !found || steps > c.most {
			t.Errorf("%s: %t, %d steps", c.pattern, found, steps)
		}
	}
}

func TestAutomatonTakesTheStepsThatItCosts(t *testing.T) {
	a := strings.Repeat("a", 4096)
	for _, c := range []struct {
		pattern, text string
		least, most   int
	}{
		{`^.{1,255}$`, a[:255], 0, 20},
		{`^.{1,4096}$`, a, 100, 500},
		{`^.{0,4096}?$`, a, 100, 500},
		{`^[a-z]{3,}$`, a, 100, 500},
		{`^(?!.*--).{1,4096}$`, a, 200, 1000},
		{`^b`, a, 0, 1},           // not found at the beginning, not looked for behind it
		{`bc`, a, 1, 10},          // looked for as strings.Index does
		{`b(?<=a)c`, a, 100, 300}, // the look-around everywhere
		{`(?i)bc`, a, 100, 300},
		{`(?=a*$)b`, a, 100, 1000},
		{`[ab]{500}x`, a, 30_000, 100_000},
		{`(?=x[ab]{500})b`, a, 30_000, 100_000},
	} {
		p := newPattern(c.pattern)
		_, steps := p.matches(new(automaton), c.text, 1_000_000)
		if steps < c.least || steps > c.most {
			t.Errorf("%s: %d steps", c.pattern, steps)
		}
		if _, again := p.matches(new(automaton), c.text, steps/2); steps > 1 && again != steps/2+1 {
			t.Errorf("%s: %d steps, of %d that it had", c.pattern, again, steps/2)
		}
	}
}

func TestExtendedPatternThatIsRefused(t *testing.T) {
	for pattern, want := range map[string]string{
		`(?=a)\1`:                  `invalid escape sequence: "\\1"`,
		`(a)\2`:                    `invalid escape sequence: "\\2"`,
		`(a)\k<a>`:                 `invalid escape sequence: "\\k"`,
		`(?<a>a)[\1]\1`:            `invalid escape sequence: "\\1"`,
		`(?<a>a)(?=(?<a>b)\1)`:     `invalid or unsupported Perl syntax: "(?="`,
		`(?<é>a)\1`:                `invalid named capture: "(?<é>"`,
		`(a)\99999999999999999999`: `invalid escape sequence: "\\9"`,
		`(?=a`:                     `invalid or unsupported Perl syntax: "(?="`,
		`(?=a))`:                   `invalid or unsupported Perl syntax: "(?="`,
		`(?i-)(?=a)`:               `invalid or unsupported Perl syntax: "(?i-)"`,
		`(?=*)`:                    `missing argument to repetition operator: "*"`,
		`(?=[b-a])`:                `invalid character class range: "b-a"`,
		`(?=[a)`:                   `invalid or unsupported Perl syntax: "(?="`,
		`(?=a)(?>b)`:               `invalid or unsupported Perl syntax: "(?>"`,
		`(?=((a{100}){100}){9})`:   `invalid repeat count: "{100}"`,
		`((a{1000}){1000})\1`:      `invalid repeat count: "{1000}"`,
		`(?:` + strings.Repeat("()", 500) + `){1000}`:         `is compiled to more than 100000 instructions`,
		`(?:` + strings.Repeat("a", 300) + `){90000}`:         `is compiled to more than 100000 instructions`,
		strings.Repeat(`(?=a{1000})`, 101):                    `is compiled to more than 100000 instructions`,
		`(?:` + strings.Repeat("(?:ab)?", 99) + `){1000}()\1`: `is compiled to more than 100000 instructions`,
	} {
		p := newPattern(pattern)
		if p.err == nil || !strings.HasSuffix(p.err.Error(), want) {
			t.Errorf("%s: got %v, want %s", pattern, p.err, want)
		}
	}
}

// A pattern without look-around is RE2's own, and from it it is known what holds with look-around put to it.
func FuzzLookaround(f *testing.F) {
	for _, seed := range [][2]string{{`a(b|c)*?d`, "xabcbd"}, {`^ü.$`, "ü𝄞"}, {`\bfoo\B`, "food"}, {`\u0062[^]{2}\cJ`, "b\n\n\n"}, {`(?:a{2,3}|b*)+$`, "aab"}, {`[^]a](?=b)`, "cb"}, {`(?<!(a)|(?!b$))`, "ab"}, {``, ""}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, s string) {
		text, s = fromECMA(text), strings.ToValidUTF8(s, "")
		p := newPattern(text)
		if p.err == nil && len(s)*p.instructions > 1<<20 { // the fuzzer's patience
			return
		}
		got := p.MatchString(s)
		re, err := regexp.Compile(text)
		if err != nil {
			return
		}
		want := re.MatchString(s)
		if p.err == nil && !p.references && got != want { // it has some in what RE2 reads in octal
			t.Errorf("%s on %q: %t", text, s, got)
		}
		for pattern, want := range map[string]bool{
			`(?=)(?:` + text + `)`:          want,
			`(?:` + text + `)(?<=)`:         want,
			`(?=` + text + `)`:              want,
			`(?<=` + text + `)`:             want,
			`^(?![\s\S]*(?:` + text + `))`:  !want,
			`(?<!(?:` + text + `)[\s\S]*)$`: !want,
			`^(?=[\s\S]*(?<=` + text + `))`: want,
		} {
			look, err := newExtended(pattern)
			if err != nil {
				if regexp.MustCompile(`\{\d|\(\?[^:]*\)|\\Q`).MatchString(text) { // repetitions that are too many with one more; flags, of which ours end with a group; or \Q that ends nowhere
					continue
				}
				t.Fatalf("%s: %v", pattern, err)
			}
			if look.references { // what RE2 reads in octal
				continue
			}
			if got, _ := new(automaton).matches(look, s, math.MaxInt32); got != want {
				t.Errorf("%s on %q: %t", pattern, s, got)
			}
		}
	})
}

// What has no back-reference is matched by RE2, or the automaton, as by the backtracker.
func FuzzBackReferences(f *testing.F) {
	for _, seed := range [][2]string{{`a(b|c)*?d`, "xabcbd"}, {`^(a|b)\1$`, "aa"}, {`(?i:(k)\1)`, "kK"}, {`(?:a{2,3}|b*)+$`, "aab"}, {`(?<=(a*)*)(?!b)`, "cb"}, {`^(?:(a)|b)*\1`, "ab"}, {`((a*)*|(?=b))+`, ""}, {`\k<n>(?<n>x)`, "xx"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, s string) {
		text, s = fromECMA(text), strings.ToValidUTF8(s, "")
		const limit = 1000
		if regexp.MustCompile(`\{\d*,?\d\d`).MatchString(text) { // the fuzzer's patience
			return
		}
		p := newPattern(text)
		if p.err != nil || p.instructions*len(s) > 1<<16 {
			return
		}
		if p.references {
			found, steps := p.backtrack(s, limit)
			if found && steps > limit {
				t.Errorf("found after %d steps", steps)
			}
			return
		}
		want := p.MatchString(s)
		for _, pattern := range []string{`()\1(?:` + text + `)`, `()(?:` + text + `)(?<=\1)`, `(x|)(?=(?:` + text + `))\1`} {
			x, err := newExtended(pattern)
			if err != nil || !x.references || octal.MatchString(text) { // flags, repetitions that are too many with one more, or \Q that ends nowhere
				continue
			}
			if got, steps := x.backtrack(s, limit); got != want && steps <= limit {
				t.Errorf("%s on %q: %t", pattern, s, got)
			}
		}
	})
}

// What a step takes, with look-around and without, where all of a pattern is tried at each place.
func BenchmarkPattern(b *testing.B) {
	text := strings.Repeat("ab", 1<<12)
	for what, expression := range map[string]string{"re2": "(a|b|ab)*(x{50}|[a-c]{50}y)$", "look-around": "(?<=[a-c]{50})y|(a|b|ab)*x"} {
		b.Run(what, func(b *testing.B) {
			p := newPattern(expression)
			_, steps := new(automaton).matches(p.extended, text, math.MaxInt32)
			for b.Loop() {
				p.MatchString(text)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(steps), "ns/step")
		})
	}
}

// What a step takes where back-references are tried: about as long as above.
func BenchmarkBackReferences(b *testing.B) {
	for what, c := range map[string][2]string{"rounds": {`^(a+)+\1$`, strings.Repeat("a", 30) + "b"}, "repeated text": {`^(.*)\1$`, strings.Repeat("a", 1<<16) + "b"}} {
		b.Run(what, func(b *testing.B) {
			const limit = 10_000
			p := newPattern(c[0])
			for b.Loop() {
				p.backtrack(c[1], limit)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/limit, "ns/step")
		})
	}
}
