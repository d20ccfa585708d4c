// SPDX-License-Identifier: Apache-2.0

package service

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"connmonitor/internal/vitals"
)

// open is a service that answers.
func open(name, protocol, software string) vitals.Service {
	return vitals.Service{Name: name, Protocol: protocol, Software: software, State: vitals.ServiceOpen}
}

// withTLS is a service with the certificate that a letter stands for.
func withTLS(s vitals.Service, letter string) vitals.Service {
	s.TLS = &vitals.TLS{Certificate: certificateOf(letter)}
	return s
}

func certificateOf(letter string) vitals.Certificate {
	return vitals.Certificate{
		Fingerprint: sha256.Sum256([]byte(letter)), Subject: letter, Names: []string{letter}, Expires: time.Unix(int64(letter[0]), 0),
	}
}

func because(s vitals.Service, reason string) vitals.Service {
	s.Reason = reason
	return s
}

// inState is the service x in a state in which it tells nothing.
func inState(state vitals.ServiceState) vitals.Service {
	return vitals.Service{Name: "x", Protocol: "https", State: state, Reason: "why"}
}

// told writes changes for a comparison.
func told(changes []vitals.ServiceChange) string {
	var lines []string
	for i := range changes {
		c := &changes[i]
		var what []string
		for _, part := range []struct {
			changed bool
			text    string
		}{
			{c.State, fmt.Sprintf("%s>%s", c.Before.State, c.After.State)},
			{c.Identity, fmt.Sprintf("%s %s>%s %s", c.Before.Protocol, c.Before.Software, c.After.Protocol, c.After.Software)},
			{c.Certificate, fmt.Sprintf("cert %s>%s", c.Before.Certificate.Subject, c.After.Certificate.Subject)},
		} {
			if part.changed {
				what = append(what, part.text)
			}
		}
		lines = append(lines, c.Name+": "+strings.Join(what, ", "))
	}
	return strings.Join(lines, "; ")
}

// TestMemory plays scans of one service, one after the other: want is what is
// told of each but the first.
func TestMemory(t *testing.T) {
	a, b := open("x", "https", "a"), open("x", "https", "b")
	tests := []struct {
		name  string
		scans []vitals.Service
		want  []string
	}{
		{"nothing", []vitals.Service{a, a, a}, []string{"", ""}},
		{"times and codes do not count", []vitals.Service{a, {Name: "x", Protocol: "https", Software: "a", State: vitals.ServiceOpen, Code: "503", RTT: 1}}, []string{""}},
		{"software", []vitals.Service{a, b, b}, []string{"x: https a>https b", ""}},
		{"protocol", []vitals.Service{a, open("x", "tls", "a")}, []string{"x: https a>tls a"}},
		{
			"states",
			[]vitals.Service{a, inState(vitals.ServiceClosed), inState(vitals.ServiceFiltered), a, inState(vitals.ServiceError)},
			[]string{"x: open>closed", "x: closed>filtered", "x: filtered>open", "x: open>error"},
		},
		{"it comes back as another", []vitals.Service{a, inState(vitals.ServiceClosed), b}, []string{"x: open>closed", "x: closed>open, https a>https b"}},
		{"first open later", []vitals.Service{inState(vitals.ServiceClosed), withTLS(a, "k"), a}, []string{"x: closed>open", "x: cert k>"}},
		{"certificate", []vitals.Service{withTLS(a, "k"), withTLS(a, "k"), withTLS(a, "l")}, []string{"", "x: cert k>l"}},
		{"a first certificate", []vitals.Service{a, withTLS(a, "k")}, []string{"x: cert >k"}},
		{
			"TLS that fails for once",
			[]vitals.Service{withTLS(a, "k"), because(a, "no TLS"), withTLS(a, "k")},
			[]string{"", ""},
		},
		{
			"a server that refuses to say",
			[]vitals.Service{a, because(open("x", "https", unknown), "refuses"), a, open("x", "https", unknown)},
			[]string{"", "", "x: https a>https Unknown"},
		},
		{
			"a certificate while it is an error",
			[]vitals.Service{withTLS(a, "k"), withTLS(inState(vitals.ServiceError), "l"), withTLS(a, "l")},
			[]string{"x: open>error, cert k>l", "x: error>open"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var m Memory
			for i, s := range test.scans {
				scan := &vitals.Scan{Services: []vitals.Service{s, open("y", "ssh", "z")}}
				m.Record(scan)
				want := ""
				if i > 0 {
					want = test.want[i-1]
				}
				if got := told(scan.Changes); got != want {
					t.Errorf("scan %d: %q, want %q", i, got, want)
				}
			}
		})
	}
}

