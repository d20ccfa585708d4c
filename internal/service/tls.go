// SPDX-License-Identifier: Apache-2.0

package service

import (
	"crypto/tls"
)

// tlsConfig accepts every server that Go can talk to at all: a scan asks who
// listens, not whether to trust it, and sends nothing that is secret. What is
// left out is beyond crypto/tls: SSL 3.0 and older, finite-field Diffie-Hellman
// and DSA, certificates that do not parse (curves other than NIST's). Four more
// limits are settings of the program, in the godebug block of go.mod: SHA-1
// signatures in TLS 1.2 (tlssha1), RSA keys under 1,024 bits (rsa1024min) and
// over 8,192 (tlsmaxrsasize), negative serial numbers (x509negativeserial).
func tlsConfig(name string) *tls.Config {
	return &tls.Config{
		ServerName:         serverName(name),
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS10,
		CipherSuites:       allCipherSuites(),
		// Without the post-quantum groups: their key shares spread the
		// ClientHello over two segments, which some old servers do not survive.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
		// Some servers ask for a client certificate only after the request, by
		// a second handshake (TLS 1.2 and older).
		Renegotiation: tls.RenegotiateOnceAsClient,
	}
}

// allCipherSuites lists what Go implements, also what it calls insecure: RSA key
// exchange, CBC, 3DES, RC4.
func allCipherSuites() []uint16 {
	secure, insecure := tls.CipherSuites(), tls.InsecureCipherSuites()
	ids := make([]uint16, 0, len(secure)+len(insecure))
	for _, suite := range secure {
		ids = append(ids, suite.ID)
	}
	for _, suite := range insecure {
		ids = append(ids, suite.ID)
	}
	return ids
}

// serverName is the name for SNI (RFC 6066 section 3). crypto/tls itself leaves
// out literal addresses and the dot at the end; the RFC wants ASCII.
func serverName(name string) string {
	for i := range len(name) {
		if name[i] >= 0x80 {
			return ""
		}
	}
	return name
}
