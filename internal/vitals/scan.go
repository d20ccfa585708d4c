// SPDX-License-Identifier: Apache-2.0

package vitals

import (
	"crypto/sha256"
	"time"
)

// ServiceState is what became of asking one service.
type ServiceState uint8

// The states of a service. The zero one is ServiceClosed: nothing listens.
const (
	ServiceClosed   ServiceState = iota // refused: the host is there, the service is not
	ServiceOpen                         // what answered speaks the protocol
	ServiceFiltered                     // nothing answered, or somebody on the way refused
	ServiceError                        // something took the connection, and did not speak the protocol

	// ServiceStates is how many states there are.
	ServiceStates = iota
)

// String is the state's word in records.
func (s ServiceState) String() string {
	switch s {
	case ServiceClosed:
		return "closed"
	case ServiceOpen:
		return "open"
	case ServiceFiltered:
		return "filtered"
	case ServiceError:
		return "error"
	}
	return "unknown"
}

// Service is what one service of a host answered to a scan. All text that a
// server sent is as it sent it: untrusted bytes, at most 256 of each.
type Service struct {
	// Name is the service's name in records: "http", or what the request says
	// when that is not the name alone ("8443/https", "22").
	Name string
	// Ranged tells that a range of ports was asked for, and this is one of it, or,
	// where Name is the range's, what else there is to say of it.
	Ranged bool
	// State tells what became of it; when it is not ServiceOpen no identity is
	// known.
	State ServiceState
	// Reason says why the state is not ServiceOpen, or what of an open service
	// could not be learned; "" when there is nothing to say.
	Reason string
	// Protocol is the service that was spoken to: that of the request, or what
	// "auto" found.
	Protocol string

	// RTT is the time from the start of the connection attempt to the end of
	// the answer.
	RTT time.Duration
	// Connect is the time to the connection, Handshake that of TLS (0
	// without one), and FirstByte that from the moment the server could speak
	// (after whichever of the two came last before it did) to its first byte.
	Connect, Handshake, FirstByte time.Duration

	// Code is the three-digit status code of http and https, else "".
	Code string
	// Software is the Server header (http, https), or how the server calls
	// itself and its version; "Unknown" when it does not tell.
	Software string
	// Redirect is the Location of an HTTP answer, and HTTP its version
	// ("HTTP/1.1", "HTTP/2").
	Redirect, HTTP string
	// TLS tells of the TLS connection; nil when there was none.
	TLS *TLS
}

// Open reports whether what answered speaks the protocol.
func (s *Service) Open() bool { return s.State == ServiceOpen }

// TLS is what is known of a TLS connection and the certificates of its server.
type TLS struct {
	// Version and Cipher are the names that the standards give: "TLS 1.3",
	// "TLS_AES_128_GCM_SHA256".
	Version, Cipher string
	// ALPN is the protocol that was agreed upon (RFC 7301), "" without one.
	ALPN string
	// Certificate is the server's; its zero value when it sent none.
	Certificate
	// Problem says why a client that verifies would refuse the server under
	// the name of the scan; "" when it would not.
	Problem string
}

// Certificate is what is known of a server's certificate.
type Certificate struct {
	// Fingerprint is the SHA-256 of the server's own certificate.
	Fingerprint [sha256.Size]byte
	// Subject and Issuer are its distinguished names (RFC 4514), Names what it is
	// for: names and addresses.
	Subject, Issuer string
	Names           []string
	// Expires is when the first certificate of the chain expires that the
	// server sent.
	Expires time.Time
}

// Known reports whether there is a certificate.
func (c *Certificate) Known() bool { return c.Fingerprint != [sha256.Size]byte{} }

// Same reports whether two are of the same certificate, and of chains that expire
// at the same time.
func (c *Certificate) Same(other *Certificate) bool {
	return c.Fingerprint == other.Fingerprint && c.Expires.Equal(other.Expires)
}

// Scan is what the services of a host answered, in the order they were asked
// for. Of a range of ports it holds those that are open; what else there is to
// say of one stands behind them, under the name of the range: that none is open.
type Scan struct {
	Services []Service
	// Ranges are the ranges of ports that were asked for, in their order.
	Ranges []PortRange
	// Changes are the services that are not as they were in the scan before, in
	// the same order, and behind them what has closed of the ranges; nil in the
	// first one, and where nothing has changed. They are at most MaxChanges.
	Changes []ServiceChange
}

// MaxChanges is the most changes that one scan tells of: a firewall before a
// large range can open all of its ports at once.
const MaxChanges = 1024

// PortRange is what became of a range of ports.
type PortRange struct {
	// Name is the range as it is called in records: "2000-2010".
	Name string
	// First is its first port, and States are those of all its ports, from First
	// on.
	First  uint16
	States []ServiceState
}

// ServiceChange is a change of one service from one scan to the next.
type ServiceChange struct {
	// Name is the service's name in records; that of a port of a range is the
	// port.
	Name string
	// State, Identity and Certificate tell what has changed: one of them, or
	// more. A port of a range changes its state when it opens or closes.
	State, Identity, Certificate bool
	// Before and After are what was known of it, and what is.
	Before, After ServiceFacts
}

// ServiceFacts are what a change of a service is about.
type ServiceFacts struct {
	State ServiceState
	// Protocol is the service that was spoken to, and Software how it calls
	// itself. While it is not open they are those of when it was, and "" when it
	// never was.
	Protocol, Software string
	// Certificate is the last that was seen; its zero value when there is none.
	Certificate Certificate
}
