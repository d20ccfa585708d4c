// SPDX-License-Identifier: Apache-2.0

package service

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The servers of these tests are given sockets that listen already, as systemd
// does: nobody can take their ports, and nobody has to wait until they are
// ready, because connections wait in the queue.

// listening returns a socket that listens at 127.0.0.1, for a child, and its
// port.
func listening(t *testing.T) (*os.File, uint16) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(listener)
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	return file, portOf(listener.Addr())
}

// find is the path of a server's program; without it the test is skipped.
func find(t *testing.T, program string) string {
	t.Helper()
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"} {
		if path := filepath.Join(dir, program); unix.Access(path, unix.X_OK) == nil {
			return path
		}
	}
	t.Skipf("%s is not installed: make setup", program)
	return ""
}

// start runs a server with these sockets as its descriptors from 3 on, until the
// test ends. What it says goes to a file, whose name is returned, and is shown
// when the test has failed.
func start(t *testing.T, sockets []*os.File, env []string, path string, args ...string) string {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	server := exec.CommandContext(t.Context(), path, args...)
	server.Env = append(os.Environ(), env...)
	server.Stdout, server.Stderr = log, log
	server.ExtraFiles = sockets
	server.Cancel = func() error { return server.Process.Signal(unix.SIGTERM) }
	server.WaitDelay = patient // then it is killed
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGTERM}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	for _, socket := range sockets {
		closeQuietly(socket)
	}
	t.Cleanup(func() {
		_ = server.Wait() // the signal is its error
		closeQuietly(log)
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("%s:\n%s", path, said)
		}
	})
	return log.Name()
}

// nginxServers are the servers of the nginx test by name, as the inside of a
// server block. LISTEN stands for the address.
var nginxServers = map[string]string{
	"plain":  "listen LISTEN default_server; return 421;",
	"tls":    "listen LISTEN ssl http2; return 200;",
	"tls10":  `listen LISTEN ssl; ssl_protocols TLSv1; ssl_ciphers "ALL:@SECLEVEL=0"; return 200;`,
	"rsakex": `listen LISTEN ssl; ssl_protocols TLSv1.2; ssl_ciphers AES128-SHA; return 200;`,
	"sha1": `listen LISTEN ssl; ssl_protocols TLSv1.2; ssl_ciphers "ECDHE-RSA-AES128-SHA:@SECLEVEL=0";
		ssl_conf_command SignatureAlgorithms RSA+SHA1; return 200;`,
	"mutual": "listen LISTEN ssl; ssl_client_certificate cert.pem; ssl_verify_client on; return 200;",
	"sni": `listen LISTEN ssl default_server; ssl_reject_handshake on; }
		server { listen LISTEN ssl; server_name www.example.test; return 204;`,
}

// startNginx runs nginx with all of nginxServers and returns their ports.
func startNginx(t *testing.T) map[string]uint16 {
	t.Helper()
	path, dir := find(t, "nginx"), t.TempDir()
	writePEM(t, dir, rsaCertificate(t, 2048, nil))
	ports := make(map[string]uint16)
	var sockets []*os.File
	var inherited, servers strings.Builder
	for name, inside := range nginxServers {
		socket, port := listening(t)
		ports[name] = port
		fmt.Fprintf(&inherited, "%d;", 3+len(sockets))
		sockets = append(sockets, socket)
		fmt.Fprintf(&servers, "server { %s }\n", strings.ReplaceAll(inside, "LISTEN", fmt.Sprintf("127.0.0.1:%d", port)))
	}
	// One more server shares the first one's socket and is told apart by Host.
	fmt.Fprintf(&servers, "server { listen 127.0.0.1:%d; server_name www.example.test; return 204; }\n", ports["plain"])
	config := "daemon off; pid pid; error_log stderr info; worker_processes 1;\n" +
		"events {}\n" +
		"http { access_log off; ssl_certificate cert.pem; ssl_certificate_key key.pem; client_body_temp_path body;\n" +
		"proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n" +
		servers.String() + "}\n"
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, sockets, []string{"NGINX=" + inherited.String()}, path, "-e", "stderr", "-p", dir, "-c", file)
	return ports
}

