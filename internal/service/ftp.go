// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"strings"
)

var errNotFTP = errors.New("a mail server's greeting, not one of FTP")

// protocolFTP is FTP (RFC 959) with AUTH TLS (RFC 4217).
func protocolFTP() protocol {
	return protocol{name: "ftp", port: 21, limit: maxMail, talk: talkFTP, farewell: "QUIT\r\n"}
}

func talkFTP(c *conversation) error {
	greeting, err := c.readReply()
	for err == nil && greeting.first() == '1' { // "120 ready in a minute"
		greeting, err = c.readReply()
	}
	if err != nil {
		return err
	}
	c.got.Software = unknown
	if greeting.first() != '2' {
		c.got.Reason = "refuses with " + greeting.code
		return nil
	}
	if saysSMTP(greeting.lines[0]) {
		return errNotFTP
	}
	c.got.Software = ftpSoftware(greeting.lines[0])
	if c.isSecure() {
		return nil
	}
	ready, err := c.command("AUTH TLS\r\n")
	if err == nil && ready.code == "234" {
		c.upgrade()
	}
	return err
}

// ftpSoftware is the first line of a greeting: what follows may count users.
func ftpSoftware(line string) string {
	line = strings.Trim(withoutDate(line), "- ")
	if inside, ok := strings.CutPrefix(line, "("); ok {
		if inside, ok = strings.CutSuffix(inside, ")"); ok && !strings.ContainsAny(inside, "()") {
			line = inside
		}
	}
	return softwareOf(line)
}
