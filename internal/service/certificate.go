// SPDX-License-Identifier: Apache-2.0

package service

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"

	"connmonitor/internal/vitals"
)

// maxNames is the most names of a certificate that are kept.
const maxNames = 32

// verifier tells what a client that verifies certificates (RFC 5280, RFC 9525)
// would find. It enforces nothing.
type verifier struct {
	// roots are the authorities that this machine trusts. They are loaded with
	// the first certificate, because most processes never see one.
	roots func() *x509.CertPool
	now   func() time.Time
}

func newVerifier() *verifier {
	return &verifier{now: time.Now, roots: sync.OnceValue(func() *x509.CertPool {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return x509.NewCertPool() // nobody is trusted, and the reports say so
		}
		return pool
	})}
}

// report tells of a TLS connection to the host that was asked for by name.
func (v *verifier) report(state tls.ConnectionState, name string) *vitals.TLS {
	t := &vitals.TLS{
		Version: tls.VersionName(state.Version),
		Cipher:  tls.CipherSuiteName(state.CipherSuite),
		ALPN:    textOf(state.NegotiatedProtocol),
	}
	chain := state.PeerCertificates
	if len(chain) == 0 {
		t.Problem = "no certificate"
		return t
	}
	t.Fingerprint = sha256.Sum256(chain[0].Raw)
	t.Subject, t.Issuer = textOf(chain[0].Subject.String()), textOf(chain[0].Issuer.String())
	t.Names = namesOf(chain[0])
	t.Expires = chain[0].NotAfter
	for _, certificate := range chain[1:] {
		if certificate.NotAfter.Before(t.Expires) {
			t.Expires = certificate.NotAfter
		}
	}
	t.Problem = strings.Join(v.problems(chain, name), "; ")
	return t
}

// namesOf are the names that a certificate is for.
func namesOf(certificate *x509.Certificate) []string {
	var names []string
	for _, name := range certificate.DNSNames {
		names = append(names, textOf(name))
	}
	for _, ip := range certificate.IPAddresses {
		names = append(names, ip.String())
	}
	return names[:min(len(names), maxNames)]
}

// problems lists what is wrong with a chain, whose first certificate is the
// server's own. Its order does not matter to the verification, what is missing
// does.
func (v *verifier) problems(chain []*x509.Certificate, name string) []string {
	var problems []string
	between := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		between.AddCert(certificate)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: v.roots(), Intermediates: between, CurrentTime: v.now()})
	if err != nil {
		problems = append(problems, problemOf(err, chain))
	}
	host := strings.TrimSuffix(name, ".")
	if addr, err := netip.ParseAddr(name); err == nil {
		host = addr.Unmap().WithZone("").String()
	}
	if chain[0].VerifyHostname(host) != nil {
		problems = append(problems, "for another name")
	}
	return problems
}

// problemOf says in few words why a chain does not verify.
func problemOf(err error, chain []*x509.Certificate) string {
	var invalid x509.CertificateInvalidError
	var stranger x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		// The error is the same for both ends of the validity.
		if strings.Contains(invalid.Detail, "is before") {
			return "not yet valid"
		}
		return "expired"
	case errors.As(err, &stranger):
		return strangerOf(chain)
	}
	return textOf(err.Error())
}

// strangerOf tells apart the ways in which a chain leads to nobody known.
func strangerOf(chain []*x509.Certificate) string {
	last := chain[len(chain)-1]
	switch {
	case !isOwn(last):
		return "chain incomplete, or from an authority that is not known"
	case len(chain) == 1:
		return "self-signed"
	}
	return "from an authority that is not known"
}

// isOwn reports whether a certificate names itself as its issuer.
func isOwn(certificate *x509.Certificate) bool {
	return string(certificate.RawIssuer) == string(certificate.RawSubject)
}
