// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// dialogue greets, and answers each line that it reads by the next of its
// lines.
func dialogue(lines ...string) func(net.Conn) {
	return func(conn net.Conn) {
		in := bufio.NewScanner(conn)
		for i, line := range lines {
			if i > 0 && !in.Scan() {
				return
			}
			if _, err := fmt.Fprintf(conn, "%s\r\n", line); err != nil {
				return
			}
		}
		silent(conn)
	}
}

// TestGreetings lets servers that speak in lines say who they are.
func TestGreetings(t *testing.T) {
	tests := []struct {
		service, name string
		says          []string
		state         vitals.ServiceState
		want          string // software of an open service, else a part of the reason
	}{
		{"ssh", "OpenSSH", []string{"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3"}, vitals.ServiceOpen, "OpenSSH_9.2p1 Debian-2+deb12u3"},
		{"ssh", "lines before", []string{"hello\r\n\r\nSSH-1.99-dropbear"}, vitals.ServiceOpen, "dropbear"},
		{"ssh", "no name", []string{"SSH-2.0-"}, vitals.ServiceOpen, unknown},
		{"ssh", "many lines before", []string{strings.Repeat("no\r\n", maxPreface)}, vitals.ServiceError, errNotSSH.Error()},
		{"ssh", "half", []string{"SSH-2.0" + strings.Repeat("\r\n", maxPreface)}, vitals.ServiceError, errNotSSH.Error()},

		{"smtp", "Postfix", []string{"220 mail.example ESMTP Postfix (Debian/GNU)", "250 mail.example", "221 bye"}, vitals.ServiceOpen, "Postfix (Debian/GNU)"},
		{"smtp", "Sendmail", []string{"220 a ESMTP Sendmail 8.17/8.17; Mon, 23 Nov 2026 01:02:03 GMT", "250 a", "221"}, vitals.ServiceOpen, "Sendmail 8.17/8.17"},
		{"smtp", "several lines", []string{"220-mail.example ESMTP X\r\n220 no spam", "250 a", "221"}, vitals.ServiceOpen, "X"},
		{"smtp", "nothing but a name", []string{"220 mail.example", "250 a", "221"}, vitals.ServiceOpen, unknown},
		{"smtp", "ftp", []string{"220 ready", "500 what"}, vitals.ServiceError, errNotSMTP.Error()},
		{"smtp", "ssh", []string{"SSH-2.0-x"}, vitals.ServiceError, errNotReply.Error()},
		{"smtp", "two codes", []string{"220-a\r\n250 b" + strings.Repeat("\r\n", 2*maxReply)}, vitals.ServiceError, errFlood.Error()},

		{"ftp", "ProFTPD", []string{"220 ProFTPD Server (Debian) [::1]", "500 no", "221"}, vitals.ServiceOpen, "ProFTPD Server (Debian) [::1]"},
		{"ftp", "Pure-FTPd", []string{"220------ Welcome to Pure-FTPd ------\r\n220-You are user 7\r\n bare\r\n220 bye", "500", "221"}, vitals.ServiceOpen, "Welcome to Pure-FTPd"},
		{"ftp", "later", []string{"120 soon\r\n220 (x 1)", "500", "221"}, vitals.ServiceOpen, "x 1"},

		{"imap", "Courier", []string{"* OK Courier-IMAP ready.", "* CAPABILITY IMAP4rev1\r\na OK done", "* BYE"}, vitals.ServiceOpen, "Courier-IMAP"},
		{"imap", "pre-authenticated", []string{"* PREAUTH x"}, vitals.ServiceOpen, "x"},
		{"imap", "nothing else", []string{"* NO x"}, vitals.ServiceError, errNotIMAP.Error()},

		{"pop3", "APOP", []string{"+OK Dovecot ready. <1896.697170952@dbc.mtview.ca.us>", "-ERR", "+OK"}, vitals.ServiceOpen, "Dovecot"},
		{"pop3", "bare", []string{"+OK", "-ERR", "+OK"}, vitals.ServiceOpen, unknown},
		{"pop3", "other", []string{"+OKAY"}, vitals.ServiceError, errNotPOP3.Error()},
	}
	for _, test := range tests {
		t.Run(test.service+" "+test.name, func(t *testing.T) {
			t.Parallel()
			got := askPort(t, test.service, serve(t, dialogue(test.says...)), patient)
			if test.state != vitals.ServiceOpen {
				wantState(t, got, test.state, test.want)
			} else if !got.Open() || got.Software != test.want {
				t.Errorf("got %+v, want software %q", got, test.want)
			}
		})
	}
}

