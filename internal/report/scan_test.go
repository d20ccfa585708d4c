// SPDX-License-Identifier: Apache-2.0

package report

import (
	"crypto/sha256"
	"encoding/json"
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
	}}
}

func TestServices(t *testing.T) {
	r := record("a", "192.0.2.1")
	r.Time = time.Unix(1_800_000_000, 0)
	r.Scan = manyServices(r.Time)
	const text = "a (192.0.2.1)\n" +
		"1.500, OpenSSH_9.2\t9.000, 301, nginx\tNone\t2.000, x, ssh\t3.000, y\t2001: 1.000, z, tcp\t3000-3009: None\n"
	if got := string(AppendRecord(nil, with(r, vitals.Bundled, false, false))); got != text {
		t.Errorf("text %q, want %q", got, text)
	}
	const plain = `{"addr":"192.0.2.1","name":"a","scan":{"ssh":{"rtt":1.5,"version":"OpenSSH_9.2"},` +
		`"8443/https":{"rtt":9,"response code":"301","server":"nginx"},"smtp":"None","22":{"rtt":2,"version":"x","service":"ssh"},` +
		`"8110/pop3":{"rtt":3,"version":"y"},"2001":{"rtt":1,"version":"z","service":"tcp"},"3000-3009":"None"}}` + "\n"
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
