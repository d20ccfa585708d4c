// SPDX-License-Identifier: Apache-2.0

package report

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// manyServices is a scan with a service of each kind.
func manyServices(now time.Time) *vitals.Scan {
	return &vitals.Scan{Services: []vitals.Service{
		{Name: "ssh", Protocol: "ssh", State: vitals.ServiceOpen, RTT: ms(1.5), Connect: ms(0.5), FirstByte: ms(1), Software: "OpenSSH_9.2"},
		{
			Name: "8443/https", Protocol: "https", State: vitals.ServiceOpen, RTT: ms(9), Connect: ms(1), Handshake: ms(5), FirstByte: ms(3),
			Code: "301", Software: "nginx", Redirect: "https://a/", HTTP: "HTTP/1.1",
			TLS: &vitals.TLS{
				Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", ALPN: "http/1.1", Problem: "self-signed",
				Certificate: vitals.Certificate{
					Fingerprint: sha256.Sum256([]byte("a")), Subject: "CN=a", Names: []string{"a", "b"},
					Issuer: "CN=c", Expires: now.Add(36 * time.Hour),
				},
			},
		},
		{Name: "smtp", Protocol: "smtp", State: vitals.ServiceFiltered, Reason: "no answer in time"},
		{Name: "22", Protocol: "ssh", State: vitals.ServiceOpen, RTT: ms(2), Software: "x"},
		{Name: "8110/pop3", Protocol: "pop3", State: vitals.ServiceOpen, RTT: ms(3), Software: "y"},
		{Name: "2001", Ranged: true, Protocol: "tcp", State: vitals.ServiceOpen, RTT: ms(1), Software: "z"},
		{Name: "3000-3009", Ranged: true, State: vitals.ServiceClosed, Reason: "10 closed"},
		{Name: "1-999", Ranged: true, State: vitals.ServiceOpen, Software: "3 more ports are open"},
	}}
}

func TestServices(t *testing.T) {
	r := record("a", "192.0.2.1")
	r.Time = time.Unix(1_800_000_000, 0)
	r.Scan = manyServices(r.Time)
	const text = "a (192.0.2.1)\n" +
		"1.500, OpenSSH_9.2\t9.000, 301, nginx\tNone\t2.000, x, ssh\t3.000, y\t2001: 1.000, z, tcp\t3000-3009: None\t1-999: 3 more ports are open\n"
	if got := string(AppendRecord(nil, with(r, vitals.Bundled, false, false))); got != text {
		t.Errorf("text %q, want %q", got, text)
	}
	const plain = `{"addr":"192.0.2.1","name":"a","scan":{"ssh":{"rtt":1.5,"version":"OpenSSH_9.2"},` +
		`"8443/https":{"rtt":9,"response code":"301","server":"nginx"},"smtp":"None","22":{"rtt":2,"version":"x","service":"ssh"},` +
		`"8110/pop3":{"rtt":3,"version":"y"},"2001":{"rtt":1,"version":"z","service":"tcp"},"3000-3009":"None","1-999":{"version":"3 more ports are open"}}}` + "\n"
	if got := string(AppendRecord(nil, with(r, vitals.Bundled, true, false))); got != plain {
		t.Errorf("JSON %s, want %s", got, plain)
	}
}

func TestServiceDetails(t *testing.T) {
	r := record("a", "192.0.2.1")
	r.Time = time.Unix(1_800_000_000, 0)
	r.Scan = manyServices(r.Time)
	r.Lookup = ms(0.25)
	detailed := with(r, vitals.Bundled, true, false)
	detailed.Target.Details = true
	var got struct{ Scan map[string]json.RawMessage }
	if err := json.Unmarshal(AppendRecord(nil, detailed), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ssh": `{"rtt":1.5,"version":"OpenSSH_9.2","state":"open","service":"ssh","lookup":0.25,"connect":0.5,"first byte":1}`,
		"8443/https": `{"rtt":9,"response code":"301","server":"nginx","state":"open","service":"https","lookup":0.25,"connect":1,"handshake":5,"first byte":3,` +
			`"protocol":"HTTP/1.1","redirect":"https://a/","tls":{"version":"TLS 1.3","cipher":"TLS_AES_128_GCM_SHA256","alpn":"http/1.1",` +
			`"subject":"CN=a","names":["a","b"],"issuer":"CN=c","sha256":"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb","days":1,"verified":false,"problem":"self-signed"}}`,
		"1-999":     `{"version":"3 more ports are open","state":"open","lookup":0.25}`,
		"3000-3009": `{"state":"closed","reason":"10 closed","lookup":0.25}`,
		"smtp":      `{"state":"filtered","reason":"no answer in time","service":"smtp","lookup":0.25}`,
	} {
		if string(got.Scan[name]) != want {
			t.Errorf("%s is %s, want %s", name, got.Scan[name], want)
		}
	}
}