// TestRefusals: who refuses us in the words of the protocol is there.
func TestRefusals(t *testing.T) {
	tests := []struct{ service, says, reason string }{
		{"smtp", "554 no service", "refuses with 554"},
		{"ftp", "421 too many", "refuses with 421"},
		{"imap", "* BYE too many", "greets with BYE"},
		{"pop3", "-ERR too many", "greets with -ERR"},
	}
	for _, test := range tests {
		t.Run(test.service, func(t *testing.T) {
			t.Parallel()
			got := askPort(t, test.service, serve(t, dialogue(test.says, "221 bye")), patient)
			wantState(t, got, vitals.ServiceOpen, test.reason)
			if got.Software != unknown {
				t.Errorf("got %+v, want no software: its words are about us", got)
			}
		})
	}
}

// TestBrokenSTARTTLS: TLS that is offered and does not come about is a remark,
// and what the server has said of itself stays.
func TestBrokenSTARTTLS(t *testing.T) {
	tests := map[string]struct {
		service string
		says    []string
		reason  string
	}{
		"refused":         {"smtp", []string{"220 a ESMTP x", "250-a\r\n250 STARTTLS", "454 no", "221"}, "refuses with 454"},
		"not TLS":         {"smtp", []string{"220 a ESMTP x", "250-a\r\n250 starttls", "220 go", "500 what", "500"}, "does not look like a TLS handshake"},
		"text behind":     {"smtp", []string{"220 a ESMTP x", "250-a\r\n250 STARTTLS", "220 go\r\n250 injected"}, errEarly.Error()},
		"text behind FTP": {"ftp", []string{"220 x", "234 go\r\n220 injected"}, errEarly.Error()},
		"IMAP":            {"imap", []string{"* OK [CAPABILITY STARTTLS] x", "b OK go\r\n* injected"}, errEarly.Error()},
		"POP3":            {"pop3", []string{"+OK x", "+OK go\r\n+OK injected"}, errEarly.Error()},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := askPort(t, test.service, serve(t, dialogue(test.says...)), patient)
			wantState(t, got, vitals.ServiceOpen, test.reason)
			if got.Software != "x" || got.TLS != nil {
				t.Errorf("got %+v, want software x and no TLS", got)
			}
		})
	}
}

// FuzzLines reads what a server says in lines, as each protocol does.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{
		"SSH-2.0-x\r\n", "220-a ESMTP x\r\n220 y\r\n250-a\r\n250 STARTTLS\r\n220 go\r\n", "* OK [CAPABILITY STARTTLS] x\r\nb OK\r\n",
		"* OK x\r\n* CAPABILITY a\r\na OK\r\n", "+OK x <1@a>\r\n+OK\r\n", "$5\r\na:b\r\n\r\n", "-NOAUTH x\r\n", "VERSION 1\r\n",
		"\x20\x02\x00\x00", "220 (\n", "220 ((x)\n", amqpStart(amqpField("product", 'S', "x")), "\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00", "N", "E\x00\x00\x00\x0eC53300\x00\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		for _, p := range table() {
			if p.talk == nil || p.network == udp || p.secure {
				continue
			}
			c := newConversation(&played{in: bytes.NewReader(stream)}, p.limit, "a", newVerifier())
			if err := p.talk(c); err == nil && (c.got.Software == "" || len(c.got.Software) > maxText) {
				t.Fatalf("%s: %+v", p.name, c.got)
			}
			greeted := newConversation(&played{in: bytes.NewReader(stream)}, maxMail, "a", newVerifier())
			if _, err := greeted.in.Peek(1); err == nil && talkGreeting(greeted) == nil && greeted.got.Software == "" {
				t.Fatalf("a greeting, and nothing known: %+v", greeted.got)
			}
			if len(c.got.Reason) > 2*maxText {
				t.Fatalf("%s: reason %q", p.name, c.got.Reason)
			}
		}
	})
}

// played is a connection that says what a fuzzer made up.
type played struct {
	net.Conn
	in io.Reader
}

func (p *played) Read(b []byte) (int, error)      { return p.in.Read(b) }
func (p *played) Write(b []byte) (int, error)     { return len(b), nil }
func (p *played) LocalAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv6loopback} }
func (p *played) SetReadDeadline(time.Time) error { return nil }
func (p *played) SetDeadline(time.Time) error     { return nil }
func (p *played) Close() error                    { return nil }
