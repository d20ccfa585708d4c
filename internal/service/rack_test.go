// SPDX-License-Identifier: Apache-2.0

package service

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connmonitor/internal/netlab"
	"connmonitor/internal/vitals"
)

// rack is a host with Debian's servers on their usual ports, and one that asks
// them, in a network of their own. Every port is there a second time, as an
// unusual one, so that a server has to be recognised by what it says.
type rack struct {
	client, server *netlab.Node
	addr           netip.Addr
	// dir holds cert.pem, the servers' certificate and the one of who signed
	// it, key.pem, and root.pem, whom the scanner trusts.
	dir     string
	expires time.Time // of the chain's first
	root    *authority
	scanner *Scanner
}

// unusualPort is the second one of a port.
func unusualPort(port uint16) uint16 { return 20000 + port }

func newRack(t *testing.T, ports []uint16) *rack {
	t.Helper()
	root(t)
	top := netlab.Farm(t)
	r := &rack{client: top.Client, server: top.Server, addr: top.Links[0].B.Addr4, dir: t.TempDir(), scanner: New(Options{})}
	var pairs []string
	for _, port := range ports {
		pairs = append(pairs, fmt.Sprintf("%d : %d", unusualPort(port), port))
	}
	slices.Sort(pairs)
	ways := strings.Join(slices.Compact(pairs), ", ")
	r.server.NFT(fmt.Sprintf(`table ip unusual {
	chain arriving {
		type nat hook prerouting priority dstnat;
		meta l4proto tcp redirect to :tcp dport map { %s }
		meta l4proto udp redirect to :udp dport map { %s }
	}
}`, ways, ways))
	r.certify(t)
	return r
}

