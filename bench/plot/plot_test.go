package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

// elements reads SVG as XML, and counts.
func elements(t *testing.T, svg string) map[string]int {
	t.Helper()
	n := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok {
			n[e.Name.Local]++
		}
	}
}

func TestDrawHasEveryPoint(t *testing.T) {
	c := &rig.Curve{Name: "c", Title: "Less < more & \"so\"", X: "x > 0"}
	for round := range 3 {
		for _, x := range []float64{0, 1, 1000, 1e6} {
			c.Add("a", "µs", x, x*float64(round+1))
			c.Add("b", "µs", x, 7)
			c.Add("b", "MB", x, 30+x/1e6)
		}
		c.Add("failed, a", failedUnit, 1, 0)
	}
	svg := draw(c)
	if n := elements(t, svg); n["circle"] != 12 || n["svg"] != 1 {
		t.Errorf("%v: not 12 points in\n%s", n, svg)
	}
	for _, want := range []string{"Less &lt; more &amp;", ": µs<", ": MB<", "<title>1M: 2M (1M–3M)</title>", "prefers-color-scheme:dark", ">0</text>"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in\n%s", want, svg)
		}
	}
	if strings.Contains(svg, failedUnit) || strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Error("a panel for what did not happen, or no number")
	}
}

func TestAxis(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []float64
		log    bool
	}{
		{"several powers of ten", []float64{1, 10, 10000}, true},
		{"several, and zero", []float64{0, 100, 1e7}, true},
		{"less than two", []float64{20, 35, 40}, false},
		{"one value", []float64{5}, false},
		{"nothing but zero", []float64{0, 0}, false},
		{"none", nil, false},
	} {
		a := newAxis(c.values, 100, 500)
		if a.log != c.log {
			t.Errorf("%s: %+v", c.name, a)
		}
		last := 99.9
		for _, v := range append(a.marks(), c.values...) {
			if at := a.at(v); math.IsNaN(at) || at < 99.9 || at > 500.1 {
				t.Errorf("%s: %v is at %v", c.name, v, at)
			}
		}
		for _, v := range a.marks() {
			if a.at(v) <= last {
				t.Errorf("%s: the marks %v do not rise", c.name, a.marks())
			}
			last = a.at(v)
		}
	}
}

func TestNumberIsShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.25: "0.25", 999: "999", 1000: "1k", 16_000_000: "16M", 1234: "1.234k", 2e9: "2G"} {
		if got := number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

func TestFillWritesBetweenMarkersOnly(t *testing.T) {
	const document = "a\n<!-- measured: one -->\nold\n<!-- end -->\nb\n"
	got, err := fill(document, map[string]string{"one": "| 1 |\n"})
	if want := "a\n<!-- measured: one -->\n\n| 1 |\n\n<!-- end -->\nb\n"; err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	if again, err := fill(got, map[string]string{"one": "| 1 |\n"}); err != nil || again != got {
		t.Errorf("%q is not what it was, %v", again, err)
	}
	if _, err := fill(document, map[string]string{"two": ""}); err == nil || !strings.Contains(err.Error(), `"one"`) || !strings.Contains(err.Error(), `"two"`) {
		t.Errorf("%v", err)
	}
}

// docs/performance.md, its drawings and the summary in README.md are of the results that are beside them.
func TestDocumentIsOfItsResults(t *testing.T) {
	const document = "../../docs/performance.md"
	files, err := render("../../docs/performance", document, "../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s is of other results: go run ./bench/plot (%v)", path, err)
		}
		if name := filepath.Base(path); filepath.Ext(name) == ".svg" {
			elements(t, want)
			if !strings.Contains(files[document], "(performance/"+name+")") {
				t.Errorf("the document does not show %s", name)
			}
		}
	}
}
