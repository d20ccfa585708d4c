// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
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
// last asks for HTTP. Who greets late is listened to without haste. Who answers
// HTTP in words of its own is asked as itself, if a connection is left. What
// nothing comes of is a service that is open, and unknown.
func (s *Scanner) recognise(ctx context.Context, t *Request, port uint16) (vitals.Service, error) {
	first := protocol{name: tcp, limit: maxMail, alpn: []string{alpnHTTP2, alpnHTTP1}, talk: talkAuto}
	left := t.Timeout
	found, err := s.attempt(ctx, &first, t, port, &left, 1)
	if errors.Is(err, errLate) {
		late := protocol{name: tcp, limit: maxMail, talk: talkGreeting}
		return s.attempt(ctx, &late, t, port, &left, 1)
	}
	if err != nil || found.Software != "" && !isBareTLS(&found) {
		return found, err
	}
	if found.Software == "" {
		found.Software, found.RTT = unknown, found.Connect
	}
	list := s.candidates(port, &found)
	for more := 2; more > 0 && len(list) > 0; more-- {
		p := list[0]
		list = list[1:]
		got, err := s.attempt(ctx, &p, t, port, &left, more)
		if err == nil || isLocal(err) || ctx.Err() != nil {
			return got, err
		}
		if isTimeout(err) {
			found.Reason = reasonOf(err)
		}
		if named, ok := errors.AsType[*answererError](err); ok {
			found.Protocol, list = named.name, []protocol{named.protocol}
		}
	}
	return found, nil
}

// isBareTLS reports whether nothing was learned but that there is TLS.
func isBareTLS(found *vitals.Service) bool {
	return found.Protocol == "tls" && found.Software == unknown
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

// candidates are what a server may be that waits for us to speak: the usual
// service of the port, and in the clear HTTP, which was asked for in TLS before.
// Who refused TLS because we offered HTTP in it is asked without.
func (s *Scanner) candidates(port uint16, found *vitals.Service) []protocol {
	secure := isBareTLS(found)
	if secure && found.TLS == nil {
		return []protocol{{name: "tls", secure: true, limit: maxMail, talk: talkInside}}
	}
	var list []protocol
	for _, p := range s.protocols {
		if p.port == port && p.network != udp && p.secure == secure && p.talk != nil && p.name != "http" && p.name != "https" {
			list = append(list, p)
		}
	}
	list = list[:min(len(list), 1)]
	if secure {
		return list
	}
	stranger := protocolHTTP()
	stranger.talk = talkStranger
	return append(list, stranger)
}

// answererError is how a conversation ends in which somebody else than a web
// server was asked for HTTP, and said so in the words of its own protocol.
type answererError struct{ protocol }

func (e *answererError) Error() string { return "an answer of " + e.name }

// talkStranger asks for HTTP, and recognises who answers otherwise.
func talkStranger(c *conversation) error {
	writeErr := c.send(requestHead(c.name))
	_, _ = c.in.Peek(1) // its error is the reader's, too
	first, _ := c.in.Peek(c.in.Buffered())
	if p, ok := answerer(string(first)); ok {
		return &answererError{p}
	}
	return c.readHTTP(writeErr)
}

// answerer is the protocol whose server answers like this to what it does not
// understand. Redis and memcached, which once did, hang up on HTTP now.
func answerer(first string) (protocol, bool) {
	return protocolAMQP(), strings.HasPrefix(first, "AMQP")
}

// talkAuto listens for a greeting, and offers TLS to who is silent. It leaves
// the software empty when it has learned nothing.
func talkAuto(c *conversation) error {
	heard, err := c.listen()
	if heard {
		return talkGreeting(c)
	}
	if err != nil {
		return nil //nolint:nilerr // it hung up: what it wants to hear is asked next
	}
	err = c.offerTLS()
	switch {
	case err == nil:
		return talkInside(c)
	case isLateGreeting(err):
		return errLate
	case isALPNRefused(err):
		c.got.Protocol, c.got.Software = "tls", unknown
	case c.line.heard && isTimeout(err):
		return fmt.Errorf("%w: %w", errUnfinished, err)
	}
	return nil //nolint:nilerr // it is something else, which is asked for next
}

// talkInside recognises what is spoken in TLS. Who agreed on a version of HTTP
// speaks that; all others are listened to once more, because mail servers greet
// inside as they do outside.
func talkInside(c *conversation) error {
	c.got.Protocol, c.got.Software = "tls", unknown
	if c.got.TLS.ALPN == "" {
		if heard, err := c.listen(); heard {
			err := talkGreeting(c)
			c.got.Protocol = inTLS(c.got.Protocol)
			return err
		} else if err != nil {
			return nil //nolint:nilerr // it wants no more of us than the handshake
		}
		// Half of the time is left to the question for the port's usual service.
		if err := c.line.SetReadDeadline(time.Now().Add(time.Until(c.deadline) / 2)); err != nil {
			return err
		}
	}
	switch err := talkHTTPS(c); {
	case err == nil, errors.Is(err, errHTTP11):
		c.got.Protocol = "https"
	case isTimeout(err):
		c.got.Reason = reasonOf(err)
	}
	return nil
}

// errLate is a server that began to greet after all, when TLS was offered.
var errLate = errors.New("a greeting that came late")

// isLateGreeting recognises one by what stands in the place of a TLS record.
func isLateGreeting(err error) bool {
	record, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok {
		return false
	}
	_, ok = greeter(string(record.RecordHeader[:]))
	return ok
}

// isALPNRefused recognises a server that speaks TLS, and nothing that we have
// offered (RFC 7301 section 3.2): Exim, for one. crypto/tls tells of alerts in
// words alone.
func isALPNRefused(err error) bool {
	var alert *net.OpError
	return errors.As(err, &alert) && alert.Op == "remote error" && strings.Contains(alert.Error(), "no application protocol")
}

// inTLS is what a protocol is called inside TLS.
func inTLS(name string) string {
	switch name {
	case "smtp", "imap", "pop3", "ftp":
		return name + "s"
	}
	return "tls"
}

// listen waits for a greeting, for as long as auto does. The time is nobody's
// fault, so it does not count. An error is the end of the connection.
func (c *conversation) listen() (heard bool, err error) {
	deadline := time.Now().Add(listenTime)
	if deadline.After(c.deadline) {
		deadline = c.deadline
	}
	if err := c.line.SetReadDeadline(deadline); err != nil {
		return false, err
	}
	_, err = c.in.Peek(1)
	if deadlineErr := c.line.SetReadDeadline(c.deadline); deadlineErr != nil {
		return false, deadlineErr // the time was up before
	}
	if err == nil || !isTimeout(err) {
		return err == nil, err
	}
	c.in.Reset(c.stamped) // the time-out is forgotten
	c.idle += listenTime
	return false, nil
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
	if _, err := c.in.Peek(1); err != nil {
		return err
	}
	first, err := c.in.Peek(c.in.Buffered())
	if err != nil {
		return err
	}
	// The greeting may not be complete; what decides is in its first bytes.
	p, ok := greeter(string(first))
	if ok {
		c.alpn = nil // what was offered was HTTP
		if err := p.talk(c); err == nil {
			c.got.Protocol = p.name
			begun := time.Now()
			c.sayGoodbye(p.farewell)
			c.idle += time.Since(begun)
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
