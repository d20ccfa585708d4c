// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"slices"
	"strings"
)

var errNotIMAP = errors.New("no IMAP greeting")

// protocolIMAP is IMAP (RFC 3501, RFC 9051) with STARTTLS.
func protocolIMAP() protocol {
	return protocol{name: "imap", port: 143, limit: maxMail, talk: talkIMAP, farewell: "c LOGOUT\r\n"}
}

// protocolIMAPS is IMAP inside TLS (RFC 8314 section 3.2).
func protocolIMAPS() protocol {
	p := protocolIMAP()
	p.name, p.port, p.secure = "imaps", 993, true
	return p
}

// talkIMAP takes the greeting, and asks for the capabilities when it does not
// tell them, only to learn of TLS.
func talkIMAP(c *conversation) error {
	line, err := c.readLine()
	if err != nil {
		return err
	}
	greeting, err := parseIMAP(string(line))
	if err != nil {
		return err
	}
	c.got.Software = greeting.software
	if greeting.status != "OK" {
		c.got.Reason = "greets with " + greeting.status
		return nil
	}
	if c.isSecure() {
		return nil
	}
	if greeting.capabilities == nil {
		if greeting.capabilities, err = c.imapCapabilities(); err != nil {
			return err
		}
	}
	if !slices.Contains(greeting.capabilities, "STARTTLS") {
		return nil
	}
	ok, _, err := c.imapCommand("b", "STARTTLS")
	if err == nil && ok {
		c.upgrade()
	}
	return err
}

// imapGreeting is a server's first line (RFC 9051 section 7.1).
type imapGreeting struct {
	status       string // OK, PREAUTH, BYE
	capabilities []string
	software     string
}

// parseIMAP reads "* OK [CAPABILITY IMAP4rev1 STARTTLS] Dovecot ready.".
func parseIMAP(line string) (imapGreeting, error) {
	rest, ok := strings.CutPrefix(line, "* ")
	if !ok {
		return imapGreeting{}, errNotIMAP
	}
	status, text, _ := strings.Cut(rest, " ")
	g := imapGreeting{status: strings.ToUpper(status)}
	if !slices.Contains([]string{"OK", "PREAUTH", "BYE"}, g.status) {
		return imapGreeting{}, errNotIMAP
	}
	if inside, ok := strings.CutPrefix(text, "["); ok {
		code, behind, _ := strings.Cut(inside, "]")
		g.capabilities, text = capabilitiesOf(code), behind
	}
	g.software = unknown
	if g.status != "BYE" { // which says what is wrong, not who it is
		g.software = readyOf(text)
	}
	return g, nil
}

// capabilitiesOf are the words behind CAPABILITY, in capitals; nil when the
// text is something else.
func capabilitiesOf(text string) []string {
	words := strings.Fields(strings.ToUpper(text))
	if len(words) == 0 || words[0] != "CAPABILITY" {
		return nil
	}
	return words[1:]
}

// readyOf is the name in "Dovecot (Debian) ready.".
func readyOf(text string) string {
	text = strings.TrimRight(withoutDate(strings.TrimSpace(text)), ". ")
	for _, suffix := range []string{" ready", " server", " service"} {
		text = strings.TrimSuffix(text, suffix)
	}
	return softwareOf(text)
}

func (c *conversation) imapCapabilities() ([]string, error) {
	_, lines, err := c.imapCommand("a", "CAPABILITY")
	for _, line := range lines {
		if words := capabilitiesOf(strings.TrimPrefix(line, "* ")); words != nil {
			return words, err
		}
	}
	return nil, err
}

// imapCommand gives a command and reads up to its answer, which may be no.
func (c *conversation) imapCommand(tag, name string) (ok bool, lines []string, err error) {
	if err := c.send(tag + " " + name + "\r\n"); err != nil {
		return false, nil, err
	}
	for range maxReply {
		line, err := c.readLine()
		if err != nil {
			return false, nil, err
		}
		if answer, own := strings.CutPrefix(string(line), tag+" "); own {
			return strings.HasPrefix(strings.ToUpper(answer), "OK"), lines, nil
		}
		lines = append(lines, string(line))
	}
	return false, nil, errFlood
}
