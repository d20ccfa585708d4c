// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"connmonitor/internal/monitor"
	"connmonitor/internal/report"
)

// TestStatus: 1 is what a service must not be started again after.
func TestStatus(t *testing.T) {
	for err, want := range map[error]int{
		fmt.Errorf("%w: no such file", monitor.ErrReload): exitError,
		monitor.ErrNoTarget:   exitError,
		monitor.ErrImpossible: exitError,
		errors.Join(errors.New("write"), report.ErrClosed):             exitError,
		fmt.Errorf("%w: the IPv4 loop: a defect", monitor.ErrInternal): exitFault,
		errors.New("5 IPv4 probes are unaccounted for"):                exitFault,
	} {
		if got := statusOf(err); got != want {
			t.Errorf("%v: status %d, want %d", err, got, want)
		}
	}
}

// TestStatusOfOpen: a full or read-only file system may be mended meanwhile.
func TestStatusOfOpen(t *testing.T) {
	for err, want := range map[error]int{
		syscall.EROFS: exitFault, syscall.ENOSPC: exitFault, syscall.EIO: exitFault, syscall.ENFILE: exitFault,
		syscall.ENOENT: exitError, syscall.EACCES: exitError, syscall.EISDIR: exitError,
	} {
		if got := statusOfOpen(&os.PathError{Op: "open", Path: "log", Err: err}); got != want {
			t.Errorf("%v: status %d, want %d", err, got, want)
		}
	}
}
