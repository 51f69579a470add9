package main

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestJudge(t *testing.T) {
	tests := []struct {
		name   string
		ratios []float64
		dearer bool
	}{
		{"the same", []float64{1, 1, 1, 1, 1, 1, 1}, false},
		{"a tenth dearer in each round", []float64{1.1, 1.1, 1.12, 1.09, 1.1, 1.08, 1.1}, true},
		{"cheaper", []float64{0.8, 0.8, 0.81, 0.79, 0.8, 0.8, 0.8}, false},
		{"dearer by less than the threshold", []float64{1.04, 1.03, 1.04, 1.04, 1.03, 1.04, 1.04}, false},
		{"exactly the threshold", []float64{1.05, 1.05, 1.05, 1.05, 1.05, 1.05, 1.05}, false},
		{"dearer by the median, and cheaper as often as is chance", []float64{0.9, 0.9, 0.9, 1.1, 1.1, 1.1, 1.1}, false},
		{"one round on a busy machine is no reason", []float64{1, 1, 1, 1, 1, 1, 40}, false},
		{"one round of eleven on a busy machine is no excuse", []float64{1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 0.2}, true},
		{"five rounds prove nothing", []float64{2, 2, 2, 2, 2}, false},
		{"six that agree do", []float64{2, 2, 2, 2, 2, 2}, true},
		{"no round", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.ratios)
			v := judge(tt.ratios, 1.05)
			if v.Dearer != tt.dearer || v.Rounds != len(tt.ratios) {
				t.Errorf("%+v", v)
			}
			if !slices.Equal(before, tt.ratios) {
				t.Errorf("the rounds were reordered: %v", tt.ratios)
			}
		})
	}
}

// From tables of the sign test, two-sided, 5 %: the critical number of the rarer sign is one below.
func TestOutsideIsTheSignTests(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 0, 5: 0, 6: 1, 8: 1, 9: 2, 11: 2, 12: 3, 15: 4, 20: 6, 25: 8, 30: 10} {
		if got := outside(n); got != want {
			t.Errorf("%d rounds: %d, want %d", n, got, want)
		}
	}
}

// Rounds in which nothing differs but the noise, which is much.
func TestJudgeSeldomBlamesNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	blamed := 0
	const runs = 2000
	for range runs {
		ratios := make([]float64, 11)
		for i := range ratios {
			ratios[i] = (1 + random.ExpFloat64()) / (1 + random.ExpFloat64())
		}
		if judge(ratios, 1).Dearer {
			blamed++
		}
	}
	if blamed > runs*5/100 {
		t.Errorf("%d of %d", blamed, runs)
	}
}
