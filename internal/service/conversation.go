// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"connmonitor/internal/vitals"
)

// maxTLS is the most bytes of a TLS handshake: a long chain of large
// certificates.
const maxTLS = 128 << 10

// maxLine is the most bytes of one line of the protocols that speak in lines.
// The longest that one of them allows are IMAP's and the keyword lines of SMTP
// (RFC 5321 section 4.5.3.1: 512).
const maxLine = 4096

var (
	// errFlood is what a conversation reads when the server says more than any
	// honest one would.
	errFlood = errors.New("more bytes than an answer may have")
	// errEarly says that plain text came where only TLS may follow: somebody on
	// the way could have put it there.
	errEarly = errors.New("plain text behind the agreement on TLS")
)

// conversation is one connection to a server, what is read of it and what was
// learned. It is the one place where bytes of the network are read: they are
// counted against the protocol's limit, and the connection has the deadline of
// the scan, so that a protocol need only read.
type conversation struct {
	// name is the host's name as it was typed.
	name string
	// got is what the protocol fills in of the answer: all but name, state and
	// times.
	got vitals.Service
	// in is what the server says, in TLS once that is on.
	in *bufio.Reader

	line    *boundedConn // the connection itself
	out     io.Writer    // line, or TLS in it
	stamped *stamped     // what in reads from
	ready   time.Time    // since when the server could speak
	// deadline is when the time of the scan is up.
	deadline time.Time
	verify   *verifier
	alpn     []string
	broken   bool // nothing more can be said
	// idle is the time in which we listened, and nobody had to speak.
	idle time.Duration
}

func newConversation(conn net.Conn, limit int, name string, v *verifier) *conversation {
	line := &boundedConn{Conn: conn, left: limit}
	c := &conversation{name: name, line: line, verify: v, ready: time.Now()}
	c.use(line)
	return c
}

// use lets the conversation go on through what conn has become.
func (c *conversation) use(conn io.ReadWriter) {
	c.out, c.stamped = conn, &stamped{Reader: conn}
	c.in = bufio.NewReaderSize(c.stamped, maxLine)
}

// stamp notes how long the server took to its first byte, once.
func (c *conversation) stamp() {
	if c.got.FirstByte == 0 && !c.stamped.at.IsZero() {
		c.got.FirstByte = max(c.stamped.at.Sub(c.ready), 1)
	}
}

// send writes a request.
func (c *conversation) send(text string) error {
	if _, err := io.WriteString(c.out, text); err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	return nil
}

// readLine returns the next line without its end, CR LF or a lone LF, valid
// until the next read. A line that is longer than maxLine is an error.
func (c *conversation) readLine() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, errFlood
	case errors.Is(err, io.EOF) && len(line) > 0:
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("read line: %w", err)
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

// readFull returns the next n bytes.
func (c *conversation) readFull(n int) ([]byte, error) {
	if n < 0 || n > c.line.left+c.in.Buffered() {
		return nil, errFlood
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.in, b); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return b, nil
}

// readDatagram returns the next datagram, of which at most maxLine bytes are
// kept.
func (c *conversation) readDatagram() ([]byte, error) {
	b := make([]byte, maxLine)
	n, err := c.stamped.Read(b)
	if err != nil {
		return nil, fmt.Errorf("read datagram: %w", err)
	}
	return b[:n], nil
}

// isSecure reports whether the conversation goes on in TLS.
func (c *conversation) isSecure() bool { return c.got.TLS != nil }

// secure puts the rest of the conversation into TLS.
func (c *conversation) secure() error {
	if c.in.Buffered() > 0 {
		return errEarly
	}
	c.stamp()
	c.line.left += maxTLS
	config := tlsConfig(c.name)
	config.NextProtos = c.alpn
	secured := tls.Client(c.line, config)
	start := time.Now()
	if err := secured.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.ready = time.Now()
	c.got.Handshake = c.ready.Sub(start)
	c.got.TLS = c.verify.report(secured.ConnectionState(), c.name)
	c.use(secured)
	return nil
}

// upgrade is secure for a protocol that has learned already who the server is:
// TLS that does not come about is a remark on it.
func (c *conversation) upgrade() {
	if err := c.secure(); err != nil {
		c.got.Reason = "no TLS though it was offered: " + reasonOf(err)
		c.broken = true
	}
}

// close ends the conversation.
func (c *conversation) close(farewell string) {
	c.sayGoodbye(farewell)
	_ = c.line.Close() // all that mattered has been read
}

// sayGoodbye ends the conversation in the protocol's own words, where it has
// any. The server's own end is waited for, within the deadline, so that it sees
// neither a reset nor a client that vanished.
func (c *conversation) sayGoodbye(farewell string) {
	if farewell == "" || c.broken || c.send(farewell) != nil {
		return
	}
	_ = c.line.SetReadDeadline(time.Now().Add(maxFarewell))
	_, _ = io.Copy(io.Discard, c.in)
}

// maxFarewell is how long the answer to a farewell is waited for, if the
// deadline of the scan is not sooner.
const maxFarewell = 200 * time.Millisecond

// boundedConn is a connection of which only so many bytes can be read.
type boundedConn struct {
	net.Conn
	left  int
	heard bool   // something was read
	first func() // called when that happens; nil: nothing
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errFlood
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	if n > 0 && !c.heard {
		c.heard = true
		if c.first != nil {
			c.first()
		}
	}
	return n, err
}

// stamped is a reader that remembers when its first byte came.
type stamped struct {
	io.Reader
	at time.Time
}

func (s *stamped) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if n > 0 && s.at.IsZero() {
		s.at = time.Now()
	}
	return n, err
}
