package rig

import (
	"slices"
	"time"
)

// Curves is what bench/curves writes and bench/plot draws.
type Curves struct {
	Date     time.Time `json:"date"`
	Machine  Machine   `json:"machine"`
	Rounds   int       `json:"rounds"`
	Duration string    `json:"duration"`
	Curves   []*Curve  `json:"curves"`
	Facts    []Fact    `json:"facts"`
}

// Curve is what depends on one thing.
type Curve struct {
	Name   string    `json:"name"` // of -curves, and of the file that it is drawn into
	Title  string    `json:"title"`
	X      string    `json:"x"` // what it depends on, with its unit
	Series []*Series `json:"series"`
}

// Series is one line of a curve. Those with one unit are drawn together.
type Series struct {
	Name   string   `json:"name"`
	Unit   string   `json:"unit"`
	Points []*Point `json:"points"`
}

// Point is what the rounds gave at one place.
type Point struct {
	X float64 `json:"x"`
	Spread
	Rounds int `json:"rounds"`

	values []float64
}

// Fact is one number and its goal.
type Fact struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Spread         // of the rounds
	AtMost float64 `json:"at_most,omitempty"`

	values []float64
}

// Add takes a round's value.
func (c *Curve) Add(series, unit string, x, value float64) {
	i := slices.IndexFunc(c.Series, func(s *Series) bool { return s.Name == series && s.Unit == unit })
	if i < 0 {
		i, c.Series = len(c.Series), append(c.Series, &Series{Name: series, Unit: unit})
	}
	s := c.Series[i]
	j := slices.IndexFunc(s.Points, func(p *Point) bool { return p.X == x })
	if j < 0 {
		j, s.Points = len(s.Points), append(s.Points, &Point{X: x})
	}
	p := s.Points[j]
	p.values = append(p.values, value)
	p.Spread, p.Rounds = SpreadOf(p.values), len(p.values)
}

// Fact takes a round's value of a number with a goal; 0: none.
func (c *Curves) Fact(name, unit string, atMost, value float64) {
	i := slices.IndexFunc(c.Facts, func(f Fact) bool { return f.Name == name })
	if i < 0 {
		i, c.Facts = len(c.Facts), append(c.Facts, Fact{Name: name, Unit: unit, AtMost: atMost})
	}
	f := &c.Facts[i]
	f.values = append(f.values, value)
	f.Spread = SpreadOf(f.values)
}
