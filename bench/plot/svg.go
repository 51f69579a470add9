package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

// Sizes in pixels. A curve has a panel for each unit, one below the other.
const (
	width, panel       = 720, 230
	left, right        = 70, 210 // of the panel's axes; the series' names are on the right
	top, bottom        = 34, 44
	plotWidth          = width - left - right
	plotHeight         = panel - top - bottom
	ticks              = 4
	manyDecades        = 1.5 // from so many powers of ten on, an axis is logarithmic
	style              = `<style>text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-weight:600}.a{stroke:#8c959f;fill:none}.g{stroke:#d0d7de;fill:none;stroke-dasharray:2 3}` + colours + `@media(prefers-color-scheme:dark){text{fill:#e6edf3}.a{stroke:#768390}.g{stroke:#373e47}` + darkColours + `}</style>`
	colours            = `.s0{color:#0969da}.s1{color:#bc4c00}.s2{color:#1a7f37}.s3{color:#8250df}`
	darkColours        = `.s0{color:#58a6ff}.s1{color:#f0883e}.s2{color:#3fb950}.s3{color:#bc8cff}`
	lineStyle, barOpac = `fill="none" stroke="currentColor" stroke-width="1.6"`, `stroke="currentColor" stroke-width="5" stroke-opacity=".25"`
)

// axis maps values to pixels.
type axis struct {
	min, max float64
	log      bool
	from, to float64 // pixels
}

// newAxis has all values on it. It is logarithmic where they have several powers of ten; zero is then one power below the least other
// value. Otherwise it begins at zero.
func newAxis(values []float64, from, to float64) axis {
	least, most := math.Inf(1), 0.0
	for _, v := range values {
		if most = max(most, v); v > 0 {
			least = min(least, v)
		}
	}
	a := axis{from: from, to: to, max: most}
	if most <= 0 {
		a.max = 1
		return a
	}
	if math.Log10(most/least) < manyDecades {
		a.max = most * 1.05
		return a
	}
	a.log, a.min = true, math.Pow(10, math.Floor(math.Log10(least)))
	if slices.Min(values) <= 0 {
		a.min /= 10
	}
	a.max = math.Pow(10, math.Ceil(math.Log10(most)-1e-9))
	return a
}

// at is where a value is, in pixels.
func (a axis) at(v float64) float64 {
	part := (v - a.min) / (a.max - a.min)
	if a.log {
		part = math.Log10(max(v, a.min)/a.min) / math.Log10(a.max/a.min)
	}
	return a.from + part*(a.to-a.from)
}

// marks are the values that have a tick.
func (a axis) marks() (values []float64) {
	if a.log {
		step := math.Ceil(math.Log10(a.max/a.min) / 8)
		for e := math.Round(math.Log10(a.min)); e <= math.Log10(a.max)+1e-9; e += step {
			values = append(values, math.Pow(10, e))
		}
		return values
	}
	raw := a.max / ticks
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step := unit * 10
	for _, nice := range []float64{1, 2, 5} {
		if nice*unit >= raw {
			step = nice * unit
			break
		}
	}
	for v := 0.0; v <= a.max; v += step {
		values = append(values, v)
	}
	return values
}

// number is short: 1200000 is 1.2M.
func number(v float64) string {
	for _, u := range []struct {
		of   float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= u.of {
			return strconv.FormatFloat(v/u.of, 'g', 4, 64) + u.name
		}
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes all
	return b.String()
}

// draw is a curve as SVG.
func draw(c *rig.Curve) string {
	units, byUnit := []string{}, map[string][]*rig.Series{}
	for _, s := range c.Series {
		if s.Unit == failedUnit && !failed(s) {
			continue // nothing has
		}
		if byUnit[s.Unit] == nil {
			units = append(units, s.Unit)
		}
		byUnit[s.Unit] = append(byUnit[s.Unit], s)
	}
	var b strings.Builder
	height := panel * len(units)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img"><title>%s</title>%s`+"\n", width, height, width, height, escape(c.Title), style)
	for i, unit := range units {
		fmt.Fprintf(&b, `<g transform="translate(0 %d)">`+"\n", i*panel)
		drawPanel(&b, c, unit, byUnit[unit])
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

const failedUnit = "% of the requests"

func failed(s *rig.Series) bool {
	return slices.ContainsFunc(s.Points, func(p *rig.Point) bool { return p.Max > 0 })
}

func drawPanel(b *strings.Builder, c *rig.Curve, unit string, series []*rig.Series) {
	var xs, ys []float64
	for _, s := range series {
		for _, p := range s.Points {
			xs, ys = append(xs, p.X), append(ys, p.Min, p.Median, p.Max)
		}
	}
	x, y := newAxis(xs, left, left+plotWidth), newAxis(ys, top+plotHeight, top)
	fmt.Fprintf(b, `<text class="t" x="%d" y="20">%s: %s</text>`+"\n", left, escape(c.Title), escape(unit))
	for _, v := range x.marks() {
		label := number(v)
		if x.log && v == x.min && slices.Min(xs) == 0 {
			label = "0"
		}
		fmt.Fprintf(b, `<path class="g" d="M%.1f %d v%d"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x.at(v), top, plotHeight, x.at(v), top+plotHeight+16, label)
	}
	for _, v := range y.marks() {
		fmt.Fprintf(b, `<path class="g" d="M%d %.1f h%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left, y.at(v), plotWidth, left-6, y.at(v)+4, number(v))
	}
	fmt.Fprintf(b, `<path class="a" d="M%d %d v%d h%d"/><text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", left, top, plotHeight, plotWidth, left+plotWidth/2, top+plotHeight+34, escape(c.X))
	for i, s := range series {
		fmt.Fprintf(b, `<g class="s%d">`, i%4)
		var line strings.Builder
		command := 'M'
		for _, p := range s.Points {
			fmt.Fprintf(&line, "%c%.1f %.1f", command, x.at(p.X), y.at(p.Median))
			command = 'L'
			fmt.Fprintf(b, `<path %s d="M%.1f %.1fV%.1f"/><circle cx="%.1f" cy="%.1f" r="3" fill="currentColor"><title>%s: %s (%s–%s)</title></circle>`,
				barOpac, x.at(p.X), y.at(p.Min), y.at(p.Max), x.at(p.X), y.at(p.Median), number(p.X), number(p.Median), number(p.Min), number(p.Max))
		}
		fmt.Fprintf(b, `<path %s d="%s"/><path %s d="M%d %dh18"/></g><text x="%d" y="%d">%s</text>`+"\n", lineStyle, &line, lineStyle,
			left+plotWidth+12, top+8+18*i, left+plotWidth+36, top+12+18*i, escape(s.Name))
	}
}
