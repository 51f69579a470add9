package main

import (
	"math"
	"slices"

	"github.com/kafkaupstream/kafkaupstream/bench/rig"
)

// confidence is the least with which the median of all possible rounds is in a verdict's interval.
const confidence = 0.95

// verdict is what the rounds' ratios of new to base say.
type verdict struct {
	rig.Spread
	Rounds    int
	Low, High float64 // the interval of the median
	Dearer    bool    // above the threshold, and no accident
}

// judge says whether new is dearer than base: the median ratio is above the threshold, and the interval of the median
// excludes 1. The interval is between two of the sorted ratios (the sign test's), so it rests on no form of their
// distribution, and an outlier of a busy machine does not move it. With five rounds or fewer there is no such interval, and
// nothing is ever dearer.
func judge(ratios []float64, threshold float64) verdict {
	v := verdict{Spread: rig.SpreadOf(ratios), Rounds: len(ratios)}
	v.Low, v.High = v.Min, v.Max
	cut := outside(len(ratios))
	if cut == 0 {
		return v
	}
	sorted := slices.Sorted(slices.Values(ratios))
	v.Low, v.High = sorted[cut-1], sorted[len(sorted)-cut]
	v.Dearer = v.Median > threshold && v.Low > 1
	return v
}

// outside is k where the k-th smallest and the k-th greatest of n values have the median between them with the confidence; 0: n is
// too few. Each value is below the median as a coin falls, so k-1 of n heads or fewer must be rare.
func outside(n int) (k int) {
	rare, chance := 0.0, math.Pow(0.5, float64(n)) // of exactly k heads
	for {
		if rare += chance; 2*rare > 1-confidence {
			return k
		}
		chance *= float64(n-k) / float64(k+1)
		k++
	}
}