func writePEM(t *testing.T, dir string, cert tls.Certificate) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var chain []byte
	for _, der := range cert.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	write(t, dir, "cert.pem", string(chain))
	write(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
}

// TestNginx asks a real server in all the ways that the contract's 1.7 names.
func TestNginx(t *testing.T) {
	ports := startNginx(t)
	tests := []struct {
		name, service, server, host string
		code                        string // "" is not open
	}{
		{"http", "http", "plain", "other.example.test", "421"},
		{"TestDefect25 virtual host", "http", "plain", "www.example.test", "204"},
		{"literal", "http", "plain", "127.0.0.1", "421"},
		{"https", "https", "tls", "www.example.test", "200"},
		{"https by literal", "https", "tls", "127.0.0.1", "200"},
		{"TLS 1.0 only", "https", "tls10", "www.example.test", "200"},
		{"RSA key exchange only", "https", "rsakex", "www.example.test", "200"},
		{"SHA-1 signature in TLS 1.2", "https", "sha1", "www.example.test", "200"},
		{"without its client certificate", "https", "mutual", "www.example.test", "400"},
		{"TestDefect23 SNI", "https", "sni", "www.example.test", "204"},
		{"refused by SNI", "https", "sni", "other.example.test", ""},
		{"plain server on 443", "https", "plain", "www.example.test", ""},
		{"TLS server on 80 that says 400", "http", "tls10", "www.example.test", "400"},
		{"mysql", "mysql", "plain", "www.example.test", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			timeout := patient
			if test.service == "mysql" {
				timeout = brief // neither says a word
			}
			request := Request{Name: test.host, Addr: loopback, Timeout: timeout, Services: []string{test.service}}
			got := askAs(t, request, ports[test.server])
			if test.code == "" {
				wantClosed(t, got)
				return
			}
			wantOpen(t, got, test.code, got.Software)
			if !strings.HasPrefix(got.Software, "nginx") {
				t.Errorf("software = %q", got.Software)
			}
		})
	}
}

// startMariaDB runs MariaDB with an empty data directory, no grants and no more
// connections than ten, and returns its port and its version.
func startMariaDB(t *testing.T) (uint16, string) {
	t.Helper()
	path, dir := find(t, "mariadbd"), t.TempDir()
	said, err := exec.CommandContext(t.Context(), path, "--no-defaults", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`Ver (\S+)`).FindSubmatch(said)
	if version == nil {
		t.Fatalf("no version in %q", said)
	}
	args := []string{
		"-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, path,
		"--no-defaults", "--datadir=" + dir, "--socket=socket", "--pid-file=pid", "--skip-grant-tables", "--skip-networking=0",
		"--port=0", "--skip-name-resolve", "--skip-innodb", "--default-storage-engine=MyISAM",
		"--default-tmp-storage-engine=MyISAM", "--max-connections=10",
	}
	if os.Geteuid() == 0 {
		args = append(args, "--user=root") // it refuses to be root otherwise
	}
	socket, port := listening(t)
	start(t, []*os.File{socket}, nil, "/bin/sh", args...)
	return port, string(version[1])
}

// TestMariaDB asks a real server for its version, and again when it has no
// connection left ("Too many connections").
func TestMariaDB(t *testing.T) {
	port, version := startMariaDB(t)
	wantOpen(t, ask(t, "mysql", port, patient), "", version)
	wantClosed(t, ask(t, "https", port, patient))
	got := ask(t, "http", port, brief)
	wantClosed(t, got)

	refused := false
	for range 20 {
		conn, err := net.Dial("tcp", netip.AddrPortFrom(loopback, port).String())
		if err != nil {
			t.Fatal(err)
		}
		defer closeQuietly(conn)
		if err := conn.SetDeadline(time.Now().Add(patient)); err != nil {
			t.Fatal(err)
		}
		var first [headerSize + 1]byte
		if _, err := io.ReadFull(conn, first[:]); err != nil {
			t.Fatal(err)
		}
		if refused = first[headerSize] == 0xff; refused {
			break
		}
	}
	if !refused {
		t.Fatal("the server has no limit of connections")
	}
	wantRefusal(t, ask(t, "mysql", port, patient))
}