// certify has the servers' key signed by an authority that the root has signed,
// and that ends first.
func (r *rack) certify(t *testing.T) {
	t.Helper()
	readable(t, r.dir)
	late := time.Now().Add(240 * time.Hour).Truncate(time.Second)
	r.expires = late.Add(-120 * time.Hour)
	r.root = newAuthority(t, "root", nil, late)
	middle := newAuthority(t, "middle", r.root, r.expires)
	leaf := middle.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, NotAfter: late, DNSNames: []string{"host.example"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	writePEM(t, r.dir, leaf.chain(middle))
	write(t, r.dir, "root.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.root.cert.Raw})))
	trust(r.scanner, r.root)
}

// trust makes an authority the only one that a scanner knows.
func trust(s *Scanner, a *authority) {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	s.verify.roots = func() *x509.CertPool { return pool }
}

// folder is a directory that the servers' users may read and write.
func (r *rack) folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	readable(t, dir)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// start runs a server until the test ends, and returns the file it speaks to.
func (r *rack) start(t *testing.T, env []string, path string, args ...string) (log string) {
	t.Helper()
	r.server.Do(func() { log = start(t, nil, env, path, args...) })
	return log
}

// await waits until somebody listens at the port.
func (r *rack) await(t *testing.T, port uint16) {
	t.Helper()
	r.server.Do(func() { await(t, netip.AddrPortFrom(loopback, port)) })
}

// ask asks one service of the rack.
func (r *rack) ask(t *testing.T, service string, port uint16) vitals.Service {
	t.Helper()
	return r.askWithin(t, service, port, patient)
}

func (r *rack) askWithin(t *testing.T, service string, port uint16, timeout time.Duration) (got vitals.Service) {
	t.Helper()
	request := Request{Name: "host.example", Addr: r.addr, Timeout: timeout}
	item, err := parseItem(r.scanner.protocols, portName(port)+"/"+service)
	if err == nil {
		r.client.Do(func() { got, err = r.scanner.ask(t.Context(), &request, &item, port) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// awaitUDP waits until a server answers over UDP.
func (r *rack) awaitUDP(t *testing.T, service string, port uint16) {
	t.Helper()
	for end := time.Now().Add(boot); ; time.Sleep(10 * time.Millisecond) { // refused until it listens
		if got := r.askWithin(t, service, port, time.Second); got.Open() {
			return
		} else if time.Now().After(end) {
			t.Fatalf("nobody answers: %+v", got)
		}
	}
}

// run is the output of a program that ends by itself, on the servers' host.
func (r *rack) run(t *testing.T, path string, args ...string) string {
	t.Helper()
	var out []byte
	var err error
	r.server.Do(func() { out, err = exec.CommandContext(t.Context(), path, args...).CombinedOutput() })
	if err != nil {
		t.Fatalf("%s: %v: %s", path, err, out)
	}
	return string(out)
}

// packageVersion is the version of an installed Debian package: what its
// authors call it, and Debian's own part.
func packageVersion(t *testing.T, name string) (version, revision string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "dpkg-query", "-W", "-f", "${Version}", name).Output()
	if err != nil {
		t.Skipf("no version of package %s: %v", name, err)
	}
	whole := string(out)
	if _, rest, ok := strings.Cut(whole, ":"); ok {
		whole = rest
	}
	cut := strings.LastIndexByte(whole, '-')
	version, _, _ = strings.Cut(whole[:max(cut, 0)], "+dfsg")
	return version, whole[cut+1:]
}

// boot is how long a server may take to start: RabbitMQ, which takes seconds
// where nothing else runs, takes ten times as long where much does.
const boot = 2 * time.Minute

// await waits until somebody listens.
func await(t *testing.T, at netip.AddrPort) {
	t.Helper()
	end := time.Now().Add(boot)
	for time.Now().Before(end) {
		conn, err := net.Dial("tcp", at.String())
		if err == nil {
			closeQuietly(conn)
			return
		}
		time.Sleep(10 * time.Millisecond) // polled, because a server does not say that it listens
	}
	t.Fatalf("nobody listens at %v", at)
}

// wantServer checks what was learned of a server: its name and version, and of
// its TLS and its certificates, where it has any, everything.
func (r *rack) wantServer(t *testing.T, got vitals.Service, software string, secured bool) {
	t.Helper()
	if !got.Open() || got.Reason != "" || got.Software != software || (got.TLS != nil) != secured {
		t.Errorf("got %+v, want an open service, software %q, TLS %t", got, software, secured)
	}
	if got.Connect <= 0 || got.RTT < got.Connect || (got.Handshake > 0) != secured {
		t.Errorf("times %+v", got)
	}
	if got.TLS == nil {
		return
	}
	if s := got.TLS; s.Version != "TLS 1.3" || !strings.HasPrefix(s.Cipher, "TLS_") || s.Subject != "CN=server" || s.Issuer != "CN=middle" ||
		!slices.Equal(s.Names, []string{"host.example"}) || !s.Expires.Equal(r.expires) || s.Problem != "" {
		t.Errorf("TLS %+v of %s", s, got.Protocol)
	}
}

// wantLog checks what a server has written: that it saw us, and that nobody
// tried to log in. A server may write after it has let us go.
func wantLog(t *testing.T, files []string, seen, never string) {
	t.Helper()
	wanted, forbidden := regexp.MustCompile(seen), regexp.MustCompile(never)
	var text strings.Builder
	for end := time.Now().Add(patient); ; time.Sleep(10 * time.Millisecond) { // polled, as above
		text.Reset()
		for _, file := range files {
			said, _ := os.ReadFile(file)
			text.Write(said)
		}
		if wanted.MatchString(text.String()) || time.Now().After(end) {
			break
		}
	}
	if !wanted.MatchString(text.String()) {
		t.Errorf("its log does not say %q:\n%s", seen, text.String())
	}
	if found := forbidden.FindString(text.String()); never != "" && found != "" {
		t.Errorf("its log says %q:\n%s", found, text.String())
	}
}

// together runs functions side by side, and waits for all of them.
func together(fs ...func()) {
	var running sync.WaitGroup
	for _, f := range fs {
		running.Go(f)
	}
	running.Wait()
}
