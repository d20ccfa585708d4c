// SPDX-License-Identifier: Apache-2.0

package service

import "unicode/utf8"

// unknown stands for software that does not tell its name.
const unknown = "Unknown"

// maxText is the most bytes of anything that a server says of itself that are
// kept.
const maxText = 256

// The transports.
const (
	tcp = "tcp"
	udp = "udp"
)

// protocol is one service that can be asked.
type protocol struct {
	name string
	// port is the usual one, 0 when there is none and a request must say it.
	port uint16
	// network is the transport; "" is tcp.
	network string
	// limit is the most bytes that may be read in one conversation, those of a
	// TLS handshake apart.
	limit int
	// secure tells that TLS comes before all else, and alpn what is offered in
	// it (RFC 7301).
	secure bool
	alpn   []string
	// talk asks the server and reads its answer. An error means that what
	// answers does not speak the protocol.
	talk func(c *conversation) error
	// farewell is what tells the server that we go; "" where closing the
	// connection is all that the protocol has.
	farewell string
}

// usual are the services that a scan asks when nobody chose.
func usual() []string { return []string{"http", "https", "mysql"} }

// table lists the services. A new one is a file with its protocol, and a line
// here.
func table() []protocol {
	return []protocol{
		protocolHTTP(),
		protocolHTTPS(),
		protocolMySQL(),
		protocolSSH(),
		protocolSMTP(),
		protocolSMTPS(),
		protocolSubmission(),
		protocolIMAP(),
		protocolIMAPS(),
		protocolPOP3(),
		protocolPOP3S(),
		protocolFTP(),
		protocolPostgres(),
		protocolRedis(),
		protocolMemcached(),
		protocolLDAP(),
		protocolLDAPS(),
		protocolAMQP(),
		protocolMQTT(),
		protocolDNS(),
		protocolDNSTCP(),
		protocolNTP(),
		protocolTLS(),
		protocolTCP(),
		protocolAuto(),
	}
}

// textOf bounds what a server says of itself, without cutting a UTF-8 sequence
// in two.
func textOf(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for end > maxText-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// softwareOf is textOf for a server's own name; the empty name is unknown.
func softwareOf(name string) string {
	if name == "" {
		return unknown
	}
	return textOf(name)
}
