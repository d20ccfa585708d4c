// SPDX-License-Identifier: Apache-2.0

// Package privilege gives up what a process was allowed and has no use for any
// more: the capabilities of capabilities(7) in all their sets, on all threads,
// and the possibility to gain any by executing a program.
//
// It knows capabilities and files, and nothing of what is measured: the
// programs tell it what they will still do. How sockets are opened with the
// privilege that there is, is for rawsock and prober to know.
//
// A user namespace needs no case of its own: root of one holds the same
// capabilities over what belongs to it, and gives them up by the same calls.
package privilege

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Need is what a process will still do that may take privilege. It keeps a
// capability for that only where it holds it, and where trying shows that it
// does not go without.
type Need struct {
	// Raw: raw sockets will be opened (CAP_NET_RAW).
	Raw bool
	// Read are files that will be opened again for reading
	// (CAP_DAC_READ_SEARCH).
	Read []string
	// Append are files that will be opened again for appending, and created in
	// their folders where they are missing (CAP_DAC_OVERRIDE).
	Append []string
}

// Drop gives up, for good, every capability that n has no use for.
func Drop(n Need) error {
	held, err := current()
	if err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	keep, err := n.keep(held)
	if err != nil {
		return fmt.Errorf("try which capabilities are of use: %w", err)
	}
	if err := clearBounding(held); err != nil {
		return fmt.Errorf("clear the capability bounding set: %w", err)
	}
	// What is not inheritable cannot be ambient either: the kernel sees to it.
	if err := held.only(keep).setOnAllThreads(); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if err := control(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return nil
}

// set is a set of capabilities, the bit of each by its number.
type set uint64

func (s set) has(capability int) bool { return s&(1<<capability) != 0 }

// sets are those of one thread, as capget(2) and capset(2) know them:
// capabilities 0 to 31 and 32 to 63.
type sets [2]unix.CapUserData

// header names the third version of the interface, and the calling thread.
func header() *unix.CapUserHeader {
	return &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
}

// current reads the sets of the calling thread; the others have the same.
func current() (s sets, err error) {
	err = unix.Capget(header(), &s[0])
	return s, err
}

func (s *sets) permitted() set { return set(s[0].Permitted) | set(s[1].Permitted)<<32 }
func (s *sets) effective() set { return set(s[0].Effective) | set(s[1].Effective)<<32 }

// only is what remains of s: of the capabilities that were permitted those of
// keep, in effect, and none that a program to be executed would inherit.
func (s sets) only(keep set) sets {
	keep &= s.permitted()
	for i := range s {
		half := uint32(keep >> (32 * i))
		s[i] = unix.CapUserData{Permitted: half, Effective: half}
	}
	return s
}

// effectively is s with no capability in effect but those of want.
func (s sets) effectively(want set) sets {
	for i := range s {
		s[i].Effective = s[i].Permitted & uint32(want>>(32*i))
	}
	return s
}

// setHere gives the sets to the calling thread.
func (s sets) setHere() error { return unix.Capset(header(), &s[0]) }

// setOnAllThreads gives the sets to the process. The pointers are made uintptr
// in the call itself, which keeps what they point to where it is.
func (s sets) setOnAllThreads() error {
	h := header()
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(h)), uintptr(unsafe.Pointer(&s)), 0)
	return possible(errno)
}

// clearBounding takes everything out of the bounding set, where that is allowed:
// nothing that is held is touched by it, only what executing a program gives.
func clearBounding(held sets) error {
	if !held.effective().has(unix.CAP_SETPCAP) {
		return nil
	}
	for capability := uintptr(0); ; capability++ {
		within, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, capability, 0, 0, 0)
		if err != nil {
			return nil //nolint:nilerr // The kernel has told that there is no such capability.
		}
		if within == 0 {
			continue
		}
		if err := control(unix.PR_CAPBSET_DROP, capability); err != nil {
			return err
		}
	}
}

// control is prctl(2) on every thread: Linux keeps credentials a thread, POSIX
// and Go mean the process.
func control(option, argument uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, option, argument, 0, 0, 0, 0)
	return possible(errno)
}

// possible is the error of a call on every thread. It is not possible in a
// program that is built with cgo (the race detector's), which is none that is
// shipped.
func possible(errno syscall.Errno) error {
	if errno == 0 || errors.Is(errno, syscall.ENOTSUP) {
		return nil
	}
	return errno
}
