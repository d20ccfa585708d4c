// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// threadNamespace names the network namespace of the calling thread.
// /proc/self/ns/net would be the one of the process's first thread.
const threadNamespace = "/proc/thread-self/ns/net"

// newNamespace makes a network namespace and returns the descriptor that keeps
// it alive.
func newNamespace() (fd int, err error) {
	visit(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func(enter error) {
		if enter != nil {
			err = fmt.Errorf("make network namespace: %w", enter)
			return
		}
		fd, err = openNamespace()
	})
	return fd, err
}

// inside runs f on a thread that is in the namespace fd.
func inside(fd int, f func(error)) {
	visit(func() error { return unix.Setns(fd, unix.CLONE_NEWNET) }, f)
}

// visit locks the goroutine to its thread, lets enter bring that thread into
// another namespace, runs f, and brings the thread back, also when f ends the
// goroutine (t.FailNow). When enter does not succeed f gets its error, outside.
// A thread that cannot come back is never unlocked: it would run other
// goroutines in the wrong namespace.
func visit(enter func() error, f func(error)) {
	runtime.LockOSThread()
	home, err := openNamespace()
	if err != nil {
		runtime.UnlockOSThread()
		f(err)
		return
	}
	// First the way back, to where we are: root of a user namespace may make
	// network namespaces and still not be let into the one it came from.
	err = unix.Setns(home, unix.CLONE_NEWNET)
	if err == nil {
		err = enter()
	}
	if err != nil {
		_ = unix.Close(home)
		runtime.UnlockOSThread()
		f(err)
		return
	}
	defer func() {
		if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil {
			panic(fmt.Sprintf("netlab: thread cannot return to its network namespace: %v", err))
		}
		_ = unix.Close(home)
		runtime.UnlockOSThread()
	}()
	f(nil)
}

func openNamespace() (int, error) {
	fd, err := unix.Open(threadNamespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", threadNamespace, err)
	}
	return fd, nil
}
