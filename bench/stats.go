package main

import "slices"

// spread says where the values of several rounds lie.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spreadOf returns the zero spread for no values.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

// ratios divides round by round, so that what disturbs a whole round (another
// program, the processor's clock) cancels out. A round with nothing to divide by is left out.
func ratios(of, by []float64) []float64 {
	var quotients []float64
	for i := range min(len(of), len(by)) {
		if by[i] > 0 {
			quotients = append(quotients, of[i]/by[i])
		}
	}
	return quotients
}
