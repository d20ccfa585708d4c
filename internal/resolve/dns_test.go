// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"connmonitor/internal/vitals"
)

// What Go's own resolver makes of real answers, so that the fake of the other
// tests does not only imitate what we believe.
func TestOnceWithRealAnswers(t *testing.T) {
	lookup := (&net.Resolver{PreferGo: true, Dial: dialer(serveDNS(t, hosts))}).LookupNetIP
	tests := []struct {
		name   string
		family vitals.Family
		want   netip.Addr
		err    string // a regular expression: the server in it is the machine's
	}{
		{"both.", vitals.FamilyAny, four1, ""},
		{"both.", vitals.Family4, four1, ""},
		{"both.", vitals.Family6, six1, ""},
		{"six.", vitals.FamilyAny, six1, ""},
		{"four.", vitals.FamilyAny, four1, ""},
		{"four.", vitals.Family6, netip.Addr{}, `^"four." has no IPv6 address, only IPv4$`},
		{"six.", vitals.Family4, netip.Addr{}, `^"six." has no IPv4 address, only IPv6$`},
		// Pain 20: a broken AAAA is no harm to IPv4, a broken A no change to IPv6.
		{"no-aaaa.", vitals.FamilyAny, four1, ""},
		{"no-a.", vitals.FamilyAny, netip.Addr{}, `^resolve "no-a.": name server \S+ failed \(server misbehaving\); check it`},
		{"none.", vitals.FamilyAny, netip.Addr{}, `^resolve "none.": no such host; check the spelling$`},
		{"none.", vitals.Family6, netip.Addr{}, `^resolve "none.": no such host; check the spelling$`},
		{"broken.", vitals.FamilyAny, netip.Addr{}, `^resolve "broken.": name server \S+ failed \(server misbehaving\); check it`},
		{"blocked.", vitals.FamilyAny, netip.Addr{}, `^resolve "blocked.": the answer lists only addresses that cannot be probed \(0\.0\.0\.0\)`},
		{"bad name", vitals.FamilyAny, netip.Addr{}, `^resolve "bad name": no such host; check the spelling$`},
		{"192.0.2.1", vitals.FamilyAny, four1, ""},
		{"2001:db8::1", vitals.FamilyAny, six1, ""},
		{"192.0.2.1", vitals.Family6, netip.Addr{}, `^"192.0.2.1" has no IPv6 address, only IPv4$`},
	}
	for _, test := range tests {
		got, err := Once(t.Context(), lookup, test.name, test.family)
		if got != test.want || (err == nil) != (test.err == "") || !regexp.MustCompile(test.err).MatchString(text(err)) {
			t.Errorf("Once(%q, %d) = %v, %v, want %v, %v", test.name, test.family, got, err, test.want, test.err)
		}
	}
}

// A name server that does not run is named, with what to do about it.
func TestOnceWithoutNameServer(t *testing.T) {
	socket, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := socket.LocalAddr().String()
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	lookup := (&net.Resolver{PreferGo: true, Dial: dialer(address)}).LookupNetIP
	_, err = Once(t.Context(), lookup, "name.", vitals.FamilyAny)
	want := regexp.MustCompile(`^resolve "name.": name server \S+ failed \(.*connection refused\); check it`)
	if !want.MatchString(text(err)) {
		t.Errorf("error %v, want a refused connection", err)
	}
}

// dialer reaches one server, whichever is configured in the system.
func dialer(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", address)
	}
}

// answers is what a test's name server says: the data of the records of a name,
// which is without its last dot, and the code of the answer.
type answers func(name string, kind uint16) (data [][]byte, code uint16)

// serveDNS answers questions on a loopback socket until the test ends.
func serveDNS(t *testing.T, say answers) string {
	t.Helper()
	socket, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		query := make([]byte, 1500)
		for {
			n, from, err := socket.ReadFrom(query)
			if err != nil {
				return
			}
			if _, err := socket.WriteTo(reply(query[:n], say), from); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = socket.Close()
		<-ended
	})
	return socket.LocalAddr().String()
}

// The records and codes of RFC 1035 and RFC 3596 that are used here.
const (
	typeA    = 1
	typePTR  = 12
	typeTXT  = 16
	typeAAAA = 28

	codeServFail = 2
	codeNXDomain = 3
)

// reply answers a query.
func reply(query []byte, say answers) []byte {
	var labels []string
	end := 12
	for query[end] != 0 {
		next := end + 1 + int(query[end])
		labels = append(labels, string(query[end+1:next]))
		end = next
	}
	question := query[12 : end+5]
	data, code := say(strings.Join(labels, "."), binary.BigEndian.Uint16(query[end+1:]))

	m := append([]byte(nil), query[:2]...)
	m = binary.BigEndian.AppendUint16(m, 0x8180|code) // a response, recursion desired and available
	m = append(m, 0, 1, 0, byte(len(data)), 0, 0, 0, 0)
	m = append(m, question...)
	for _, d := range data {
		m = append(m, 0xc0, 12)              // the name of the question
		m = append(m, query[end+1:end+5]...) // its type and class
		m = append(m, 0, 0, 0, 60)           // TTL
		m = binary.BigEndian.AppendUint16(m, uint16(len(d)))
		m = append(m, d...)
	}
	return m
}

// hosts answers for names of one label.
func hosts(name string, kind uint16) (data [][]byte, code uint16) {
	zone := map[string]map[uint16]netip.Addr{
		"both":    {typeA: four1, typeAAAA: six1},
		"four":    {typeA: four1},
		"six":     {typeAAAA: six1},
		"no-aaaa": {typeA: four1},
		"no-a":    {typeAAAA: six1},
		"blocked": {typeA: netip.IPv4Unspecified()},
	}
	switch {
	case name == "broken", name == "no-a" && kind == typeA, name == "no-aaaa" && kind == typeAAAA:
		return nil, codeServFail
	case zone[name] == nil:
		return nil, codeNXDomain
	}
	addr, known := zone[name][kind]
	if !known {
		return nil, 0
	}
	return [][]byte{addr.AsSlice()}, 0
}
