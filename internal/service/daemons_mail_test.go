// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"connmonitor/internal/vitals"
)

func openSSH() daemon {
	return daemon{
		name: "OpenSSH", program: "sshd", version: "openssh-server",
		serves: []served{{service: "ssh", port: 22, software: "OpenSSH_VERSION Debian-REVISION", auto: "ssh"}},
		start: func(t *testing.T, r *rack, path string) []string {
			t.Helper()
			dir := t.TempDir()
			key := filepath.Join(dir, "key")
			if out, err := exec.CommandContext(t.Context(), find(t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
				t.Skip(err)
			}
			config := fmt.Sprintf("HostKey %s\nPidFile none\nLogLevel VERBOSE\n", key)
			return []string{r.start(t, nil, path, "-D", "-e", "-f", write(t, dir, "config", config))}
		},
		seen:  `Connection from 10\.`,
		never: "(?i)userauth|failed|accepted|invalid user|authenticating",
	}
}

func exim() daemon {
	return daemon{
		name: "Exim", program: "exim4", version: "exim4-daemon-light",
		serves: []served{
			{service: "smtp", port: 25, software: "Exim VERSION", secured: true, auto: "smtp"},
			{service: "submission", port: 587, software: "Exim VERSION", secured: true, auto: "smtp"},
			{service: "smtps", port: 465, software: "Exim VERSION", secured: true, auto: "smtps"},
		},
		start: func(t *testing.T, r *rack, path string) []string {
			t.Helper()
			dir := r.folder(t)
			// What it says to a client is in its own log, of its own user.
			config := fmt.Sprintf("primary_hostname = mail.example\nspool_directory = %[1]s\nlog_file_path = %[1]s/%%slog\nlog_selector = +all\n"+
				"daemon_smtp_ports = 25 : 465 : 587\ntls_on_connect_ports = 465\ntls_advertise_hosts = *\ntls_certificate = %[2]s/cert.pem\ntls_privatekey = %[2]s/key.pem\n"+
				"begin authenticators\nplain:\n driver = plaintext\n public_name = PLAIN\n server_prompts = :\n server_condition = false\n server_advertise_condition = true\n", dir, r.dir)
			r.start(t, nil, path, "-C", write(t, dir, "config", config), "-bdf", "-oP", filepath.Join(dir, "pid"))
			return []string{filepath.Join(dir, "mainlog"), filepath.Join(dir, "rejectlog")}
		},
		more: func(t *testing.T, r *rack) {
			t.Helper()
			wantState(t, r.ask(t, "ftp", 25), vitals.ServiceError, "mail server")
		},
		// It lists the commands of a client that sends no mail.
		seen:  `from \[10\..*C=EHLO,STARTTLS,QUIT`,
		never: `C=\S*AUTH|authenticator`,
	}
}

func dovecot() daemon {
	const name = "Dovecot (Debian)"
	return daemon{
		name: "Dovecot", program: "dovecot", version: "dovecot-core",
		serves: []served{
			{service: "imap", port: 143, software: name, secured: true, auto: "imap"},
			{service: "imaps", port: 993, software: name, secured: true, auto: "imaps"},
			{service: "pop3", port: 110, software: name, secured: true, auto: "pop3"},
			{service: "pop3s", port: 995, software: name, secured: true, auto: "pop3s"},
		},
		start: func(t *testing.T, r *rack, path string) []string {
			t.Helper()
			dir := r.folder(t)
			config := fmt.Sprintf("base_dir = %[1]s/run\nlog_path = /dev/stderr\nprotocols = imap pop3\nssl = yes\nauth_verbose = yes\nauth_debug = yes\n"+
				"ssl_cert = <%[2]s/cert.pem\nssl_key = <%[2]s/key.pem\nssl_dh =\ndisable_plaintext_auth = yes\n"+
				"passdb {\ndriver = static\nargs = nopassword=y\n}\nuserdb {\ndriver = static\nargs = uid=65534 gid=65534 home=/\n}\n"+
				"default_internal_user = nobody\ndefault_login_user = nobody\ndefault_internal_group = nogroup\n", dir, r.dir)
			return []string{r.start(t, nil, path, "-F", "-c", write(t, dir, "dovecot.conf", config))}
		},
		seen:  `imap-login: .*\(no auth attempts`,
		never: `\(auth failed|Login: user|passdb|tried to use|client in: AUTH`,
	}
}

func vsftpd() daemon {
	return daemon{
		name: "vsftpd", program: "vsftpd", version: "vsftpd",
		serves: []served{{service: "ftp", port: 21, software: "vsFTPd VERSION", secured: true, auto: "ftp"}},
		start: func(t *testing.T, r *rack, path string) []string {
			t.Helper()
			dir := t.TempDir()
			empty := filepath.Join(dir, "empty")
			if err := os.Mkdir(empty, 0o555); err != nil {
				t.Fatal(err)
			}
			config := fmt.Sprintf("listen=YES\nbackground=NO\nanonymous_enable=NO\nlocal_enable=YES\nsecure_chroot_dir=%s\nxferlog_enable=YES\nlog_ftp_protocol=YES\n"+
				"vsftpd_log_file=%s/log\nssl_enable=YES\nrsa_cert_file=%[3]s/cert.pem\nrsa_private_key_file=%[3]s/key.pem\n", empty, dir, r.dir)
			r.start(t, nil, path, write(t, dir, "config", config))
			return []string{filepath.Join(dir, "log")}
		},
		more: func(t *testing.T, r *rack) {
			t.Helper()
			wantState(t, r.ask(t, "smtp", 21), vitals.ServiceError, "not of SMTP")
		},
		seen:  `FTP command: Client "\S+", "AUTH TLS"`,
		never: `"USER|"PASS|LOGIN`,
	}
}
