// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// firstShown is the port of the first of allShown.
const firstShown = 9000

func nginx() daemon {
	var certificates []shown
	return daemon{
		name: "nginx", program: "nginx", version: "nginx-light",
		serves: []served{
			{service: "http", port: 80, software: "nginx/VERSION", auto: "http"},
			{service: "https", port: 443, software: "nginx/VERSION", secured: true, auto: "https"},
			{service: "https", port: 8443, software: "nginx/VERSION", secured: true, auto: "https"},
		},
		start: func(t *testing.T, r *rack, path string) []string {
			t.Helper()
			dir := r.folder(t)
			var others strings.Builder
			certificates = allShown(t, r.root)
			for i, c := range certificates {
				shelf := t.TempDir()
				writePEM(t, shelf, c.cert)
				fmt.Fprintf(&others, "server { listen %d ssl; ssl_certificate %[2]s/cert.pem; ssl_certificate_key %[2]s/key.pem; return 200; }\n", firstShown+i, shelf)
			}
			file := write(t, dir, "nginx.conf", fmt.Sprintf(`daemon off; pid pid; error_log stderr info; worker_processes 1;
events {}
http { access_log access; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem;
client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
log_format seen '$request_method $request_uri $server_protocol $http_host $http_user_agent auth=$http_authorization'; access_log access seen;
server { listen 80; listen 8443 ssl; return 200; }
server { listen 443 ssl http2; return 200; }
%[2]s}
`, r.dir, others.String()))
			r.start(t, nil, path, "-e", "stderr", "-p", dir, "-c", file)
			return []string{filepath.Join(dir, "access")}
		},
		more: func(t *testing.T, r *rack) {
			t.Helper()
			wantHTTP(map[uint16]string{443: "h2", 8443: "http/1.1"})(t, r)
			for i, c := range certificates {
				wantShown(t, r.ask(t, "https", uint16(firstShown+i)), c)
			}
		},
		seen:  "HEAD / HTTP/2.0 host.example connmonitor auth=-",
		never: "auth=[^-]",
	}
}

func apache() daemon {
	name := "Apache/VERSION (Debian)"
	return daemon{
		name: "apache2", program: "apache2", version: "apache2-bin",
		serves: []served{
			{service: "http", port: 8080, software: name, auto: "http"},
			{service: "https", port: 8444, software: name, secured: true, auto: "https"},
			{service: "https", port: 8445, software: name, secured: true, auto: "https"},
			{service: "https", port: 8446, software: name, secured: true, auto: "https"},
		},
		start: func(t *testing.T, r *rack, path string) []string {
			t.Helper()
			dir := r.folder(t)
			var config strings.Builder
			for _, module := range []string{"mpm_event", "authz_core", "socache_shmcb", "ssl", "http2"} {
				fmt.Fprintf(&config, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", module, module)
			}
			fmt.Fprintf(&config, "ServerRoot %[1]s\nDefaultRuntimeDir %[1]s\nPidFile pid\nErrorLog /dev/stderr\nLogLevel info\nServerName host.example\nServerTokens OS\n"+
				"User nobody\nGroup nogroup\nMutex posixsem\nStartServers 1\nDocumentRoot %[1]s\nLogFormat \"%%r %%{Host}i auth=%%{Authorization}i\" seen\nCustomLog access seen\n"+
				"SSLCertificateFile %[2]s/cert.pem\nSSLCertificateKeyFile %[2]s/key.pem\nListen 8080\n", dir, r.dir)
			for port, protocols := range map[int]string{8444: "h2 http/1.1", 8445: "h2", 8446: "http/1.1"} {
				fmt.Fprintf(&config, "Listen %[1]d https\n<VirtualHost *:%[1]d>\nSSLEngine on\nProtocols %[2]s\n</VirtualHost>\n", port, protocols)
			}
			r.start(t, nil, path, "-DFOREGROUND", "-f", write(t, dir, "config", config.String()))
			return []string{filepath.Join(dir, "access")}
		},
		more:  wantHTTP(map[uint16]string{8444: "h2", 8445: "h2", 8446: "http/1.1"}),
		seen:  "HEAD / HTTP/2.0 host.example auth=-",
		never: "auth=[^-]",
	}
}

// wantHTTP checks what was agreed upon, and what the answer came in.
func wantHTTP(want map[uint16]string) func(t *testing.T, r *rack) {
	versions := map[string]string{"h2": "HTTP/2", "http/1.1": "HTTP/1.1"}
	return func(t *testing.T, r *rack) {
		t.Helper()
		for port, alpn := range want {
			got := r.ask(t, "https", port)
			if got.TLS == nil || got.TLS.ALPN != alpn || got.HTTP != versions[alpn] || got.Code == "" {
				t.Errorf("port %d: got %+v, TLS %+v, want %q", port, got, got.TLS, alpn)
			}
		}
	}
}
