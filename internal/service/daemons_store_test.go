// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"connmonitor/internal/vitals"
)

func mariaDB() daemon {
	const name = "VERSION-MariaDB-REVISION"
	return daemon{
		name: "MariaDB", program: "mariadbd", version: "mariadb-server",
		serves: []served{{service: "mysql", port: 3306, software: name, auto: "mysql"}},
		start: func(t *testing.T, r *rack, path string) []string {
			t.Helper()
			dir := r.folder(t)
			return []string{r.start(t, nil, path, "--no-defaults", "--datadir="+dir, "--socket=socket", "--pid-file=pid", "--skip-grant-tables",
				"--skip-networking=0", "--bind-address=0.0.0.0", "--port=3306", "--skip-name-resolve", "--skip-innodb",
				"--default-storage-engine=MyISAM", "--default-tmp-storage-engine=MyISAM", "--user=root", "--log-warnings=9")}
		},
		seen:  "user: 'unauthenticated' host: '10[.]",
		never: "(?i)access denied",
	}
}

// postgreSQL runs as another user than root, as the server insists.
func postgreSQL() daemon {
	return daemon{
		name: "PostgreSQL", program: "pg_lsclusters", version: "postgresql-common",
		serves: []served{
			{service: "postgres", port: 5432, software: unknown, secured: true, at: "postgres"},
			{service: "postgres", port: 5433, software: unknown},
		},
		start: func(t *testing.T, r *rack, _ string) []string {
			t.Helper()
			found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
			if len(found) == 0 {
				t.Skip("PostgreSQL is not installed: make setup")
			}
			bin, dir := filepath.Dir(found[len(found)-1]), r.folder(t)
			writeAs(t, dir, filepath.Join(r.dir, "key.pem"))
			as := []string{"--reuid=65534", "--regid=65534", "--clear-groups"}
			data := filepath.Join(dir, "on")
			initdb := append(as, filepath.Join(bin, "initdb"), "-D", data, "-A", "reject", "--no-sync", "--no-instructions", "-U", "nobody", "--locale=C")
			for _, words := range [][]string{append([]string{find(t, "setpriv")}, initdb...), {"cp", "-a", data, filepath.Join(dir, "off")}} {
				if out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput(); err != nil {
					t.Fatalf("%s: %v: %s", words[0], err, out)
				}
			}
			var logs []string
			for port, ssl := range map[string]string{"5432": "on", "5433": "off"} {
				args := append(as, filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, ssl), "-p", port, "-h", "0.0.0.0", "-k", "", "-c", "fsync=off",
					"-c", "log_connections=on", "-c", "ssl="+ssl, "-c", "ssl_cert_file="+r.dir+"/cert.pem", "-c", "ssl_key_file="+dir+"/key.pem")
				logs = append(logs, r.start(t, nil, find(t, "setpriv"), args...))
			}
			return logs
		},
		seen:  `connection received: host=10\.`,
		never: "(?i)authentica|authoriz|pg_hba|password",
	}
}

// writeAs copies a key for the user nobody alone.
func writeAs(t *testing.T, dir, key string) {
	t.Helper()
	const nobody = 65534
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
}

