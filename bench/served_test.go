// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"connmonitor/internal/netlab"
)

// newServed is the farm behind 10 ms with three servers on all its addresses:
// nginx on ports 80 and 443, and one on 3306 that greets as MariaDB does.
func newServed(t *testing.T) *network {
	top := delayedFarm(t)
	startNginx(t, top.Server)
	startGreeter(t, top.Server)
	return newNetwork(top)
}

// nginxConfig is for one process without children. Scans have fewer connections
// open than it may have. Of itself an nginx of Debian 12 has no TLS 1.3; its
// package's configuration adds it.
const nginxConfig = `daemon off;
master_process off;
pid pid;
error_log stderr;
events { worker_connections 1000; }
http {
	access_log off;
	ssl_certificate cert.pem;
	ssl_certificate_key key.pem;
	ssl_protocols TLSv1.2 TLSv1.3;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	server {
		listen 0.0.0.0:80 backlog=4096;
		listen 0.0.0.0:443 ssl backlog=4096;
		return 200;
	}
}
`

func startNginx(t *testing.T, node *netlab.Node) {
	dir := t.TempDir()
	writeCertificate(t, dir)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(nginxConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	server := node.Start("nginx", "-e", "stderr", "-p", dir, "-c", file)
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var connection net.Conn
		var err error
		node.Do(func() { connection, err = net.DialTimeout("tcp4", "127.0.0.1:443", time.Second) })
		if err == nil {
			_ = connection.Close()
			return
		}
		if time.Now().After(until) {
			t.Fatalf("nginx does not listen: %v\n%s", err, server.Output())
		}
	}
}

// writeCertificate makes a self-signed one with an ECDSA key: what the
// handshakes cost the server, which shares its CPU with the lines, is not the
// question.
func writeCertificate(t *testing.T, dir string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "farm"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: certificate}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// greeting is the first packet of a server of MySQL's protocol 10: the header
// (length 3, sequence 1), then protocol, version, thread 4, scramble 8 and a
// zero, capabilities 2, character set 1, status 2, capabilities 2, length of
// the scramble 1, six zeros and four of MariaDB's, the rest of the scramble, and the
// name of the way to log in.
func greeting() []byte {
	payload := "\x0a5.5.5-10.11.6-MariaDB\x00" + "\x05\x00\x00\x00" + "abcdefgh\x00" + "\xfe\xf7" + "\x2d" + "\x02\x00" +
		"\xff\x81" + "\x15" + "\x00\x00\x00\x00\x00\x00" + "\x1d\x00\x00\x00" + "ijklmnopqrst\x00" + "mysql_native_password\x00"
	return append([]byte{byte(len(payload)), 0, 0, 0}, payload...)
}

// startGreeter listens on port 3306 of a node and greets whoever connects, until
// that hangs up or 20 s are over. A real MariaDB has a thread for each
// connection, on the CPU that carries the lines.
func startGreeter(t *testing.T, node *netlab.Node) {
	var listener net.Listener
	var err error
	node.Do(func() { listener, err = net.Listen("tcp4", "0.0.0.0:3306") })
	if err != nil {
		t.Fatalf("listen on port 3306 of the farm: %v", err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go greet(connection)
		}
	}()
}

func greet(connection net.Conn) {
	defer connection.Close() //nolint:errcheck // the client has gone, or will not
	if connection.SetDeadline(time.Now().Add(20*time.Second)) != nil {
		return
	}
	if _, err := connection.Write(greeting()); err == nil {
		_, _ = io.Copy(io.Discard, connection)
	}
}
