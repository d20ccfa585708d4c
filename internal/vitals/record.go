// SPDX-License-Identifier: Apache-2.0

package vitals

import (
	"net/netip"
	"time"
)

// Record is one finished round of a target (Bundled form) or one statistic of
// it (Separate form). The pointers are the emitter's: who keeps a record
// beyond the call that handed it over copies what they point to.
type Record struct {
	Target *Target
	// Addr is the address that was measured.
	Addr netip.Addr
	// Time is when the record was complete.
	Time time.Time
	// Lookup is how long the last look-up of the target's name took; 0 for a
	// literal address.
	Lookup time.Duration

	Ping *Ping // nil when not part of this record
	Path *Path // nil when not part of this record, or not changed
	Scan *Scan // nil when not part of this record
}

// Empty reports whether the record holds no statistic.
func (r *Record) Empty() bool { return r.Ping == nil && r.Path == nil && r.Scan == nil }
