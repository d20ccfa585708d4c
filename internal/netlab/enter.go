// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// insideEnv marks the copy of the test binary that Enter started.
	insideEnv = "NETLAB_INSIDE"
	// uselessCode is how that copy ends when its namespaces do not suffice,
	// before any test has run.
	uselessCode = 113
)

// Enter lets tests without privilege have laboratories. Call it first in
// TestMain. Where the process may not make network namespaces, it starts the
// test binary again as root of a user namespace of its own, hands over
// arguments, signals and exit status, and does not return. Where the process
// may, or where user namespaces are not allowed either, it does nothing, and
// New skips in the latter case.
//
// Lines need /dev/net/tun to be open to the user, as it is on most systems.
func Enter() {
	if os.Getenv(insideEnv) != "" {
		settleIn()
		return
	}
	if fd, err := newNamespace(); err == nil {
		_ = unix.Close(fd)
		return
	}
	if code, err := runInside(); err == nil && code != uselessCode {
		os.Exit(code)
	}
}

// settleIn readies the namespaces of the copy, or ends it. Some systems allow
// user namespaces and take their privileges away again.
func settleIn() {
	fd, err := newNamespace()
	if err != nil || loopbackUp() != nil {
		os.Exit(uselessCode)
	}
	_ = unix.Close(fd)
	_ = os.Unsetenv(insideEnv)
}

// runInside runs the copy and returns its exit status.
func runInside() (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// Users without privilege often lack the tools' folders in their path.
	cmd.Env = append(os.Environ(), insideEnv+"=1", "PATH="+os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	// The signal comes when the thread that started the copy ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer forwardSignals(cmd.Process)()
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 2, nil
	}
	return 0, nil
}

// forwardSignals passes on what go test and the terminal send, until the
// function it returns is called.
func forwardSignals(to *os.Process) (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		for s := range signals {
			_ = to.Signal(s)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}
