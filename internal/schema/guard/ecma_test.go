package guard

import (
	"strings"
	"testing"
)

func TestPatternOfECMA262(t *testing.T) {
	xs := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		pattern string
		matches []string
		others  []string
	}{
		{`^\u0041\u00e9$`, []string{"Aé"}, []string{"A", `\u0041é`}},
		{`^[\u4e00-\u9fff]+$`, []string{"中文"}, []string{"a"}},
		{`^\u{1F600}\uD83D\uDE00$`, []string{"😀😀"}, []string{"😀"}},
		{`^[\ud83d\ude00-\ud83d\ude02]$`, []string{"😁"}, []string{"😃"}},
		{`\uD83D`, nil, []string{"😀", "\ufffd"}}, // half a character is in no text
		{`^\\u0041$`, []string{`\u0041`}, []string{"A"}},
		{`^\cJ[\cA-\cC]$`, []string{"\n\x02"}, []string{"J\x02"}},
		{`^[^]{3}$`, []string{"a\nb"}, []string{"ab"}},
		{`^[^]*[x]$`, []string{"\n[x"}, []string{"a"}},
		{`^\p{Script=Greek}+\P{sc=Greek}$`, []string{"αβa"}, []string{"αβ"}},
		{`^x{1,2500}$`, []string{xs(1), xs(2500)}, []string{"", xs(2501)}},
		{`^x{1,2500}?$`, []string{xs(1), xs(1000), xs(1001), xs(2500)}, []string{"", xs(2501)}},
		{`^(?:x{500,2500}|y)$`, []string{xs(500), xs(1500), xs(2500), "y"}, []string{xs(499), xs(2501), "xy"}},
		{`^x{1500}$`, []string{xs(1500)}, []string{xs(1499), xs(1501)}},
		{`^x{1001,}$`, []string{xs(1001), xs(3000)}, []string{xs(1000)}},
		{`^(?:[xy]|\u007a){0,1200}$`, []string{"", "xyz" + xs(1197)}, []string{xs(1201), "a"}},
		{`^(a)(?:[^]{2,1200}?)\1$`, []string{"a\n\na"}, []string{"aba"}},
		{`^(?=x{0,1100}$)x`, []string{xs(1100)}, []string{xs(1101)}},
		{`^(x){1001,}$`, []string{xs(1001), xs(3000)}, []string{xs(1000)}},
		{`^(?:(?<c>x)|y){2000}$`, []string{xs(2000)}, []string{xs(1999)}},
		{`^[(x]{1001,}$`, []string{xs(1001)}, []string{xs(1000)}},
		{`^(?=y)(y)(x){1,1001}$`, []string{"y" + xs(1001)}, []string{xs(1001), "y" + xs(1002)}},
		{`^a{,2}\{1,2000}$`, []string{"a{,2}{1,2000}"}, []string{"aa"}},
	} {
		p := newPattern(c.pattern)
		if p.err != nil {
			t.Errorf("%s: %v", c.pattern, p.err)
			continue
		}
		if p.String() != c.pattern {
			t.Errorf("%s is called %s", c.pattern, p)
		}
		for _, s := range c.matches {
			if !p.MatchString(s) {
				t.Errorf("%s does not match %.20q, of %d bytes", c.pattern, s, len(s))
			}
		}
		for _, s := range c.others {
			if p.MatchString(s) {
				t.Errorf("%s matches %.20q, of %d bytes", c.pattern, s, len(s))
			}
		}
	}
}

func TestPatternOfECMA262ThatIsRefused(t *testing.T) {
	for _, pattern := range []string{
		`^(x){1,2000}\1$`, // a copy of a group would be another group
		`^x{2000,1000}$`,
		`^x{0,99999}$` + strings.Repeat("a{1000}", 90),
		strings.Repeat("(?:", 60) + "x" + strings.Repeat("{1001})", 60),
		strings.Repeat("(?:[^]", 60) + strings.Repeat("{99000})", 60),
	} {
		if err := newPattern(pattern).err; err == nil {
			t.Errorf("%.60s… is taken", pattern)
		}
	}
}
