// SPDX-License-Identifier: Apache-2.0

package service

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// authority signs certificates in a test.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// newAuthority makes an authority below another one; nil makes a root.
func newAuthority(t *testing.T, name string, above *authority, end time.Time) *authority {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotAfter: end, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	return above.sign(t, template)
}

// sign makes a certificate and its key; a nil authority lets it sign itself.
func (a *authority) sign(t *testing.T, template *x509.Certificate) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Unix(0, 0)
	}
	signer := a
	if a == nil {
		signer = &authority{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, key.Public(), signer.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

// chain is what a server shows: its own certificate, and others.
func (a *authority) chain(others ...*authority) tls.Certificate {
	c := tls.Certificate{Certificate: [][]byte{a.cert.Raw}, PrivateKey: a.key}
	for _, other := range others {
		c.Certificate = append(c.Certificate, other.cert.Raw)
	}
	return c
}

// shown is a certificate as a server shows it, and what is to be said of it.
type shown struct {
	name, problem string
	cert          tls.Certificate
	expires       time.Time // of the first in the chain
}

// allShown are the good ones and the bad ones that a root has signed, or should
// have.
func allShown(t *testing.T, root *authority) []shown {
	t.Helper()
	late := root.cert.NotAfter
	soon, past := late.Add(-120*time.Hour), time.Now().Add(-time.Hour)
	middle := newAuthority(t, "middle", root, soon)
	ended := newAuthority(t, "ended", root, past)
	stranger := newAuthority(t, "stranger", nil, late)
	server := func(end time.Time, names ...string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: "server"}, NotAfter: end, DNSNames: names}
	}
	future := server(late, "host.example")
	future.NotBefore = late.Add(-time.Hour)
	good := middle.sign(t, server(late, "host.example"))
	return []shown{
		{"good", "", good.chain(middle), soon},
		{"with its root", "", good.chain(middle, root), soon},
		{"wildcard", "", root.sign(t, server(late, "*.example")).chain(), late},
		{"expired", "expired", root.sign(t, server(past, "host.example")).chain(), past.Truncate(time.Second)},
		{"expired between", "expired", ended.sign(t, server(late, "host.example")).chain(ended), past.Truncate(time.Second)},
		{"not yet valid", "not yet valid", root.sign(t, future).chain(), late},
		{"self-signed", "self-signed", (*authority)(nil).sign(t, server(late, "host.example")).chain(), late},
		{"wrong name", "for another name", root.sign(t, server(late, "other.example")).chain(), late},
		{"chain missing", "chain incomplete, or from an authority that is not known", good.chain(), late},
		{"unknown authority", "from an authority that is not known", stranger.sign(t, server(late, "host.example")).chain(stranger), late},
		{"two problems", "self-signed; for another name", (*authority)(nil).sign(t, server(late, "a.example")).chain(), late},
	}
}

// wantShown checks what is said of a certificate: it is reported, and keeps
// nobody from being asked.
func wantShown(t *testing.T, got vitals.Service, want shown) {
	t.Helper()
	if !got.Open() || got.Reason != "" || got.TLS == nil || got.TLS.Problem != want.problem || !got.TLS.Expires.Equal(want.expires) {
		t.Fatalf("%s: got %+v, TLS %+v, want %q, %v", want.name, got, got.TLS, want.problem, want.expires)
	}
	if got.TLS.Version != "TLS 1.3" || got.TLS.Cipher == "" || got.TLS.Subject != "CN=server" || len(got.TLS.Names) != 1 {
		t.Errorf("%s: TLS %+v", want.name, got.TLS)
	}
}

func TestCertificates(t *testing.T) {
	root := newAuthority(t, "root", nil, time.Now().Add(240*time.Hour).Truncate(time.Second))
	s := New(Options{})
	trust(s, root)
	for _, test := range allShown(t, root) {
		t.Run(test.name, func(t *testing.T) {
			port := serve(t, secured(t, &tls.Config{Certificates: []tls.Certificate{test.cert}}, silent))
			scan, err := s.Scan(t.Context(), Request{
				Name: "host.example", Addr: loopback, Timeout: patient, Services: []string{portName(port) + "/tls"},
			})
			if err != nil {
				t.Fatal(err)
			}
			wantShown(t, scan.Services[0], test)
		})
	}
}

// TestCertificateOfAnAddress: a host that was typed as an address is verified
// as one.
func TestCertificateOfAnAddress(t *testing.T) {
	root := newAuthority(t, "root", nil, time.Now().Add(time.Hour))
	leaf := root.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP("fe80::1")},
	})
	v := newVerifier()
	v.roots = func() *x509.CertPool {
		pool := x509.NewCertPool()
		pool.AddCert(root.cert)
		return pool
	}
	state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf.cert}}
	for name, want := range map[string]string{
		"127.0.0.1": "", "::ffff:127.0.0.1": "", "fe80::1%eth0": "", "127.0.0.2": "for another name", "a.example": "for another name",
	} {
		got := v.report(state, name)
		if got.Problem != want || !slices.Equal(got.Names, []string{"127.0.0.1", "fe80::1"}) {
			t.Errorf("%s: %+v, want %q", name, got, want)
		}
	}
	if got := v.report(tls.ConnectionState{}, "a"); got.Problem != "no certificate" {
		t.Errorf("without a certificate: %+v", got)
	}
}
