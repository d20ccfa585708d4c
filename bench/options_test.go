// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"
)

// options are what the environment asks for.
type options struct {
	runs   int            // BENCH_RUNS: how often each figure is taken
	window time.Duration  // BENCH_SECONDS: how long a program is watched
	idle   time.Duration  // BENCH_IDLE: how long one that has nothing to do
	growth time.Duration  // BENCH_GROWTH: how long its memory
	only   *regexp.Regexp // BENCH_ONLY: the rows, by name
	nice   int            // BENCH_NICE: the priority of both programs while the largest rate is searched
	report bool           // BENCH_REPORT=1: a bar that is missed is no failure
	write  bool           // BENCH_WRITE=1: put the tables into docs/performance.md
	bin    string         // BENCH_BIN: where the programs are
}

// wanted reports whether to measure at all.
func wanted() bool { return os.Getenv("BENCH") == "1" }

func readOptions(env func(string) string) (options, error) {
	o := options{
		runs: 5, window: 4 * time.Second, idle: time.Minute, growth: 10 * time.Minute, bin: "../bin",
		report: env("BENCH_REPORT") == "1", write: env("BENCH_WRITE") == "1",
	}
	var err error
	if s := env("BENCH_RUNS"); s != "" {
		if o.runs, err = strconv.Atoi(s); err != nil || o.runs < 1 {
			return o, fmt.Errorf("BENCH_RUNS=%s: want a number of runs, 1 or more", s)
		}
	}
	if s := env("BENCH_NICE"); s != "" {
		if o.nice, err = strconv.Atoi(s); err != nil || o.nice < -20 || o.nice > 19 {
			return o, fmt.Errorf("BENCH_NICE=%s: want -20..19", s)
		}
	}
	if s := env("BENCH_SECONDS"); s != "" {
		seconds, err := strconv.Atoi(s)
		// Everything repeats once a second, so a window holds whole seconds.
		if err != nil || seconds < 1 {
			return o, fmt.Errorf("BENCH_SECONDS=%s: want whole seconds, 1 or more", s)
		}
		o.window = time.Duration(seconds) * time.Second
	}
	for name, d := range map[string]*time.Duration{"BENCH_IDLE": &o.idle, "BENCH_GROWTH": &o.growth} {
		if s := env(name); s != "" {
			if *d, err = time.ParseDuration(s); err != nil || *d < time.Second {
				return o, fmt.Errorf("%s=%s: want a duration of 1s or more", name, s)
			}
		}
	}
	if o.only, err = regexp.Compile(env("BENCH_ONLY")); err != nil {
		return o, fmt.Errorf("BENCH_ONLY: %w", err)
	}
	if s := env("BENCH_BIN"); s != "" {
		o.bin = s
	}
	return o, nil
}