// TestMemorySeesTheChain: another certificate of the chain, which expires sooner,
// is a change although the server's own is the same.
func TestMemorySeesTheChain(t *testing.T) {
	var m Memory
	s := withTLS(open("x", "https", "a"), "k")
	m.Record(&vitals.Scan{Services: []vitals.Service{s}})
	s = withTLS(s, "k")
	s.TLS.Expires = s.TLS.Expires.Add(-time.Hour)
	scan := &vitals.Scan{Services: []vitals.Service{s}}
	m.Record(scan)
	if told(scan.Changes) != "x: cert k>k" || scan.Changes[0].After.Certificate.Expires != s.TLS.Expires {
		t.Errorf("changes %+v", scan.Changes)
	}
}

// ports makes the scan of a range from port 10 on, a letter a port: o is open, c
// closed, f filtered.
func ports(letters string) *vitals.Scan {
	r := vitals.PortRange{Name: fmt.Sprintf("10-%d", 9+len(letters)), First: 10}
	scan := &vitals.Scan{}
	for i, letter := range letters {
		state := map[rune]vitals.ServiceState{'c': vitals.ServiceClosed, 'f': vitals.ServiceFiltered, 'o': vitals.ServiceOpen}[letter]
		r.States = append(r.States, state)
		if state == vitals.ServiceOpen {
			s := open(portName(r.First+uint16(i)), "ssh", "z")
			s.Ranged = true
			scan.Services = append(scan.Services, s)
		}
	}
	scan.Services = appendRest(scan.Services, &r, len(scan.Services))
	scan.Ranges = []vitals.PortRange{r}
	return scan
}

func TestMemoryOfRanges(t *testing.T) {
	var m Memory
	for _, step := range []struct{ ports, want string }{
		{"ccfo", ""},
		{"ccfo", ""},
		{"ocfo", "10: closed>open"},
		{"fcoo", "12: filtered>open; 10: open>filtered"},
		{"cfoo", ""}, // what is not open has not closed
		{"cfcf", "12: open>closed; 13: open>filtered"},
		{"ffff", ""},
		{"fffo", "13: filtered>open"},
	} {
		scan := ports(step.ports)
		m.Record(scan)
		if got := told(scan.Changes); got != step.want {
			t.Errorf("%s: %q, want %q", step.ports, got, step.want)
		}
	}
}

// TestMemoryOfRangesIsBounded: a host that takes every connection, and then none.
func TestMemoryOfRangesIsBounded(t *testing.T) {
	const many = 3 * maxShown
	closed, all := strings.Repeat("c", many), strings.Repeat("o", many)
	var m Memory
	for i, letters := range []string{closed, all, closed} {
		scan := ports(letters)
		m.Record(scan)
		want := vitals.MaxChanges
		if i == 0 {
			want = 0
		}
		if len(scan.Changes) != want {
			t.Errorf("scan %d: %d changes, want %d", i, len(scan.Changes), want)
		}
	}
}

// TestMemoryOfWhatIsNotShown: a port that was open before it was told what it is
// has not opened.
func TestMemoryOfWhatIsNotShown(t *testing.T) {
	var m Memory
	first := ports("ooo")
	first.Services = first.Services[:2]
	m.Record(first)
	second := ports("ooo")
	m.Record(second)
	if second.Changes != nil {
		t.Errorf("changes %+v", second.Changes)
	}
}

func TestAppendRest(t *testing.T) {
	for letters, want := range map[string]vitals.Service{
		"ccf": {Name: "10-12", Ranged: true, State: vitals.ServiceClosed, Reason: "2 closed, 1 filtered"},
		"cf":  {Name: "10-11", Ranged: true, State: vitals.ServiceClosed, Reason: "1 closed, 1 filtered"},
		"ff":  {Name: "10-11", Ranged: true, State: vitals.ServiceFiltered, Reason: "2 filtered"},
		"f":   {Name: "10-10", Ranged: true, State: vitals.ServiceFiltered, Reason: "1 filtered"},
	} {
		if got := ports(letters).Services; !reflect.DeepEqual(got, []vitals.Service{want}) {
			t.Errorf("%s: %+v, want %+v", letters, got, want)
		}
	}
	r := ports("ooo").Ranges[0]
	got := appendRest(nil, &r, 1)
	if want := (vitals.Service{Name: "10-12", Ranged: true, State: vitals.ServiceOpen, Software: "2 more ports are open"}); !reflect.DeepEqual(got, []vitals.Service{want}) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
