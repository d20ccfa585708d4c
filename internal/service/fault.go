// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"

	"golang.org/x/sys/unix"
)

// faults are the errors that the kernel gives for reasons on our own side, and
// what to do about each. All others (refused, reset, timed out, unreachable) are
// the network's, or the host's.
var faults = []struct {
	is     error
	advice string
}{
	{errSource, ""},
	{errRoute, ""},
	{unix.EMFILE, "; raise the limit of open files (LimitNOFILE= of the unit, ulimit -n)"},
	{unix.ENFILE, "; raise the sysctl fs.file-max"},
	{unix.ENOBUFS, ""},
	{unix.ENOMEM, ""},
	{unix.EPERM, "; a firewall or a security policy of this machine forbids it"},
	{unix.EACCES, "; a firewall, a route or a security policy of this machine forbids it"},
	{unix.EADDRNOTAVAIL, "; the source is not an address of this machine, or no port of it is free (sysctl net.ipv4.ip_local_port_range)"},
	{unix.EAFNOSUPPORT, "; this machine has that address family switched off"},
	{unix.ENODEV, "; the source is neither an address nor an interface of this machine"},
	{unix.EINVAL, "; a blackhole route of this machine covers the address, or it is link-local and needs its zone (fe80::1%eth0)"},
}

// isStarved reports whether there was no descriptor for a socket. Others of this
// process, or of the machine, may give one back soon.
func isStarved(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}

// isLocal reports whether err says something about our own side instead of the
// host. On Linux no ICMP error ends in one of these, so a host cannot cause
// them.
func isLocal(err error) bool {
	for _, fault := range faults {
		if errors.Is(err, fault.is) {
			return true
		}
	}
	return false
}

// advice is what to do about a local fault, to be appended to its text.
func advice(err error) string {
	for _, fault := range faults {
		if errors.Is(err, fault.is) {
			return fault.advice
		}
	}
	return ""
}
