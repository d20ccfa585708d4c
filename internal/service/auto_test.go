// SPDX-License-Identifier: Apache-2.0

package service

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// TestAuto lets servers of all kinds be recognised, over no more connections
// than three.
func TestAuto(t *testing.T) {
	config := tlsServerConfig(t)
	tests := []struct {
		name     string
		handle   func(net.Conn)
		protocol string
		software string
	}{
		{"ssh", greets("SSH-2.0-x\r\n"), "ssh", "x"},
		{"smtp", dialogue("220 a ESMTP x", "250 a", "221"), "smtp", "x"},
		{"ftp", dialogue("220 x", "500", "221"), "ftp", "x"},
		{"imap", dialogue("* OK [CAPABILITY IMAP4] x", "* BYE"), "imap", "x"},
		{"pop3", dialogue("+OK x", "-ERR", "+OK"), "pop3", "x"},
		{"mysql", greets(simpleHello), "mysql", "8.0.36"},
		{"a greeting of something else", greets("RFB 003.008\n"), "tcp", "RFB 003.008"},
		{"http", says(simpleAnswer), "http", "test"},
		{"https", secured(t, config, says(simpleAnswer)), "https", "test"},
		{"imaps", secured(t, config, dialogue("* OK x", "* BYE")), "imaps", "x"},
		{"pop3s", secured(t, config, dialogue("+OK x", "+OK")), "pop3s", "x"},
		{"smtps", secured(t, config, dialogue("220 a ESMTP x", "221")), "smtps", "x"},
		{"smtps that knows itself", secured(t, offering(t, "smtp"), dialogue("220 a ESMTP x", "221")), "smtps", "x"},
		{"silent in tls of something else", secured(t, offering(t, "acme-tls/1"), silent), "tls", unknown},
		{"a greeting in TLS", secured(t, config, greets("RFB 003.008\n")), "tls", "RFB 003.008"},
		{"hangs up in TLS", secured(t, config, func(conn net.Conn) { _ = conn.(*tls.Conn).HandshakeContext(t.Context()) }), "tls", unknown},
		{"tls", secured(t, config, says("what\r\n")), "tls", unknown},
		{"amqp", answers("AMQP\x00\x00\x09\x01", amqpStart(amqpField("product", 'S', "x"))), "amqp", "x"},
		{"amqp, and no more", answers("AMQP\x00\x00\x09\x01", "what\r\n"), "amqp", unknown},
		{"hangs up", func(net.Conn) {}, "tcp", unknown},
		{"silent", silent, "tcp", unknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var connections atomic.Int32
			port := serve(t, func(conn net.Conn) { connections.Add(1); test.handle(conn) })
			timeout := patient
			if strings.HasPrefix(test.name, "silent") { // they use up all that there is
				timeout = 8 * listenTime
			}
			got := askAs(t, Request{Name: "host.example", Addr: loopback, Timeout: timeout, Services: []string{portName(port)}}, port)
			if !got.Open() || got.Protocol != test.protocol || got.Software != test.software {
				t.Errorf("got %+v, want %s, %q", got, test.protocol, test.software)
			}
			if n := connections.Load(); n > 3 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// answers is a server that says something to who asks for HTTP, something else
// to all others, and nothing to who offers TLS.
func answers(toHTTP, toOthers string) func(net.Conn) {
	return func(conn net.Conn) {
		request := make([]byte, 4096)
		n, _ := conn.Read(request)
		switch {
		case strings.HasPrefix(string(request[:n]), "HEAD "):
			_, _ = io.WriteString(conn, toHTTP)
		case n > 0 && request[0] != 0x16:
			_, _ = io.WriteString(conn, toOthers)
		}
	}
}

// hesitant is a connection whose first write stops behind its first byte.
type hesitant struct {
	net.Conn
	pause   time.Duration
	written bool
}

func (h *hesitant) Write(b []byte) (int, error) {
	if !h.written && len(b) > 1 {
		h.written = true
		if n, err := h.Conn.Write(b[:1]); err != nil {
			return n, err
		}
		time.Sleep(h.pause)
		n, err := h.Conn.Write(b[1:])
		return n + 1, err
	}
	return h.Conn.Write(b)
}

// TestAutoOfSlowTLS: a handshake that takes longer than its share of the time is
// not given up for a question in plain text, once it has begun; one that does not
// end is no other service.
func TestAutoOfSlowTLS(t *testing.T) {
	config := tlsServerConfig(t)
	for pause, want := range map[time.Duration]vitals.ServiceState{
		4 * listenTime / 3: vitals.ServiceOpen, 5 * listenTime: vitals.ServiceError,
	} {
		port := serve(t, func(conn net.Conn) {
			secured(t, config, says(simpleAnswer))(&hesitant{Conn: conn, pause: pause})
		})
		got := askPort(t, auto, port, 4*listenTime)
		if got.State != want || got.Open() && got.Protocol != "https" {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
}

// TestAutoOfSilence says that there was no answer, which is no identity.
func TestAutoOfSilence(t *testing.T) {
	got := askPort(t, auto, serve(t, silent), 4*listenTime)
	if !got.Open() || got.Protocol != tcp || got.Software != unknown || got.Reason != "no answer in time" {
		t.Errorf("got %+v", got)
	}
}

// TestAutoHearsLateGreetings: a busy server greets when TLS has been offered
// already. It is asked again, and waited for.
func TestAutoHearsLateGreetings(t *testing.T) {
	for protocol, lines := range map[string][]string{
		"pop3": {"+OK x", "-ERR", "+OK"}, "smtp": {"220 a ESMTP x", "250 a", "221"}, "ftp": {"220 x", "500", "221"},
	} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			var connections atomic.Int32
			port := serve(t, func(conn net.Conn) {
				if connections.Add(1) == 1 {
					_, _ = conn.Read(make([]byte, 1)) // the ClientHello
				}
				dialogue(lines...)(conn)
			})
			got := askPort(t, auto, port, patient)
			if !got.Open() || got.Protocol != protocol || got.Software != "x" || connections.Load() != 2 {
				t.Errorf("got %+v over %d connections", got, connections.Load())
			}
		})
	}
}

func TestAutoRefused(t *testing.T) {
	wantState(t, askPort(t, auto, freePort(t), patient), vitals.ServiceClosed, "connection refused")
}
