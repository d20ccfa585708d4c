// SPDX-License-Identifier: Apache-2.0

package ping_test

import (
	"syscall"
	"testing"
	"time"

	"connmonitor/internal/ping"
)

// TestSwallowedPingsAreUnknown: when the way to a target has stamped pings as
// they left, those that get no stamp and no answer have not left; but after ten
// seconds nobody can say, for the way may be another that stamps none.
func TestSwallowedPingsAreUnknown(t *testing.T) {
	inLab(t, "host 10.0.0.1 rtt 20ms\nhost 10.0.0.2 dead", func(b *lab) {
		plan := ping.Plan{Period: time.Second, Interval: 10 * time.Millisecond, Timeout: 500 * time.Millisecond, Count: 4, Size: 41}
		b.add(1, "10.0.0.1", plan, 0)
		b.add(2, "10.0.0.2", plan, 0)
		time.Sleep(5500 * time.Millisecond)
		if err := b.Net.Apply("unstamped tx\nhost 10.0.0.1 dead"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		for i, r := range b.of(1) {
			switch {
			case i < 6 && r.Received != 4,
				i >= 6 && i < 15 && (r.Unknown != 4 || r.cause != syscall.ENETDOWN),
				i >= 16 && (r.Unknown != 0 || r.Received != 0):
				t.Errorf("burst %d: %+v, %v", i, r.Ping, r.cause)
			}
		}
		for i, r := range b.of(2) {
			if r.Unknown != 0 || r.Received != 0 {
				t.Errorf("burst %d of a host that was dead from the start: %+v", i, r.Ping)
			}
		}
	})
}
