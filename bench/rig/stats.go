package rig

import (
	"fmt"
	"math"
	"slices"
)

// Spread says where the values of several rounds lie.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// SpreadOf returns the zero Spread for no values.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

// String is the median with the range behind it, as tables have ratios.
func (s *Spread) String() string {
	if s == nil {
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Min, s.Max)
}

// Ratios divides round by round, so that what disturbs a whole round (another
// program, the processor's clock) cancels out. A round with nothing to divide by is left out.
func Ratios(of, by []float64) []float64 {
	var quotients []float64
	for i := range min(len(of), len(by)) {
		if by[i] > 0 {
			quotients = append(quotients, of[i]/by[i])
		}
	}
	return quotients
}

// Percentile is the p-th part of the values (0.99: not exceeded by 99 of 100), by the nearest rank; 0 for none.
func Percentile[T ~int64 | ~float64](sorted []T, p float64) T {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(max(int(math.Ceil(p*float64(len(sorted))))-1, 0), len(sorted)-1)]
}