func redis() daemon {
	return daemon{
		name: "Redis", program: "redis-server", version: "redis-server",
		serves: []served{
			{service: "redis", port: 6379, software: "redis VERSION", at: "redis"},
			{service: "tls", port: 6380, software: unknown, secured: true, auto: "tls"},
			{service: "redis", port: 6381, software: unknown},
		},
		start: func(t *testing.T, r *rack, path string) []string {
			t.Helper()
			common := []string{"--bind", "0.0.0.0", "--protected-mode", "no", "--dir", t.TempDir(), "--save", "", "--daemonize", "no", "--loglevel", "verbose"}
			return []string{
				r.start(t, nil, path, append(common, "--port", "6379", "--tls-port", "6380", "--tls-cert-file", r.dir+"/cert.pem",
					"--tls-key-file", r.dir+"/key.pem", "--tls-ca-cert-file", r.dir+"/root.pem", "--tls-auth-clients", "no")...),
				r.start(t, nil, path, append(common, "--port", "6381", "--requirepass", "x")...),
			}
		},
		more: func(t *testing.T, r *rack) {
			t.Helper()
			wantState(t, r.ask(t, "memcached", 6379), vitals.ServiceError, errNotMemcached.Error())
			wantState(t, r.askWithin(t, "redis", 6380, brief), vitals.ServiceError, "")
			if said := r.run(t, find(t, "redis-cli"), "-p", "6379", "info", "commandstats"); !strings.Contains(said, "cmdstat_info") || strings.Contains(said, "cmdstat_auth") {
				t.Errorf("its statistics: %s", said)
			}
			if said := r.run(t, find(t, "redis-cli"), "-p", "6381", "--no-auth-warning", "-a", "x", "info", "errorstats"); !strings.Contains(said, "errorstat_NOAUTH") || strings.Contains(said, "WRONGPASS") {
				t.Errorf("its statistics: %s", said)
			}
		},
		seen: `Accepted 10\.`, never: "(?i)auth",
	}
}

func memcached() daemon {
	return daemon{
		name: "memcached", program: "memcached", version: "memcached",
		serves: []served{{service: "memcached", port: 11211, software: "VERSION", at: "memcached"}},
		start: func(t *testing.T, r *rack, path string) []string {
			t.Helper()
			return []string{r.start(t, nil, path, "-u", "nobody", "-l", "0.0.0.0", "-p", "11211", "-U", "0", "-m", "8", "-t", "1", "-vv")}
		},
		more: func(t *testing.T, r *rack) {
			t.Helper()
			wantState(t, r.ask(t, "redis", 11211), vitals.ServiceError, errNotRedis.Error())
		},
		seen: "(?s)<[0-9]+ version.*<[0-9]+ quit", never: "(?i)auth",
	}
}

func rabbitMQ() daemon {
	return daemon{
		name: "RabbitMQ", program: "rabbitmq-server", version: "rabbitmq-server",
		serves: []served{
			{service: "amqp", port: 5672, software: "RabbitMQ VERSION", auto: "amqp"},
			{service: "tls", port: 5671, software: unknown, secured: true, auto: "tls"},
		},
		start: func(t *testing.T, r *rack, _ string) []string {
			t.Helper()
			dir := r.folder(t)
			config := fmt.Sprintf("listeners.tcp.1 = 0.0.0.0:5672\nlisteners.ssl.1 = 0.0.0.0:5671\nssl_options.certfile = %[1]s/cert.pem\nssl_options.keyfile = %[1]s/key.pem\n"+
				"ssl_options.cacertfile = %[1]s/root.pem\nlog.console = true\nlog.console.level = debug\nlog.file = false\n", r.dir)
			// The broker would leave a port mapper behind; it finds this one.
			r.start(t, nil, find(t, "epmd"))
			r.await(t, 4369)
			return []string{r.start(t, []string{
				"RABBITMQ_NODENAME=rack@localhost", "RABBITMQ_BASE=" + dir, "RABBITMQ_MNESIA_BASE=" + dir, "RABBITMQ_LOG_BASE=" + dir, "RABBITMQ_LOGS=-",
				"RABBITMQ_CONFIG_FILE=" + write(t, dir, "rabbitmq.conf", config), "RABBITMQ_ENABLED_PLUGINS_FILE=" + write(t, dir, "plugins", "[].\n"),
				"RABBITMQ_CONF_ENV_FILE=" + write(t, dir, "env", ""), "RABBITMQ_FEATURE_FLAGS_FILE=" + filepath.Join(dir, "flags"), "HOME=" + dir,
			}, "/usr/lib/rabbitmq/bin/rabbitmq-server")}
		},
		seen:  `accepting AMQP connection .*10\.`,
		never: "(?i)authenticat|access_refused",
	}
}

