// SPDX-License-Identifier: Apache-2.0

package service

// protocolTCP asks for no more than that somebody takes the connection.
func protocolTCP() protocol {
	return protocol{name: "tcp", limit: 1, talk: func(c *conversation) error {
		c.got.Software = unknown
		return nil
	}}
}

// protocolTLS asks for a TLS handshake, whatever would be spoken inside.
func protocolTLS() protocol {
	return protocol{name: "tls", limit: 1, secure: true, talk: func(c *conversation) error {
		c.got.Software = unknown
		return nil
	}}
}
