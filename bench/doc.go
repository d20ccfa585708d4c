// SPDX-License-Identifier: Apache-2.0

// Package bench measures whole programs: connmonitor as it is built, beside the
// least that a prober must do (floor, in C) and beside its peers, in networks
// of namespaces. It has no code but tests, and those measure only when `make
// bench` asks for it. docs/performance.md holds what they found and says how
// to read it.
//
// What is measured is taken from the kernel, never from what a program says of
// itself: the CPU clock of the process, the ICMP counters of its namespace, and
// the packets on the wire. The exception is what is under test: a reported
// round-trip time, which is compared with the wire's.
package bench
