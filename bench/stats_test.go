package main

import (
	"slices"
	"testing"
)

func TestSpreadOf(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   spread
	}{
		{"nothing measured is zero", nil, spread{}},
		{"one value is all three", []float64{4}, spread{4, 4, 4}},
		{"an odd number has one in the middle", []float64{9, 1, 5}, spread{5, 1, 9}},
		{"an even number has the mean of two", []float64{8, 2, 4, 1}, spread{3, 1, 8}},
		{"an outlier moves the maximum, not the median", []float64{1, 1, 1, 1000, 1}, spread{1, 1, 1000}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.values)
			if got := spreadOf(tt.values); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if !slices.Equal(tt.values, before) {
				t.Errorf("the rounds were reordered: %v", tt.values)
			}
		})
	}
}

func TestRatios(t *testing.T) {
	tests := []struct {
		name   string
		of, by []float64
		want   []float64
	}{
		{"each round by the same round", []float64{1, 9}, []float64{2, 3}, []float64{0.5, 3}},
		{"a round that slows both down changes nothing", []float64{1, 10}, []float64{2, 20}, []float64{0.5, 0.5}},
		{"a round with nothing to divide by is left out", []float64{1, 1}, []float64{0, 4}, []float64{0.25}},
		{"rounds that only one has are left out", []float64{1, 2, 3}, []float64{1}, []float64{1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ratios(tt.of, tt.by); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestVerdict(t *testing.T) {
	g := goal{Subject: async, Bytes: 200, Connections: 32, AtMost: 0.8}
	there := func(median float64) []row {
		return []row{{cell: cell{200, 32}, Subject: async, CPURatio: &spread{Median: median}}}
	}
	tests := []struct {
		name string
		rows []row
		want string
	}{
		{"below the goal", there(0.79), "reached"},
		{"exactly the goal", there(0.8), "reached"},
		{"above the goal", there(0.81), "not reached"},
		{"another size was measured", []row{{cell: cell{10000, 32}, Subject: async, CPURatio: &spread{}}}, "not measured"},
		{"without the base there is no ratio", []row{{cell: cell{200, 32}, Subject: async}}, "not measured"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := g.judge(tt.rows).Outcome; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
