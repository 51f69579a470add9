package guard

import (
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
			p := newPattern(c.pattern)
			if p.err != nil {
				t.Fatal(p.err)
			}
			for list, want := range map[string]bool{c.match: true, c.others: false} {
				for _, s := range strings.Fields(list) {
					if got := p.MatchString(s); got != want {
						t.Errorf("%q: %t", s, got)
					}
				}
			}
		})
	}
}

func TestLookaroundThatIsRefused(t *testing.T) {
	for pattern, want := range map[string]string{
		`(?=a)\1`:                   `invalid escape sequence: "\\1"`,
		`(?=a`:                      `invalid or unsupported Perl syntax: "(?="`,
		`(?=a))`:                    `invalid or unsupported Perl syntax: "(?="`,
		`(?i)(?=a)`:                 `invalid or unsupported Perl syntax: "(?="`,
		`\Q(?=a)\E(?=a)`:            `invalid or unsupported Perl syntax: "(?="`,
		`(?=*)`:                     `missing argument to repetition operator: "*"`,
		`(?=[b-a])`:                 `invalid character class range: "b-a"`,
		`(?=[a)`:                    `invalid or unsupported Perl syntax: "(?="`,
		`(?=a)(?>b)`:                `invalid or unsupported Perl syntax: "(?="`,
		`(?=((a{100}){100}){9})`:    `invalid repeat count: "{100}"`,
		`(?=a)(?P<look_around_0>b)`: `invalid or unsupported Perl syntax: "(?="`,
	} {
		p := newPattern(pattern)
		if p.err == nil || !strings.HasSuffix(p.err.Error(), want) {
			t.Errorf("%s: got %v, want %s", pattern, p.err, want)
		}
	}
}

// A pattern without look-around is RE2's own, and from it it is known what holds with look-around put to it.
func FuzzLookaround(f *testing.F) {
	for _, seed := range [][2]string{{`a(b|c)*?d`, "xabcbd"}, {`^ü.$`, "ü𝄞"}, {`\bfoo\B`, "food"}, {`(?:a{2,3}|b*)+$`, "aab"}, {`[^]a](?=b)`, "cb"}, {`(?<!(a)|(?!b$))`, "ab"}, {``, ""}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, s string) {
		s = strings.ToValidUTF8(s, "")
		p := newPattern(text)
		if len(s)*p.instructions > 1<<20 { // which the guard forbids, and the fuzzer's patience
			return
		}
		if p.err == nil {
			p.MatchString(s)
		}
		re, err := regexp.Compile(text)
		if err != nil {
			return
		}
		want := re.MatchString(s)
		for pattern, want := range map[string]bool{
			`(?=)(?:` + text + `)`:          want,
			`(?:` + text + `)(?<=)`:         want,
			`(?=` + text + `)`:              want,
			`(?<=` + text + `)`:             want,
			`^(?![\s\S]*(?:` + text + `))`:  !want,
			`(?<!(?:` + text + `)[\s\S]*)$`: !want,
			`^(?=[\s\S]*(?<=` + text + `))`: want,
		} {
			look, err := newLookaround(pattern)
			if err != nil {
				if err == errNoLookaround || regexp.MustCompile(`\{\d`).MatchString(text) { // flags; or repetitions that are too many with one more
					continue
				}
				t.Fatalf("%s: %v", pattern, err)
			}
			if got := look.matches(s); got != want {
				t.Errorf("%s on %q: %t", pattern, s, got)
			}
		}
	})
}

// What an instruction takes for a byte, with look-around and without, where all of a pattern is tried at each place.
func BenchmarkPattern(b *testing.B) {
	text := strings.Repeat("ab", 1<<12)
	for what, expression := range map[string]string{"re2": "(a|b|ab)*(x{50}|[a-c]{50}y)$", "look-around": "(?<=[a-c]{50})y|(a|b|ab)*x"} {
		b.Run(what, func(b *testing.B) {
			p := newPattern(expression)
			for b.Loop() {
				p.MatchString(text)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(text)*p.instructions), "ns/byte/instruction")
		})
	}
}
