// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"time"
)

// traceTime is how long a program takes, from its start to its end, to trace
// the chain's server.
func traceTime(program func(h *harness) string, args ...string) func(*harness) (figures, error) {
	return func(h *harness) (figures, error) {
		begun := time.Now()
		p, err := start(command{net: h.chain(), cpu: proberCPU, name: program(h), args: args})
		if err != nil {
			return nil, err
		}
		if err := p.finish(30 * time.Second); err != nil {
			return nil, fmt.Errorf("%w: %s", err, firstLine(p.stderr.String()))
		}
		return figures{wallTime: time.Since(begun).Seconds() * 1e3}, nil
	}
}
