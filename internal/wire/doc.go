// SPDX-License-Identifier: Apache-2.0

// Package wire appends and parses the headers of the datagrams that probes consist of and that answers to them carry:
// IPv4 (RFC 791), IPv6 with its extension headers (RFC 8200), ICMP (RFC 792, RFC 1191), ICMPv6 (RFC 4443), their
// multi-part extensions (RFC 4884) with the MPLS label stack in them (RFC 4950), UDP (RFC 768), TCP as far as a SYN and
// its answers go (RFC 9293), and the Internet checksum (RFC 1071), also with the word that gives it a wanted value. It
// knows the names and traceroute(8)'s marks of ICMP errors.
//
// It is pure: no sockets, no clock, no allocation. Append functions write into the caller's buffer, as append does;
// parsers read bytes in place, and every slice that they return is a part of their argument, so it is valid as long as
// the caller leaves those bytes alone. Input is hostile: a parser never panics and never reads past the slice.
//
// Checksums of what is parsed are not verified here, except where a checksum decides how to read the bytes (RFC 4884
// extensions): a quoted datagram is cut short and its checksum covers what is no longer there. Whoever has the whole
// message can check it with [Checksum], which is zero for an intact one. Which probe an answer belongs to is for package
// prober to decide; sockets are the business of package rawsock.
package wire
