// SPDX-License-Identifier: Apache-2.0

// Connvitals measures the network conditions towards hosts once and prints
// what it found: bursts of pings, traces of the route and a scan of services.
// See connvitals(1).
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"connmonitor/internal/privilege"
)

// version is set by the linker from the file VERSION.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr, drop)
	stop()
	os.Exit(status)
}

// drop gives up all privileges, but for that of raw sockets where some are still
// to be opened: every other that takes any is open.
func drop(raw bool) error { return privilege.Drop(privilege.Need{Raw: raw}) }
