// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
)

// suggestOption ends the sentence "unknown option, ...".
func suggestOption(name string) string {
	if s := nearestOption(name); s != "" {
		return fmt.Sprintf("did you mean %q?", s)
	}
	return "known are " + strings.Join(optionNames(), ", ")
}

// nearestOption returns the known option that is closest to name, "" when none
// is close.
func nearestOption(name string) string { return nearest(name, optionNames()) }

func optionNames() []string {
	names := make([]string, 0, numOptions+1)
	for _, o := range optionTable {
		names = append(names, o.name)
	}
	return append(names, labelPrefix+"NAME")
}

// nearest returns the one of names that is closest to what was typed, "" when
// it has little in common with any of them.
func nearest(typed string, names []string) string {
	if len(typed) > maxQuoted {
		return ""
	}
	typed = strings.ToLower(typed)
	best, least := "", len(typed)+1
	for _, name := range names {
		d := editDistance(typed, strings.ToLower(name))
		if d <= max(len(typed), len(name))/2 && d < least {
			best, least = name, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b (optimal string alignment).
func editDistance(a, b string) int {
	before := make([]int, len(b)+1)
	above := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
