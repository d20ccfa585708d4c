// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"connmonitor/internal/vitals"
)

// auto is the service that finds out which one it is.
const auto = "auto"

// listenTime is how long auto waits for a server that speaks first.
const listenTime = 300 * time.Millisecond

// protocolAuto has no conversation of its own: recognise has up to three.
func protocolAuto() protocol { return protocol{name: auto} }

// recognise tells what listens at a port, over at most three connections: the
// first listens for a greeting, and offers TLS when there is none; the second
// asks as the usual service of that port would be asked, if it is another; the
// last asks for HTTP. What nothing comes of is a service that is open, and
// unknown.
func (s *Scanner) recognise(ctx context.Context, t *Request, port uint16) (vitals.Service, error) {
	first := protocol{name: tcp, limit: maxMail, alpn: []string{"http/1.1"}, talk: talkAuto}
	left := t.Timeout
	found, err := s.attempt(ctx, &first, t, port, &left, 1)
	if err != nil || found.Protocol != tcp || found.Software != "" {
		return found, err
	}
	found.Software, found.RTT = unknown, found.Connect
	for i, p := range s.candidates(port) {
		got, err := s.attempt(ctx, &p, t, port, &left, 2-i)
		if err == nil || isLocal(err) || ctx.Err() != nil {
			return got, err
		}
		if isTimeout(err) {
			found.Reason = reasonOf(err)
		}
	}
	return found, nil
}

// attempt has one of several conversations, in its share of the time that is
// left. The first one parts its time by itself.
func (s *Scanner) attempt(ctx context.Context, p *protocol, t *Request, port uint16, left *time.Duration, shares int) (vitals.Service, error) {
	timeout := *left
	if shares > 1 {
		timeout = min(timeout, listenTime+timeout/time.Duration(shares))
	}
	got, begun, err := s.talk(ctx, p, t, port, timeout)
	*left -= time.Since(begun)
	return got, err
}

// candidates are what a server may be that waits for us to speak, and that TLS
// means nothing to.
func (s *Scanner) candidates(port uint16) []protocol {
	var list []protocol
	for _, p := range s.protocols {
		if p.port == port && p.network != udp && !p.secure && p.talk != nil && p.name != "http" {
			list = append(list, p)
		}
	}
	return append(list[:min(len(list), 1)], protocolHTTP())
}

// talkAuto listens for a greeting, and offers TLS to who is silent. It leaves
// the software empty when it has learned nothing.
func talkAuto(c *conversation) error {
	deadline := time.Now().Add(listenTime)
	if deadline.After(c.deadline) {
		deadline = c.deadline
	}
	if err := c.line.SetReadDeadline(deadline); err != nil {
		return err
	}
	_, err := c.in.Peek(1)
	if c.line.SetReadDeadline(c.deadline) != nil {
		return nil // the time was up before; what is known is that it is open
	}
	if err == nil {
		return talkGreeting(c)
	}
	if !isTimeout(err) {
		return nil // it hung up: what it wants to hear is asked next
	}
	c.in.Reset(c.stamped) // the time-out is forgotten
	c.idle = listenTime
	if err := c.offerTLS(); err != nil {
		if c.line.heard && isTimeout(err) {
			return fmt.Errorf("%w: %w", errUnfinished, err)
		}
		return nil
	}
	c.got.Protocol, c.got.Software = "tls", unknown
	if err := talkHTTP(c); err == nil {
		c.got.Protocol = "https"
	} else if isTimeout(err) {
		c.got.Reason = reasonOf(err)
	}
	return nil
}

// offerTLS offers TLS to who is silent, for a third of the time that is left,
// which leaves the rest for other questions; once the server has begun to answer
// it has all of it.
func (c *conversation) offerTLS() error {
	c.line.heard = false
	c.line.first = func() { _ = c.line.SetReadDeadline(c.deadline) } // a time-out is told by the read
	if err := c.line.SetReadDeadline(time.Now().Add(time.Until(c.deadline) / 3)); err != nil {
		return err
	}
	return c.secure()
}

// talkGreeting recognises who speaks first by the first packet.
func talkGreeting(c *conversation) error {
	first, err := c.in.Peek(c.in.Buffered())
	if err != nil {
		return err
	}
	// The greeting may not be complete; what decides is in its first bytes.
	p, ok := greeter(string(first))
	if ok {
		if err := p.talk(c); err == nil {
			c.got.Protocol = p.name
			return nil
		} else if isTimeout(err) {
			return errors.Join(errGreeting, err)
		}
	}
	c.got.Software = softwareOf(firstLine(string(first)))
	return nil
}

var (
	errGreeting   = errors.New("a greeting that does not end")
	errUnfinished = errors.New("a TLS handshake that does not end")
)

// greeter is the protocol that begins like this. Mail and file transfer greet
// alike, and only the words tell them apart.
func greeter(first string) (protocol, bool) {
	switch {
	case strings.HasPrefix(first, "SSH-"):
		return protocolSSH(), true
	case strings.HasPrefix(first, "* "):
		return protocolIMAP(), true
	case strings.HasPrefix(first, "+OK"), strings.HasPrefix(first, "-ERR"):
		return protocolPOP3(), true
	case strings.HasPrefix(first, "220"), strings.HasPrefix(first, "421"), strings.HasPrefix(first, "554"):
		if saysSMTP(first) {
			return protocolSMTP(), true
		}
		return protocolFTP(), true
	case len(first) > headerSize && strings.IndexByte("\x0a\x09\xff", first[headerSize]) >= 0 && first[2] == 0 && first[3] < 2:
		return protocolMySQL(), true
	}
	return protocol{}, false
}

// firstLine is what an unknown server says first.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(line)
}
