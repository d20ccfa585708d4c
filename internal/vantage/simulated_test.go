// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"context"
	"testing"

	"connmonitor/internal/prober"
	"connmonitor/internal/simnet"
)

// simulated runs a vantage point in a simulated network and in fake time, until
// the bubble of the test ends.
func simulated(t *testing.T, scenario string) (n *simnet.Net, p *Point, s *sink) {
	t.Helper()
	n, err := simnet.New(1, scenario)
	if err != nil {
		t.Fatal(err)
	}
	s = newSink()
	p = New(Options{Loop: prober.Options{Clock: n.Clock, OpenSocket: n.OpenSocket}}, s)
	p.Open()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return n, p, s
}
