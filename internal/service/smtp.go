// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
)

var errNotSMTP = errors.New("a greeting of three digits, but not of SMTP")

// maxMail is the most bytes of the conversations with mail servers.
const maxMail = 64 << 10

// protocolSMTP is SMTP (RFC 5321) with STARTTLS (RFC 3207).
func protocolSMTP() protocol {
	return protocol{name: "smtp", port: 25, limit: maxMail, talk: talkSMTP, farewell: "QUIT\r\n"}
}

// protocolSubmission is the same at the port for users (RFC 6409).
func protocolSubmission() protocol {
	p := protocolSMTP()
	p.name, p.port = "submission", 587
	return p
}

// protocolSMTPS is SMTP inside TLS (RFC 8314 section 7.3).
func protocolSMTPS() protocol {
	p := protocolSMTP()
	p.name, p.port, p.secure = "smtps", 465, true
	return p
}

// talkSMTP takes the greeting, and asks with EHLO for what the server can, only
// to learn of its TLS.
func talkSMTP(c *conversation) error {
	greeting, err := c.readReply()
	if err != nil {
		return err
	}
	c.got.Software = smtpSoftware(&greeting)
	if greeting.first() != '2' {
		c.got.Reason = "refuses with " + greeting.code
		return nil
	}
	if c.isSecure() {
		return nil
	}
	can, err := c.command("EHLO " + c.ehloName() + "\r\n")
	if err != nil {
		return err
	}
	if can.first() != '2' && !saysSMTP(greeting.lines[0]) {
		return errNotSMTP
	}
	if !slices.ContainsFunc(can.lines, func(s string) bool { return strings.EqualFold(s, "STARTTLS") }) {
		return nil
	}
	ready, err := c.command("STARTTLS\r\n")
	switch {
	case err != nil:
		return err
	case ready.first() == '2':
		c.upgrade()
	default:
		c.got.Reason = "no TLS though it was offered: refuses with " + ready.code
	}
	return nil
}

// saysSMTP reports whether a greeting names the protocol, as nearly all do: an
// FTP server greets with the same code.
func saysSMTP(line string) bool { return strings.Contains(strings.ToUpper(line), "SMTP") }

// command sends one command and reads its reply.
func (c *conversation) command(text string) (reply, error) {
	if err := c.send(text); err != nil {
		return reply{}, err
	}
	return c.readReply()
}

// ehloName is what we call ourselves: the address, as who has no name shall
// (RFC 5321 section 4.1.3).
func (c *conversation) ehloName() string {
	local, ok := c.line.LocalAddr().(*net.TCPAddr)
	if !ok {
		return "localhost"
	}
	addr := local.AddrPort().Addr().Unmap().WithZone("")
	return "[" + literalOf(addr) + "]"
}

func literalOf(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	return "IPv6:" + addr.String()
}

// smtpSoftware is what a greeting says behind the name of the host and the
// protocol: "mail.example.org ESMTP Postfix (Debian/GNU)".
func smtpSoftware(greeting *reply) string {
	if greeting.first() != '2' {
		return unknown
	}
	_, rest, _ := strings.Cut(greeting.lines[0], " ")
	first, software, _ := strings.Cut(rest, " ")
	if !strings.HasSuffix(strings.ToUpper(first), "SMTP") {
		software = rest
	}
	return softwareOf(withoutDate(software))
}
