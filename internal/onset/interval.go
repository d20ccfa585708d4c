// SPDX-License-Identifier: Apache-2.0

package onset

import (
	"math"
	"slices"
)

// Quantiles of the normal distribution: one-sided 5 %, 1 % and 0.1 %.
const (
	z95  = 1.645
	z99  = 2.326
	z999 = 3.09
)

func ratio(lost, known int) float64 {
	if known <= 0 {
		return 0
	}
	return float64(lost) / float64(known)
}

// least is the lower end of Wilson's score interval for a share of lost probes
// (E. B. Wilson, 1927); unlike the textbook interval it holds for few probes.
func least(lost, known int, z float64) float64 {
	low, _ := wilson(lost, known, z)
	return low
}

// most is the upper end of that interval.
func most(lost, known int, z float64) float64 {
	_, high := wilson(lost, known, z)
	return high
}

func wilson(lost, known int, z float64) (low, high float64) {
	if known <= 0 {
		return 0, 1
	}
	n, p := float64(known), ratio(lost, known)
	middle := p + z*z/(2*n)
	half := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max((middle-half)/(1+z*z/n), 0), min((middle+half)/(1+z*z/n), 1)
}

// likelihood is the logarithm of how likely it is to lose so many of the known
// probes when share is the true loss; 0 at most.
func likelihood(lost, known int, share float64) float64 {
	score := 0.0
	if lost > 0 {
		score += float64(lost) * math.Log(share)
	}
	if known > lost {
		score += float64(known-lost) * math.Log1p(-share)
	}
	return score
}

// exceeds reports whether a loses more than b, beyond what chance explains: the
// likelihood ratio of two shares against one (S. S. Wilks, 1938).
func exceeds(lostA, knownA, lostB, knownB int, z float64) bool {
	a, b := ratio(lostA, knownA), ratio(lostB, knownB)
	if a <= b {
		return false
	}
	both := ratio(lostA+lostB, knownA+knownB)
	apart := likelihood(lostA, knownA, a) + likelihood(lostB, knownB, b)
	return 2*(apart-likelihood(lostA+lostB, knownA+knownB, both)) > z*z
}

// median is the median of sorted values; 0 when there are none.
func median(sorted []float64) float64 {
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// rankSum is the standard score of the rank-sum test of two sorted samples
// (H. B. Mann and D. R. Whitney, 1947), ties counted half: positive when b is
// the larger.
func rankSum(a, b []float64) float64 {
	u := 0.0
	for _, y := range b {
		below, found := slices.BinarySearch(a, y)
		above := below
		if found {
			above, _ = slices.BinarySearchFunc(a, y, func(x, y float64) int {
				if x <= y {
					return -1
				}
				return 1
			})
		}
		u += float64(below) + float64(above-below)/2
	}
	m, n := float64(len(a)), float64(len(b))
	spread := math.Sqrt(m * n * (m + n + 1) / 12)
	if spread == 0 {
		return 0
	}
	return (u - m*n/2) / spread
}
