// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"net"
	"time"
	"unicode/utf8"
)

// unknown stands for software that does not tell its name.
const unknown = "Unknown"

// maxSoftware is the most bytes of a server's own name that are kept.
const maxSoftware = 256

// defaultServices is how many services at the head of the table a scan asks
// when nobody chose.
const defaultServices = 3

// protocol is one service that can be asked.
type protocol struct {
	name string
	port uint16
	// limit is the most bytes that may be read in one conversation.
	limit int
	// talk asks the server behind conn and reads its answer. The connection is
	// new, closes when the time is up, and is closed by the caller. An error
	// means that what answers does not speak the protocol.
	talk func(conn net.Conn, name string) (answer, error)
}

// answer is what a server said of itself.
type answer struct {
	rtt      time.Duration // from the start of the connect to the complete answer; talk's caller fills it in
	code     string
	software string
}

// table lists the services. A new one is a file with its protocol, and a line
// here.
func table() []protocol {
	return []protocol{
		protocolHTTP(),
		protocolHTTPS(),
		protocolMySQL(),
	}
}

// errFlood is what a conversation reads when the server says more than any
// honest one would.
var errFlood = errors.New("more bytes than an answer may have")

// boundedConn is a connection of which only so many bytes can be read. It
// bounds what a flood costs in protocols whose parser is not ours (TLS), and in
// future ones that forget.
type boundedConn struct {
	net.Conn
	left int
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errFlood
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// softwareOf bounds a server's own name, without cutting a UTF-8 sequence in
// two; the empty name is unknown.
func softwareOf(name string) string {
	if name == "" {
		return unknown
	}
	if len(name) <= maxSoftware {
		return name
	}
	end := maxSoftware
	for end > maxSoftware-utf8.UTFMax && !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end]
}
