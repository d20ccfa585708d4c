// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"net/netip"
)

// maxHead is the most bytes of status line and header that an answer may have,
// informational ones included. Servers themselves stop at 8 to 32 KiB.
const maxHead = 64 << 10

// protocolHTTP is HTTP/1.1 over plain TCP (RFC 9112).
func protocolHTTP() protocol {
	return protocol{name: "http", port: 80, limit: maxHead, talk: talkHTTP}
}

// talkHTTP asks with HEAD, so that the answer is a header and no body (RFC 9110
// section 9.3.2), whatever a server sends behind it.
func talkHTTP(c *conversation) error {
	return c.readHTTP(c.send(requestHead(c.name)))
}

// readHTTP reads the answer to a request, which sent or did not.
func (c *conversation) readHTTP(writeErr error) error {
	// A server that has closed before it read all may have answered all the
	// same (503, 408), so a failed write is told only when the read fails too.
	a, err := readResponse(c.in)
	if err != nil {
		return errors.Join(writeErr, err)
	}
	c.got.Code, c.got.Software, c.got.Redirect, c.got.HTTP = a.code, a.software, a.redirect, a.version
	return nil
}

// requestHead is the request. Each scan has a connection of its own, and says so
// with Connection: close (RFC 9112 section 9.6).
func requestHead(name string) string {
	return "HEAD / HTTP/1.1\r\n" +
		"Host: " + hostHeader(name) + "\r\n" +
		"User-Agent: connmonitor\r\n" +
		"Accept: */*\r\n" +
		"Connection: close\r\n" +
		"\r\n"
}

// hostHeader is the Host header for a name as it was typed: an IPv6 literal
// stands in brackets (RFC 3986 section 3.2.2), and its zone is our own affair
// (RFC 6874 section 4).
func hostHeader(name string) string {
	addr, err := netip.ParseAddr(name)
	if err != nil || addr.Is4() {
		return name
	}
	return "[" + addr.WithZone("").String() + "]"
}
