// SPDX-License-Identifier: Apache-2.0

// Connmonitor watches the network conditions towards a set of hosts, for ever:
// bursts of pings, traces of the route and a scan of services. See
// connmonitor(8).
package main

import (
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// version is set by the linker from the file VERSION.
var version = "dev"

func main() {
	if os.Getenv("GOTRACEBACK") == "" {
		debug.SetTraceback("none") // a fault shall leave a line, not a stack trace
	}
	// A closed pipe shall be an error of the write and not the end.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1)
	os.Exit(run(os.Args[1:], process{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, signals: signals, exit: os.Exit,
	}))
}
