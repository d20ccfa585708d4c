// SPDX-License-Identifier: Apache-2.0

package privilege

import (
	"errors"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The capabilities that let a process into files whose permissions do not: to
// read and to search folders; all of that, and to write.
const (
	search   set = 1 << unix.CAP_DAC_READ_SEARCH
	override set = 1 << unix.CAP_DAC_OVERRIDE
)

// keep is what n has a use for of what is held.
func (n *Need) keep(held sets) (set, error) {
	var keep set
	if n.Raw && held.effective().has(unix.CAP_NET_RAW) && rawOpens() {
		keep = 1 << unix.CAP_NET_RAW
	}
	more, err := n.leastForFiles(held)
	return keep | more, err
}

// rawOpens reports whether raw sockets can be opened: in a user namespace
// CAP_NET_RAW may be held and still not be over the network that we are in.
func rawOpens() bool {
	return opens(unix.AF_INET, unix.IPPROTO_ICMP) || opens(unix.AF_INET6, unix.IPPROTO_ICMPV6)
}

func opens(domain, proto int) bool {
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

// access is one thing that will be done with a file or a folder.
type access struct {
	path string
	mode uint32 // of access(2)
}

// accesses are what opening the files again comes to.
func (n *Need) accesses() []access {
	var all []access
	for _, path := range n.Read {
		all = append(all, access{path, unix.R_OK})
	}
	for _, path := range n.Append {
		// A rotation takes the file away, and may put another there.
		all = append(all, access{path, unix.W_OK}, access{filepath.Dir(path), unix.W_OK | unix.X_OK})
	}
	return all
}

// leastForFiles is the least set of capabilities with which everything can be
// done with the files that can be done with all that is held.
func (n *Need) leastForFiles(held sets) (set, error) {
	all := held.effective() & (search | override)
	if all == 0 {
		return 0, nil
	}
	var wanted []access
	for _, a := range n.accesses() {
		switch err := a.try(); {
		case err == nil:
			wanted = append(wanted, a)
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
			return all, nil // Linux before 5.8, or a filter of system calls: nobody can tell
		}
	}
	return least(held, all, wanted)
}

// least tries which part of all will do. It tries on this thread alone, by what
// is in effect: what is permitted stays, for there must be a way back, and all
// threads must be alike when the rest is dropped, which Go insists on.
func least(held sets, all set, wanted []access) (least set, err error) {
	runtime.LockOSThread()
	least = all
	for _, try := range []set{0, search, override} {
		if try&^all != 0 {
			continue
		}
		if err := held.effectively(held.effective()&^all | try).setHere(); err != nil {
			break
		}
		if every(wanted) {
			least = try
			break
		}
	}
	// A thread without its privileges is never unlocked: nobody else shall
	// wonder what became of them.
	if err := held.setHere(); err != nil {
		return 0, err
	}
	runtime.UnlockOSThread()
	return least, nil
}

func every(wanted []access) bool {
	for _, a := range wanted {
		if a.try() != nil {
			return false
		}
	}
	return true
}

// try asks the kernel whether it would allow the access by what is in effect,
// faccessat2(2): access(2) would go by what is permitted, and opening a pipe
// would wake whoever waits to write into it.
func (a *access) try() error {
	path, err := unix.BytePtrFromString(a.path)
	if err != nil {
		return err
	}
	here := unix.AT_FDCWD
	_, _, errno := unix.Syscall6(unix.SYS_FACCESSAT2, uintptr(here), uintptr(unsafe.Pointer(path)), uintptr(a.mode), unix.AT_EACCESS, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
