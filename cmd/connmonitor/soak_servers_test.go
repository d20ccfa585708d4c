// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connmonitor/internal/netlab"
)

// forged is a Server header that would end a JSON string, colour a terminal and
// clear it; a line feed would end the header itself.
const forged = "evil\",\"injected\":{\"x\":\"\x1b[31m\x1b]0;owned\x07\x1b[2J\t\x00\x7f\xff\\"

// rogueDeed is what a hostile server does with a connection, on each of the
// three ports, and what a scan is to say of its http.
type rogueDeed struct {
	name string
	do   func(c net.Conn)
	http string // None, or the part of a record that is to be there
}

// rogueDeeds are by the last number of the host, from 1.
var rogueDeeds = []rogueDeed{
	{"silent", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, "None"},
	{"drips", drip, "None"},
	{"floods", func(c net.Conn) { pour(c, "HTTP/1.1 200 OK\r\n", strings.Repeat("X: y\r\n", 10_000), 1<<40) }, "None"},
	{"large header", func(c net.Conn) { pour(c, "HTTP/1.1 200 OK\r\nServer: ", strings.Repeat("A", 1<<16), 1<<30) }, "None"},
	{"forges", forge, "evil"},
	{"resets", reset, "None"},
}

// drip sends a byte a second of what would be an answer.
func drip(c net.Conn) {
	for _, b := range []byte("HTTP/1.1 200 OK\r\nServer: slow\r\n\r\n") {
		if _, err := c.Write([]byte{b}); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// pour sends a head, and the same text again and again until there are so many
// bytes or nobody takes them.
func pour(c net.Conn, head, text string, most int) {
	if _, err := io.WriteString(c, head); err != nil {
		return
	}
	for sent := 0; sent < most; sent += len(text) {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
	}
}

func forge(c net.Conn) {
	_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nServer: %s\r\nContent-Length: 0\r\n\r\n", forged)
	_, _ = io.Copy(io.Discard, c)
}

// reset ends the connection with a reset (RFC 9293 section 3.10.4).
func reset(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }

// startRogues runs the hostile servers until the end of the test.
func startRogues(t *testing.T, n *netlab.Node) {
	t.Helper()
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	for _, port := range []string{"80", "443", "3306"} {
		var l net.Listener
		var err error
		n.Do(func() { l, err = net.Listen("tcp", ":"+port) })
		if err != nil {
			t.Fatal(err)
		}
		conns := &connections{open: make(map[net.Conn]bool)}
		t.Cleanup(func() { _ = l.Close(); conns.close() })
		running.Go(func() { conns.accept(l, &running) })
	}
}

// connections are those that are open, so that they can be closed.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]bool // nil: no more
}

func (s *connections) accept(l net.Listener, running *sync.WaitGroup) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || !s.add(c) {
			continue
		}
		running.Go(func() {
			if i := rogueOf(c); i < len(rogueDeeds) {
				rogueDeeds[i].do(c)
			}
			s.remove(c)
		})
	}
}

func (s *connections) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		_ = c.Close()
		return false
	}
	s.open[c] = true
	return true
}

func (s *connections) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = c.Close()
	delete(s.open, c)
}

func (s *connections) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Close()
	}
	s.open = nil
}

// rogueOf is the index of the deed of the address that was called.
func rogueOf(c net.Conn) int {
	to, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return len(rogueDeeds)
	}
	b := to.Addr().AsSlice()
	return int(b[len(b)-1]) - 1
}

// startNginx runs nginx on the ports 80 and 443 of the node.
func startNginx(t *testing.T, n *netlab.Node, path string) {
	t.Helper()
	dir := t.TempDir()
	writeCertificate(t, dir)
	write(t, filepath.Join(dir, "nginx.conf"), `user root; daemon off; pid pid; error_log stderr notice; worker_processes 1;
events {}
http {
	access_log off; client_body_temp_path body; proxy_temp_path proxy;
	fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	ssl_certificate cert.pem; ssl_certificate_key key.pem;
	server { listen 80; listen [::]:80; listen 443 ssl; listen [::]:443 ssl; return 204; }
}
`)
	n.Start(path, "-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "nginx.conf")).WaitOutput("start worker process")
}

func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: secret},
	} {
		write(t, filepath.Join(dir, name), string(pem.EncodeToMemory(block)))
	}
}