func mqttBroker() daemon {
	return daemon{
		name: broker, program: broker, version: broker,
		serves: []served{
			{service: "mqtt", port: 1883, software: unknown, at: "mqtt"},
			{service: "tls", port: 8883, software: unknown, secured: true, auto: "tls"},
		},
		start: func(t *testing.T, r *rack, path string) []string {
			t.Helper()
			config := fmt.Sprintf("per_listener_settings true\nlog_type all\nlog_dest stderr\nuser root\nlistener 1883\nallow_anonymous true\npersistence false\n"+
				"listener 8883\nallow_anonymous true\npersistence false\ncertfile %[1]s/cert.pem\nkeyfile %[1]s/key.pem\nlistener 1884\nallow_anonymous false\npersistence false\n", r.dir)
			return []string{r.start(t, nil, path, "-c", write(t, t.TempDir(), "config", config))}
		},
		more: func(t *testing.T, r *rack) {
			t.Helper()
			wantState(t, r.ask(t, "mqtt", 1884), vitals.ServiceOpen, "refuses with code 5")
		},
		seen:  `New client connected from 10\.`,
		never: "u'",
	}
}

const broker = "mosquitto" //nolint:misspell // it is a name

func slapd() daemon {
	return daemon{
		name: "OpenLDAP", program: "slapd", version: "slapd",
		serves: []served{
			{service: "ldap", port: 389, software: "OpenLDAP", secured: true, at: "ldap"},
			{service: "ldaps", port: 636, software: "OpenLDAP", secured: true, auto: "tls", at: "ldaps"},
		},
		start: func(t *testing.T, r *rack, path string) []string {
			t.Helper()
			dir := r.folder(t)
			config := fmt.Sprintf("pidfile %s/pid\nTLSCertificateFile %[2]s/cert.pem\nTLSCertificateKeyFile %[2]s/key.pem\n", dir, r.dir)
			return []string{r.start(t, nil, path, "-d", "stats", "-f", write(t, dir, "config", config), "-h", "ldap://0.0.0.0/ ldaps://0.0.0.0/")}
		},
		seen:  `(?s)IP=10\..*SRCH base="" scope=0.*UNBIND`,
		never: ` BIND`,
	}
}

func unbound() daemon {
	return daemon{
		name: "unbound", program: "unbound", version: "unbound",
		serves: []served{
			{service: "dns", port: 53, software: "unbound VERSION"},
			{service: "dns-tcp", port: 53, software: "unbound VERSION", at: "dns-tcp"},
		},
		start: func(t *testing.T, r *rack, path string) []string {
			t.Helper()
			dir := t.TempDir()
			config := fmt.Sprintf("server:\n interface: 0.0.0.0\n access-control: 10.0.0.0/8 allow\n username: \"\"\n chroot: \"\"\n directory: %q\n pidfile: %q\n"+
				" use-syslog: no\n do-daemonize: no\n logfile: \"\"\n log-queries: yes\n", dir, filepath.Join(dir, "pid"))
			return []string{r.start(t, nil, path, "-d", "-c", write(t, dir, "config", config))}
		},
		seen: `10\.\S+ version\.bind\. TXT CH`,
	}
}

func chrony() daemon {
	return daemon{
		name: "chrony", program: "chronyd", version: "chrony",
		serves: []served{{service: "ntp", port: 123, software: unknown}},
		start: func(t *testing.T, r *rack, path string) []string {
			t.Helper()
			dir := t.TempDir()
			config := fmt.Sprintf("allow all\nlocal stratum 10\ncmdport 0\nbindcmdaddress /\npidfile %s/pid\nuser root\n", dir)
			return []string{r.start(t, nil, path, "-d", "-x", "-f", write(t, dir, "config", config))}
		},
		seen: "chronyd version",
	}
}
