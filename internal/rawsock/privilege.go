// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kept are the capabilities that a running monitor still has a use for, where
// it was given them: CAP_NET_RAW for the socket of Don't Fragment probes, which
// is opened when a reload first asks for it, and those that let root read its
// configuration and reopen its logs wherever they are.
const kept = 1<<unix.CAP_NET_RAW | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH

// DropPrivileges gives up, on all threads and for good, every capability that
// is of no use once the sockets are open, and the possibility to gain any by
// executing a program (capabilities(7), PR_SET_NO_NEW_PRIVS of prctl(2)).
func DropPrivileges() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // capabilities 0..31 and 32..63
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	data[0].Permitted &= kept
	data[0].Effective = data[0].Permitted
	data[0].Inheritable = 0
	data[1] = unix.CapUserData{}
	err := allThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)))
	if err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if err := allThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return nil
}

// allThreads makes a system call on every thread: Linux keeps credentials a
// thread, POSIX and Go mean the process. It is not possible in a program that
// is built with cgo (the race detector's), which is none that is shipped.
func allThreads(trap, a1, a2 uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall(trap, a1, a2, 0)
	if errno == 0 || errors.Is(errno, syscall.ENOTSUP) {
		return nil
	}
	return errno
}
