package rig

import (
	"slices"
	"testing"
)

func TestSpreadOf(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   Spread
	}{
		{"nothing measured is zero", nil, Spread{}},
		{"one value is all three", []float64{4}, Spread{4, 4, 4}},
		{"an odd number has one in the middle", []float64{9, 1, 5}, Spread{5, 1, 9}},
		{"an even number has the mean of two", []float64{8, 2, 4, 1}, Spread{3, 1, 8}},
		{"an outlier moves the maximum, not the median", []float64{1, 1, 1, 1000, 1}, Spread{1, 1, 1000}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.values)
			if got := SpreadOf(tt.values); got != tt.want {
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
			if got := Ratios(tt.of, tt.by); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	for _, c := range []struct {
		name   string
		sorted []float64
		p      float64
		want   float64
	}{
		{"none", nil, 0.5, 0},
		{"one is all", []float64{7}, 0.99, 7},
		{"half of a hundred", hundred, 0.5, 50},
		{"99 of a hundred", hundred, 0.99, 99},
		{"the greatest", hundred, 1, 100},
		{"the least", hundred, 0, 1},
	} {
		if got := Percentile(c.sorted, c.p); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
