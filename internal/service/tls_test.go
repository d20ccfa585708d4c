// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"
)

// secured lets handle speak inside TLS.
func secured(t *testing.T, config *tls.Config, handle func(net.Conn)) func(net.Conn) {
	t.Helper()
	return func(conn net.Conn) { handle(tls.Server(conn, config)) }
}

func tlsServerConfig(t *testing.T) *tls.Config {
	t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{ecdsaCertificate(t, nil)}}
}

func ecdsaCertificate(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certificate(t, key, change)
}

func rsaCertificate(t *testing.T, bits int, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return certificate(t, key, change)
}

func certificate(t *testing.T, key crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "somebody else"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(1<<33, 0),
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestDefect23EveryTLS lets servers of all ages answer: TLS 1.0 was forced, and
// no other version came through.
func TestDefect23EveryTLS(t *testing.T) {
	ec, weak := ecdsaCertificate(t, nil), rsaCertificate(t, 1024, nil)
	versions := func(lowest, highest uint16, suites ...uint16) *tls.Config {
		return &tls.Config{MinVersion: lowest, MaxVersion: highest, CipherSuites: suites}
	}
	tests := []struct {
		name   string
		cert   tls.Certificate
		config *tls.Config
	}{
		{"TLS 1.0 only", ec, versions(tls.VersionTLS10, tls.VersionTLS10)},
		{"TLS 1.0 only, RSA 1024", weak, versions(tls.VersionTLS10, tls.VersionTLS10)},
		{"TLS 1.1 only", ec, versions(tls.VersionTLS11, tls.VersionTLS11)},
		{"TLS 1.2 only", ec, versions(tls.VersionTLS12, tls.VersionTLS12)},
		{"TLS 1.3 only", ec, versions(tls.VersionTLS13, tls.VersionTLS13)},
		{"RSA key exchange", weak, versions(tls.VersionTLS10, tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA)},
		{"3DES", weak, versions(tls.VersionTLS10, tls.VersionTLS10, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA)},
		{"RC4", weak, versions(tls.VersionTLS10, tls.VersionTLS10, tls.TLS_RSA_WITH_RC4_128_SHA)},
		{"RSA key exchange, 512 bits", rsaCertificate(t, 512, nil), versions(tls.VersionTLS10, tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA)},
		{"expired", ecdsaCertificate(t, func(c *x509.Certificate) { c.NotAfter = time.Unix(1, 0) }), &tls.Config{}},
		{"not yet valid", ecdsaCertificate(t, func(c *x509.Certificate) { c.NotBefore = time.Unix(1<<32, 0) }), &tls.Config{}},
		{"SHA-1", rsaCertificate(t, 1024, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }), &tls.Config{}},
		{"critical extension", ecdsaCertificate(t, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}), &tls.Config{}},
		{"negative serial number", negativeSerial(t), &tls.Config{}},
		{"P-521 only", ec, &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP521}}},
		{"asks for a client certificate", ec, &tls.Config{ClientAuth: tls.RequestClientCert}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.config.Certificates = []tls.Certificate{test.cert}
			port := serve(t, secured(t, test.config, says(simpleAnswer)))
			wantOpen(t, ask(t, "https", port, patient), "200", "test")
		})
	}
}

// negativeSerial makes the serial number 1 to -1. The signature is no longer
// right, which nobody checks.
func negativeSerial(t *testing.T) tls.Certificate {
	t.Helper()
	cert := ecdsaCertificate(t, nil)
	one := []byte{0xa0, 3, 2, 1, 2, 2, 1, 1} // version 3, then INTEGER 1
	at := bytes.Index(cert.Certificate[0], one)
	if at < 0 {
		t.Fatal("no serial number in the certificate")
	}
	cert.Certificate[0][at+len(one)-1] = 0xff
	return cert
}

// TestDefect23SNI: the original sent no server name, so that shared servers
// answered for somebody else.
func TestDefect23SNI(t *testing.T) {
	for name, want := range map[string]string{
		"www.example.org":  "www.example.org",
		"www.example.org.": "www.example.org",
		"127.0.0.1":        "",
		"::1":              "",
		"fe80::1%lo":       "",
		"[::1]":            "",
		"bücher.example":   "",
	} {
		t.Run(name, func(t *testing.T) {
			hello := make(chan tls.ClientHelloInfo, 1)
			config := tlsServerConfig(t)
			config.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
				hello <- *info
				return nil, nil //nolint:nilnil // it is how crypto/tls is told to go on
			}
			port := serve(t, secured(t, config, says(simpleAnswer)))
			got := askAs(t, Request{Name: name, Addr: loopback, Timeout: patient, Services: []string{"https"}}, port)
			wantOpen(t, got, "200", "test")
			info := <-hello
			if info.ServerName != want {
				t.Errorf("server name = %q, want %q", info.ServerName, want)
			}
			if !slices.Equal(info.SupportedProtos, []string{"h2", "http/1.1"}) {
				t.Errorf("ALPN = %q", info.SupportedProtos)
			}
		})
	}
}

// TestDefect23FailedHandshakeIsAResult: it ended that host's scans.
func TestDefect23FailedHandshakeIsAResult(t *testing.T) {
	refuses := tlsServerConfig(t)
	refuses.NextProtos = []string{"acme-tls/1"}
	wantsCertificate := tlsServerConfig(t)
	wantsCertificate.ClientAuth = tls.RequireAnyClientCert
	for name, handle := range map[string]func(net.Conn){
		"plain server":               says(simpleAnswer),
		"plain 400":                  says("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n"),
		"plain greeting":             greets(simpleHello),
		"no common protocol":         secured(t, refuses, says(simpleAnswer)),
		"insists on a certificate":   secured(t, wantsCertificate, says(simpleAnswer)),
		"not HTTP inside":            secured(t, tlsServerConfig(t), says("220 smtp\r\n")),
		"closes after handshake":     secured(t, tlsServerConfig(t), says("")),
		"half a head inside":         secured(t, tlsServerConfig(t), says("HTTP/1.1 200 OK\r\nServer: x\r\n")),
		"silent inside":              secured(t, tlsServerConfig(t), silent),
		"floods inside":              secured(t, tlsServerConfig(t), flood("HTTP/1.1 200 OK\r\n", "X: y\r\n")),
		"drips inside":               secured(t, tlsServerConfig(t), drip(simpleAnswer)),
		"alert":                      says("\x15\x03\x01\x00\x02\x02\x28"),
		"certificate that is none":   secured(t, noCertificate(t), says(simpleAnswer)),
		"server hello without sense": says("\x16\x03\x03\x00\x04\x02\x00\x00\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantClosed(t, ask(t, "https", serve(t, handle), brief))
		})
	}
}

func noCertificate(t *testing.T) *tls.Config {
	t.Helper()
	config := tlsServerConfig(t)
	config.Certificates[0].Certificate[0] = []byte("this is not DER")
	return config
}

// TestTLSServerOn80 is none in plain HTTP.
func TestTLSServerOn80(t *testing.T) {
	config := tlsServerConfig(t)
	wantClosed(t, ask(t, "http", serve(t, secured(t, config, says(simpleAnswer))), brief))
}
