// SPDX-License-Identifier: Apache-2.0

package vitals

import (
	"net/netip"
	"time"
)

// Family is the address family that a target's name is resolved to.
type Family uint8

// The families. FamilyAny prefers IPv4. A target that was configured with
// "both" is split in two targets by config, so that no room below needs to
// know of it.
const (
	FamilyAny Family = 0
	Family4   Family = 4
	Family6   Family = 6
)

// Method is the kind of packet that a trace probes with.
type Method uint8

// The methods of a trace.
const (
	MethodICMP Method = iota
	MethodUDP
	MethodTCP
)

// Form tells which of the two record forms of the contract a target uses.
type Form uint8

// The forms. Separate prints each statistic as its own record when it is
// ready; Bundled measures all, prints one record, sleeps and starts again.
const (
	Separate Form = iota
	Bundled
)

// Target is one monitored host of one configuration.
type Target struct {
	// ID names the target in history, metrics and URLs; it is unique in a
	// configuration.
	ID string
	// Name is the host as it was typed.
	Name string
	// Addr is the host's address when Name is a literal one, else the zero
	// Addr: the name is to be resolved.
	Addr netip.Addr
	// Line is the line of the configuration that asked for the target, from 1;
	// 0 when it was not a file.
	Line int
	// Settings tell what to measure, and how. Targets with equal settings
	// share one value, which nobody changes.
	*Settings
}

// Settings tell what is measured of a target, and how. The type is comparable:
// two lines mean the same when their names and settings are equal.
type Settings struct {
	Form      Form
	JSON      bool // records as JSON lines, else plain text
	Timestamp bool // records carry the time (Separate form only)
	Details   bool // JSON records carry a member with all that is known
	Paused    bool // keep the target, measure nothing
	DF        bool // pings carry Don't Fragment
	MTU       bool // watch the path MTU

	Ping  bool // send bursts of pings
	Trace bool // trace the route
	Scan  bool // ask the services

	Family Family
	DSCP   uint8  // 0..63, of pings and trace probes
	Source string // address or interface that probes leave by; "" lets the kernel choose

	// Sleep is the pause between two rounds in the Bundled form.
	Sleep time.Duration

	PingPause time.Duration // from the last ping of a burst to the first of the next (Separate)
	NumPings  int           // 1..65535 pings in a burst
	Payload   int           // 1..65507 bytes of ICMP payload of a ping
	Interval  time.Duration // between two pings of a burst

	TracePause time.Duration // from the end of a trace to the start of the next (Separate)
	Hops       int           // 1..255, the largest TTL of a trace
	Method     Method
	Port       uint16 // destination port of UDP and TCP trace probes; 0 is the method's default
	Flows      int    // 1..64 flows that a trace follows

	ScanPause time.Duration // from the end of a scan to the start of the next (Separate)
	Ports     string        // services of a scan, as in the configuration; "" is http,https,mysql

	// Timeout is how long one ping, hop or service may take.
	Timeout time.Duration

	DegradedLoss float64       // percent
	DegradedRTT  time.Duration // 0 is none

	// Labels are NAME=VALUE pairs, sorted by name and joined by newlines.
	Labels string
}

// Measures reports whether the settings ask for any measurement at all.
func (s *Settings) Measures() bool {
	return !s.Paused && (s.Ping || s.Trace || s.Scan)
}

// The destination ports of trace probes where none was configured: the one at
// which traceroute(8) begins, where hardly anybody listens, and one that is open
// on most servers.
const (
	tracePortUDP = 33434
	tracePortTCP = 443
)

// TracePort is the destination port of UDP and TCP trace probes.
func (s *Settings) TracePort() uint16 {
	switch {
	case s.Port != 0:
		return s.Port
	case s.Method == MethodTCP:
		return tracePortTCP
	}
	return tracePortUDP
}

// BurstPeriod is the time from the start of one burst to the start of the next
// in the Separate form: (NumPings-1) x Interval + PingPause.
func (s *Settings) BurstPeriod() time.Duration {
	return time.Duration(s.NumPings-1)*s.Interval + s.PingPause
}

// DefaultInterval is the spacing of the pings of a burst when none was
// configured: the smaller of 10 ms and 100 ms / numPings.
func DefaultInterval(numPings int) time.Duration {
	if numPings <= 10 {
		return 10 * time.Millisecond
	}
	return 100 * time.Millisecond / time.Duration(numPings)
}
