// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bytes"
	"errors"
)

// maxPreface is the most lines that an SSH server may send before its
// identification.
const maxPreface = 50

var errNotSSH = errors.New("no SSH identification")

// protocolSSH is the first line of an SSH transport (RFC 4253 section 4.2). The
// server speaks first, and nothing is sent: to the server we are a client that
// thought better of it.
func protocolSSH() protocol {
	return protocol{name: "ssh", port: 22, limit: 16 << 10, talk: talkSSH}
}

// talkSSH reads SSH-2.0-OpenSSH_9.2p1 Debian-2. The server may say other lines
// before.
func talkSSH(c *conversation) error {
	for range maxPreface {
		line, err := c.readLine()
		if err != nil {
			return err
		}
		if software, ok := parseSSH(line); ok {
			c.got.Software = software
			return nil
		}
	}
	return errNotSSH
}

// parseSSH returns what follows the version of the protocol.
func parseSSH(line []byte) (string, bool) {
	rest, ok := bytes.CutPrefix(line, []byte("SSH-"))
	if !ok {
		return "", false
	}
	_, software, ok := bytes.Cut(rest, []byte("-"))
	return softwareOf(string(bytes.TrimSpace(software))), ok
}
