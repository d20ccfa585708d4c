// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"golang.org/x/sys/unix"

	"connmonitor/internal/executable"
)

// The tests in the files privilege_*_test.go run the program with every kind of
// privilege that the contract names (2.4), and read from /proc what it holds
// once it measures.

// Capabilities, as /proc shows their sets.
const (
	capNetRaw   uint64 = 1 << unix.CAP_NET_RAW
	capSearch   uint64 = 1 << unix.CAP_DAC_READ_SEARCH
	capOverride uint64 = 1 << unix.CAP_DAC_OVERRIDE
)

// holds checks that the program holds no capability but these, on each of its
// threads; it was allowed to empty the bounding set, or else has left it alone.
func (p *program) holds(capabilities uint64, emptied bool) {
	p.t.Helper()
	executable.WantPrivileges(p.t, p.cmd.Process.Pid, capabilities, emptied)
}
