// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// The servers of these tests are Debian's. Those that can be started by inetd
// are, one process a connection; the others take a port that was free a moment
// ago, and are waited for.

// inetd runs a server for each connection, which is its standard input and
// output, and returns the port.
func inetd(t *testing.T, path string, args ...string) uint16 {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		file, err := conn.(*net.TCPConn).File()
		if err != nil {
			t.Error(err)
			return
		}
		defer closeQuietly(file)
		server := exec.CommandContext(t.Context(), path, args...)
		server.Stdin, server.Stdout = file, file
		server.WaitDelay = patient
		said, err := server.StderrPipe()
		if err != nil {
			t.Error(err)
			return
		}
		if err := server.Start(); err != nil {
			t.Error(err)
			return
		}
		text := make([]byte, 4096)
		n, _ := said.Read(text)
		_ = server.Wait() // a client that says nothing is an error to some
		if n > 0 {
			t.Logf("%s: %s", path, text[:n])
		}
	})
}

// root skips a test whose server insists on it.
func root(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the server starts as root only")
	}
}

// freePort is a port of 127.0.0.1 that nobody listens at.
func freePort(t *testing.T) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(listener)
	return portOf(listener.Addr())
}

// await waits until somebody listens at the port.
func await(t *testing.T, port uint16) {
	t.Helper()
	end := time.Now().Add(patient)
	for time.Now().Before(end) {
		conn, err := net.Dial("tcp", netip.AddrPortFrom(loopback, port).String())
		if err == nil {
			closeQuietly(conn)
			return
		}
		time.Sleep(10 * time.Millisecond) // polled, because a server does not say that it listens
	}
	t.Fatalf("nobody listens at port %d", port)
}