func TestDaysUntil(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for seconds, want := range map[int64]int64{0: 0, 86399: 0, 86400: 1, -1: -1, -86400: -1, -86401: -2} {
		if got := daysUntil(now.Add(time.Duration(seconds)*time.Second), now); got != want {
			t.Errorf("%d s are %d days, want %d", seconds, got, want)
		}
	}
}

// documentedScan is the example of connvitals(1).
func documentedScan() vitals.Record {
	r := record("www.example.com", "203.0.113.9")
	r.Time, r.Lookup = time.Unix(1_800_000_000, 0), ms(0.8)
	r.Scan = &vitals.Scan{Services: []vitals.Service{
		{Name: "ssh", Protocol: "ssh", State: vitals.ServiceOpen, RTT: ms(25.5), Connect: ms(12.25), FirstByte: ms(13.125), Software: "OpenSSH_9.2"},
		{
			Name: "8443/https", Protocol: "https", State: vitals.ServiceOpen, RTT: ms(50.5), Connect: ms(12.5), Handshake: ms(25), FirstByte: ms(12.75),
			Code: "301", Software: "nginx", Redirect: "https://example.com/", HTTP: "HTTP/1.1",
			TLS: &vitals.TLS{
				Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", ALPN: "http/1.1", Problem: "for another name",
				Certificate: vitals.Certificate{
					Fingerprint: sha256.Sum256([]byte("a")), Subject: "CN=example.net", Names: []string{"example.net"},
					Issuer: "CN=Example CA", Expires: r.Time.Add(36 * time.Hour),
				},
			},
		},
		{Name: "443", Protocol: "https", State: vitals.ServiceOpen, RTT: ms(50), Connect: ms(12.5), FirstByte: ms(12), Code: "200", Software: "nginx"},
		{Name: "imap", Protocol: "imap", State: vitals.ServiceFiltered, Reason: "no answer in time"},
		{Name: "2000-2010", Ranged: true, State: vitals.ServiceClosed, Reason: "11 closed"},
	}}
	return r
}

func TestManPageShowsServices(t *testing.T) {
	table := AppendTable(nil, with(documentedScan(), vitals.Bundled, false, false))
	if got := shown(t, pageOfConnvitals, "services"); got != string(table) {
		t.Errorf("%s shows\n%swant\n%s", pageOfConnvitals, got, table)
	}
}

// TestServiceTableCannotBeForged has servers whose words would make a row.
func TestServiceTableCannotBeForged(t *testing.T) {
	r := documentedScan()
	for i := range r.Scan.Services {
		s := &r.Scan.Services[i]
		s.Software, s.Redirect, s.Reason = hostile, hostile, hostile
		if s.TLS != nil {
			s.TLS.Subject, s.TLS.Issuer, s.TLS.Names, s.TLS.ALPN, s.TLS.Problem = hostile, hostile, []string{hostile}, hostile, hostile
		}
	}
	got := AppendTable(nil, with(r, vitals.Bundled, false, false))
	checkPrintable(t, got, "\n")
	rows := 0
	for line := range strings.Lines(string(got)) {
		if line[0] != ' ' {
			rows++
		}
	}
	if want := 2 + len(r.Scan.Services); rows != want {
		t.Errorf("%d rows, want %d:\n%s", rows, want, got)
	}
}

func TestExpiryText(t *testing.T) {
	for days, want := range map[int64]string{
		0: "expires in 0 days", 1: "expires in 1 day", 90: "expires in 90 days", -1: "expired 1 day ago", -2: "expired 2 days ago",
	} {
		if got := expiryText(days); got != want {
			t.Errorf("%d: %s", days, got)
		}
	}
}
