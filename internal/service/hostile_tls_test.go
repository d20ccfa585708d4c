// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// TestHostileHandshakes lets what takes a ClientHello never come to an end, over
// TLS alone, inside a protocol and by STARTTLS: one clear state, in the time
// that was granted.
func TestHostileHandshakes(t *testing.T) {
	alert := "\x15\x03\x03\x00\x02\x01\x5a"           // a warning, user_canceled
	change := "\x14\x03\x03\x00\x01\x01"              // ChangeCipherSpec
	request := "\x16\x03\x03\x00\x04\x00\x00\x00\x00" // HelloRequest
	empty := "\x16\x03\x03\x00\x00"
	hellos := map[string]struct {
		handle func(net.Conn)
		brief  bool // it uses up the time
	}{
		"alerts":          {flood("", alert), false},
		"changes":         {flood("", change), false},
		"requests":        {flood("", request), false},
		"empty records":   {flood("", empty), false},
		"a huge message":  {flood("\x16\x03\x03\x40\x00\x02\xff\xff\xff", "\x00"), false},
		"a huge record":   {flood("\x16\x03\x03\xff\xff\x02", "\x00"), false},
		"no record":       {flood("", "a"), false},
		"a silent record": {greets("\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"), true},
		"dripped records": {drip(strings.Repeat(empty, 100)), true},
		"resets":          {reset, false},
		"hangs up":        {func(net.Conn) {}, false},
	}
	for name, hello := range hellos {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := patient
			if hello.brief {
				timeout = time.Second
			}
			after := func(lines ...string) uint16 {
				return serve(t, func(conn net.Conn) {
					in := bufio.NewReader(conn)
					for i, line := range lines {
						if i > 0 {
							if _, err := in.ReadString('\n'); err != nil {
								return
							}
						}
						_, _ = io.WriteString(conn, line+"\r\n")
					}
					_, _ = in.Peek(1) // the ClientHello, or what comes instead
					hello.handle(conn)
				})
			}
			bare := after()
			var all []func()
			for _, service := range []string{"tls", "https", "smtps", "imaps", "pop3s", "ldaps"} {
				all = append(all, func() {
					got := askPort(t, service, bare, timeout)
					if got.State != vitals.ServiceError || got.Reason == "" || got.TLS != nil {
						t.Errorf("%s: %+v", service, got)
					}
				})
			}
			for service, port := range map[string]uint16{
				"smtp": after("220 a ESMTP x", "250-a\r\n250 STARTTLS", "220 go"), "ftp": after("220 x", "234 go"),
				"imap": after("* OK [CAPABILITY STARTTLS] x", "b OK go"), "pop3": after("+OK x", "+OK go"),
			} {
				all = append(all, func() {
					got := askPort(t, service, port, timeout)
					if !got.Open() || got.Software != "x" || !strings.HasPrefix(got.Reason, "no TLS though it was offered: ") || got.TLS != nil {
						t.Errorf("%s: %+v", service, got)
					}
				})
			}
			together(all...)
		})
	}
}

// TestHugeChain shows more certificates than anybody has: as many as there is
// room for are borne with, and more are a flood. What they cost is bounded.
func TestHugeChain(t *testing.T) {
	late := time.Now().Add(240 * time.Hour).Truncate(time.Second)
	root := newAuthority(t, "root", nil, late)
	above := []*authority{root}
	for range 100 {
		above = append(above, newAuthority(t, "one", above[len(above)-1], late))
	}
	chain := above[100].chain(above[1:]...)
	for name, test := range map[string]struct {
		times int // that the chain is repeated
		state vitals.ServiceState
	}{"large": {1, vitals.ServiceOpen}, "larger": {5, vitals.ServiceError}} {
		t.Run(name, func(t *testing.T) {
			cert := chain
			for range test.times - 1 {
				cert.Certificate = append(cert.Certificate, chain.Certificate...)
			}
			port := serve(t, secured(t, &tls.Config{Certificates: []tls.Certificate{cert}}, silent))
			s := New(Options{})
			trust(s, root)
			var got vitals.Service
			cost := allocated(func() {
				scan, err := s.Scan(t.Context(), Request{Name: "host.example", Addr: loopback, Timeout: patient, Services: []string{portName(port) + "/tls"}})
				if err != nil {
					t.Fatal(err)
				}
				got = scan.Services[0]
			})
			if got.State != test.state || got.State == vitals.ServiceError && got.Reason != errFlood.Error() || got.Open() && got.TLS.Problem == "" {
				t.Errorf("got %+v, TLS %+v", got, got.TLS)
			}
			if cost > 16<<20 {
				t.Errorf("%d bytes for a chain of %d certificates", cost, len(cert.Certificate))
			}
		})
	}
}

// TestRenegotiation: OpenSSL's server wants the handshake again behind the
// request, as servers do that ask for a client certificate late, and again, and
// again.
func TestRenegotiation(t *testing.T) {
	for name, test := range map[string]struct {
		times int
		state vitals.ServiceState
	}{"once": {1, vitals.ServiceOpen}, "for ever": {1 << 20, vitals.ServiceError}} {
		t.Run(name, func(t *testing.T) {
			port := renegotiator(t, test.times)
			got := ask(t, "https", port, patient)
			if got.State != test.state || got.Open() != (got.Code == "200") || got.Open() == (got.Reason != "") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// renegotiator is a server that answers an HTTP request when it has
// renegotiated so many times.
func renegotiator(t *testing.T, times int) (port uint16) {
	t.Helper()
	dir := t.TempDir()
	writePEM(t, dir, rsaCertificate(t, 2048, nil))
	server := exec.CommandContext(t.Context(), find(t, "openssl"), "s_server", "-accept", "127.0.0.1:0", "-tls1_2", "-naccept", "1",
		"-cert", dir+"/cert.pem", "-key", dir+"/key.pem")
	in, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	server.Stderr = server.Stdout
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Wait() }) // its one client is gone, or the test is over
	said := bufio.NewScanner(out)
	ports := make(chan uint16, 1)
	go func() {
		defer close(ports)
		for said.Scan() {
			switch line := said.Text(); {
			case strings.HasPrefix(line, "ACCEPT 127.0.0.1:"):
				ports <- netip.MustParseAddrPort(line[len("ACCEPT "):]).Port()
			case strings.HasPrefix(line, "HEAD "), strings.HasPrefix(line, "SSL_do_handshake"):
				text := "r\n" // its own command
				if times--; times < 0 {
					text = "HTTP/1.1 200 OK\n\n"
				}
				_, _ = io.WriteString(in, text)
			}
		}
	}()
	port = <-ports
	if port == 0 {
		t.Fatal("it does not listen")
	}
	return port
}