// write makes a file in the directory and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readable lets users other than root reach a directory of this test.
func readable(t *testing.T, dir string) {
	t.Helper()
	for _, path := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// wantDaemon checks an open service, whose software holds a text, and whether
// it spoke TLS.
func wantDaemon(t *testing.T, got vitals.Service, software string, secured bool) {
	t.Helper()
	if !got.Open() || got.Reason != "" || !strings.Contains(got.Software, software) || (got.TLS != nil) != secured {
		t.Errorf("got %+v, want an open service, software %q, TLS %t", got, software, secured)
	}
	if got.Connect <= 0 || got.FirstByte <= 0 || got.RTT < got.Connect+got.FirstByte || (got.Handshake > 0) != secured {
		t.Errorf("times %+v", got)
	}
}

func TestOpenSSH(t *testing.T) {
	root(t)
	path, dir := find(t, "sshd"), t.TempDir()
	key := filepath.Join(dir, "key")
	if out, err := exec.CommandContext(t.Context(), find(t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Skip(err)
	}
	port := inetd(t, path, "-i", "-e", "-f", write(t, dir, "config", "HostKey "+key+"\n"))
	wantDaemon(t, askPort(t, "ssh", port, patient), "OpenSSH_", false)
}

func TestExim(t *testing.T) {
	root(t)
	path, dir := find(t, "exim4"), t.TempDir()
	writePEM(t, dir, rsaCertificate(t, 2048, nil))
	config := fmt.Sprintf("primary_hostname = mail.example\nspool_directory = %s\nlog_file_path = syslog\n"+
		"tls_advertise_hosts = *\ntls_certificate = %s/cert.pem\ntls_privatekey = %s/key.pem\n", dir, dir, dir)
	readable(t, dir) // Exim gives up root, and still has to read its files
	file := write(t, dir, "config", config)
	for _, name := range []string{"config", "cert.pem", "key.pem"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	port := inetd(t, path, "-C", file, "-bs")
	for _, name := range []string{"smtp", "submission"} {
		wantDaemon(t, askPort(t, name, port, patient), "Exim 4", true)
	}
	wantState(t, askPort(t, "ftp", port, patient), vitals.ServiceError, "mail server")
}

func TestVsftpd(t *testing.T) {
	root(t)
	path, dir := find(t, "vsftpd"), t.TempDir()
	writePEM(t, dir, rsaCertificate(t, 2048, nil))
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o555); err != nil {
		t.Fatal(err)
	}
	file := write(t, dir, "config", fmt.Sprintf("listen=NO\nanonymous_enable=NO\nlocal_enable=YES\nsecure_chroot_dir=%s\n"+
		"ssl_enable=YES\nrsa_cert_file=%s/cert.pem\nrsa_private_key_file=%s/key.pem\n", empty, dir, dir))
	port := inetd(t, path, file)
	wantDaemon(t, askPort(t, "ftp", port, patient), "vsFTPd 3", true)
	wantState(t, askPort(t, "smtp", port, patient), vitals.ServiceError, "not of SMTP")
}

func TestRedis(t *testing.T) {
	path, dir, port := find(t, "redis-server"), t.TempDir(), freePort(t)
	start(t, nil, nil, path, "--bind", "127.0.0.1", "--port", portName(port), "--dir", dir, "--save", "", "--daemonize", "no")
	await(t, port)
	wantDaemon(t, askPort(t, "redis", port, patient), "redis ", false)
	wantState(t, askPort(t, "memcached", port, patient), vitals.ServiceError, errNotMemcached.Error())
}

func TestRedisWithPassword(t *testing.T) {
	path, dir, port := find(t, "redis-server"), t.TempDir(), freePort(t)
	start(t, nil, nil, path, "--bind", "127.0.0.1", "--port", portName(port), "--dir", dir, "--save", "", "--requirepass", "x")
	await(t, port)
	wantDaemon(t, askPort(t, "redis", port, patient), unknown, false)
}

func TestMemcached(t *testing.T) {
	path, port := find(t, "memcached"), freePort(t)
	start(t, nil, nil, path, "-u", "nobody", "-l", "127.0.0.1", "-p", portName(port), "-U", "0", "-m", "8", "-t", "1")
	await(t, port)
	wantDaemon(t, askPort(t, "memcached", port, patient), "1.", false)
	wantState(t, askPort(t, "redis", port, patient), vitals.ServiceError, errNotRedis.Error())
}

const broker = "mosquitto" //nolint:misspell // it is a name

func TestMosquitto(t *testing.T) {
	path, dir, port := find(t, broker), t.TempDir(), freePort(t)
	file := write(t, dir, "config", fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n", port))
	start(t, nil, nil, path, "-c", file)
	await(t, port)
	wantDaemon(t, askPort(t, "mqtt", port, patient), unknown, false)
}

func TestMosquittoThatRefuses(t *testing.T) {
	path, dir, port := find(t, broker), t.TempDir(), freePort(t)
	file := write(t, dir, "config", fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous false\npersistence false\nuser root\n", port))
	start(t, nil, nil, path, "-c", file)
	await(t, port)
	wantState(t, askPort(t, "mqtt", port, patient), vitals.ServiceOpen, "refuses with code 5")
}

func TestDovecot(t *testing.T) {
	root(t)
	path, dir := find(t, "dovecot"), t.TempDir()
	writePEM(t, dir, rsaCertificate(t, 2048, nil))
	readable(t, dir)
	names := []string{"imap", "imaps", "pop3", "pop3s"}
	ports := make(map[string]uint16)
	var listeners strings.Builder
	for _, name := range names {
		ports[name] = freePort(t)
		secure := "no"
		if strings.HasSuffix(name, "s") {
			secure = "yes"
		}
		fmt.Fprintf(&listeners, "service %s-login {\ninet_listener %s {\naddress = 127.0.0.1\nport = %d\nssl = %s\n}\n}\n",
			strings.TrimSuffix(name, "s"), name, ports[name], secure)
	}
	file := write(t, dir, "dovecot.conf", fmt.Sprintf("base_dir = %s/run\nlog_path = /dev/stderr\nprotocols = imap pop3\nssl = yes\n"+
		"ssl_cert = <%s/cert.pem\nssl_key = <%s/key.pem\nssl_dh =\ndisable_plaintext_auth = yes\n"+
		"passdb {\ndriver = static\nargs = nopassword=y\n}\nuserdb {\ndriver = static\nargs = uid=65534 gid=65534 home=/\n}\n"+
		"default_internal_user = nobody\ndefault_login_user = nobody\ndefault_internal_group = nogroup\n%s", dir, dir, dir, listeners.String()))
	start(t, nil, nil, path, "-F", "-c", file)
	for _, name := range names {
		await(t, ports[name])
		wantDaemon(t, askPort(t, name, ports[name], patient), "Dovecot", true)
	}
}

// TestPostgreSQL runs as another user than root, as the server insists.
func TestPostgreSQL(t *testing.T) {
	root(t)
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		t.Skip("PostgreSQL is not installed: make setup")
	}
	bin := filepath.Dir(found[len(found)-1])
	dir := t.TempDir()
	readable(t, dir)
	writePEM(t, dir, rsaCertificate(t, 2048, nil))
	const nobody = 65534
	for _, name := range []string{"", "cert.pem", "key.pem"} {
		if err := os.Chown(filepath.Join(dir, name), nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	setpriv := find(t, "setpriv")
	as := []string{"--reuid=65534", "--regid=65534", "--clear-groups"}
	data := filepath.Join(dir, "data")
	initdb := append(as, filepath.Join(bin, "initdb"), "-D", data, "-A", "reject", "--no-sync", "-U", "nobody", "--locale=C")
	if out, err := exec.CommandContext(t.Context(), setpriv, initdb...).CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	for _, ssl := range []string{"on", "off"} {
		port := freePort(t)
		t.Run("ssl "+ssl, func(t *testing.T) {
			args := append(as, filepath.Join(bin, "postgres"), "-D", data, "-p", portName(port), "-h", "127.0.0.1", "-k", "",
				"-c", "ssl="+ssl, "-c", "ssl_cert_file="+dir+"/cert.pem", "-c", "ssl_key_file="+dir+"/key.pem")
			start(t, nil, nil, setpriv, args...)
			await(t, port)
			wantDaemon(t, askPort(t, "postgres", port, patient), unknown, ssl == "on")
		})
	}
}
