// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"strings"
)

var errNotPOP3 = errors.New("no POP3 greeting")

// protocolPOP3 is POP3 (RFC 1939) with STLS (RFC 2595 section 4).
func protocolPOP3() protocol {
	return protocol{name: "pop3", port: 110, limit: maxMail, talk: talkPOP3, farewell: "QUIT\r\n"}
}

// protocolPOP3S is POP3 inside TLS (RFC 8314 section 3.3).
func protocolPOP3S() protocol {
	p := protocolPOP3()
	p.name, p.port, p.secure = "pop3s", 995, true
	return p
}

func talkPOP3(c *conversation) error {
	line, err := c.readLine()
	if err != nil {
		return err
	}
	software, refused, err := parsePOP3(string(line))
	if err != nil {
		return err
	}
	c.got.Software = software
	if refused {
		c.got.Reason = "greets with -ERR"
		return nil
	}
	if c.isSecure() {
		return nil
	}
	if err := c.send("STLS\r\n"); err != nil {
		return err
	}
	line, err = c.readLine()
	if err == nil && strings.HasPrefix(string(line), "+OK") {
		c.upgrade()
	}
	return err
}

// parsePOP3 reads "+OK Dovecot (Debian) ready. <1.2@host>", of which the last
// part is another one each time (RFC 1939 section 7, APOP).
func parsePOP3(line string) (software string, refused bool, err error) {
	if line == "-ERR" || strings.HasPrefix(line, "-ERR ") {
		return unknown, true, nil
	}
	text, ok := strings.CutPrefix(line, "+OK")
	if !ok || text != "" && text[0] != ' ' {
		return "", false, errNotPOP3
	}
	if from := strings.LastIndexByte(text, '<'); from >= 0 {
		text = text[:from]
	}
	return readyOf(text), false, nil
}
