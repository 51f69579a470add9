package routeconf

import "testing"

// FuzzTemplate parses and expands any text.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"plain", "$a$b", "${a}b", "$$", "$", "${", "${a-b}", "a$$b${c}$$"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := parseTemplate(s)
		if err != nil {
			return
		}
		for _, p := range parsed.parts {
			if p.variable != "" && nameLen(p.variable) != len(p.variable) || p.variable == "" && p.literal == "" {
				t.Errorf("%q: part %+v", s, p)
			}
		}
		if text, missing := parsed.Expand(func(string) string { return "" }); (missing != "") != parsed.Variable() {
			t.Errorf("%q: %q without %q", s, text, missing)
		}
	})
}
