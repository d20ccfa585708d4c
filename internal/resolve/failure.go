// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"connmonitor/internal/vitals"
)

// kind is why a look-up failed. A failure of another kind is news; another text
// of the same kind (the port of our own socket, which of two servers was asked)
// is not.
type kind uint8

const (
	works          kind = iota
	notFound            // the name does not exist, or has no address
	wrongFamily         // it has, but none of the family asked for
	emptyAnswer         // an answer without addresses
	unusableAnswer      // with none that a packet can be sent to
	timedOut            // nobody answered
	serverFailed        // the name server cannot be reached, or answered that it cannot
	otherFault          // all else
)

// failure is a look-up without a usable address.
type failure struct {
	key
	kind   kind
	cause  error      // what the Lookup returned; nil when it did answer
	sample netip.Addr // an address of an unusable answer
}

// kindOf is the kind of a failure, and works for none.
func (f *failure) kindOf() kind {
	if f == nil {
		return works
	}
	return f.kind
}

// classify tells the kind of a Lookup's error.
func classify(err error) kind {
	var dns *net.DNSError
	var addr *net.AddrError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return notFound
	case errors.As(err, &addr):
		// Go's resolver says so ("no suitable address") when the hosts file or
		// a literal address has only the other family.
		return wrongFamily
	case errors.Is(err, context.DeadlineExceeded) || dns != nil && dns.IsTimeout:
		return timedOut
	case dns != nil && (dns.IsTemporary || dns.Server != ""):
		return serverFailed
	}
	return otherFault
}

// Error says which name it is, what happened, and what to do.
func (f *failure) Error() string {
	if f.kind == wrongFamily {
		return fmt.Sprintf("%q has no %s", f.name, f.families())
	}
	return fmt.Sprintf("resolve %q: %s", f.name, f.reason())
}

// Unwrap returns the error of the Lookup, nil when it had none.
func (f *failure) Unwrap() error { return f.cause }

func (f *failure) families() string {
	if f.family == vitals.Family4 {
		return "IPv4 address, only IPv6"
	}
	return "IPv6 address, only IPv4"
}

// reason is what happened and what to do, without the name.
func (f *failure) reason() string {
	text, server := f.said()
	switch f.kind {
	case notFound:
		return "no such host; check the spelling"
	case emptyAnswer:
		return "the answer lists no address"
	case unusableAnswer:
		return fmt.Sprintf("the answer lists only addresses that cannot be probed (%v); does the name server block the name?", f.sample)
	case timedOut:
		return "no answer from " + server + " in time; check the network and /etc/resolv.conf"
	case serverFailed:
		return server + " failed (" + text + "); check it or set another in /etc/resolv.conf"
	}
	return text
}

// said takes the Lookup's error apart into what is wrong and who said so; its
// own text would name the host a second time.
func (f *failure) said() (text, server string) {
	var dns *net.DNSError
	switch {
	case f.cause == nil:
		return "", ""
	case !errors.As(f.cause, &dns):
		return f.cause.Error(), "the name server"
	case dns.Server == "":
		return dns.Err, "the name server"
	}
	return dns.Err, "name server " + dns.Server
}
