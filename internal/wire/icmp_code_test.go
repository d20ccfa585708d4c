// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"strings"
	"testing"
)

// TestMark4 holds the letters of traceroute(8) for all codes of destination unreachable: N, H and P for what is
// unreachable, S for a source route that failed, F for fragmentation needed, X for prohibited, V and C for precedence.
func TestMark4(t *testing.T) {
	unreachable := []string{
		"!N", "!H", "!P", "", "!F", "!S", "!N", "!H", "!N", "!X", "!X", "!N", "!H", "!X", "!V", "!C", "!<16>", "!<17>",
	}
	for code, want := range unreachable {
		if got := Mark4(TypeDestinationUnreachable, uint8(code), 0); got != want {
			t.Errorf("code %d is marked %q, want %q", code, got, want)
		}
	}
	tests := []struct {
		name      string
		typ, code uint8
		mtu       int
		want      string
	}{
		{"fragmentation needed", 3, 4, 1400, "!F-1400"},
		{"an MTU where none belongs", 3, 1, 1400, "!H"},
		{"the last code", 3, 255, 0, "!<255>"},
		{"echo reply", 0, 0, 0, ""},
		{"time exceeded", 11, 0, 0, ""},
		{"reassembly time exceeded", 11, 1, 0, "!<11-1>"},
		{"source quench", 4, 0, 0, "!<4-0>"},
		{"parameter problem", 12, 0, 0, "!<12-0>"},
		{"of ICMPv6", 129, 0, 0, "!<129-0>"},
	}
	for _, test := range tests {
		if got := Mark4(test.typ, test.code, test.mtu); got != test.want {
			t.Errorf("%s is marked %q, want %q", test.name, got, test.want)
		}
	}
}

func TestMark6(t *testing.T) {
	for code, want := range []string{"!N", "!X", "!H", "!H", "", "!<5>", "!<6>", "!<7>", "!<8>", "!<9>"} {
		if got := Mark6(Type6DestinationUnreachable, uint8(code), 0); got != want {
			t.Errorf("code %d is marked %q, want %q", code, got, want)
		}
	}
	tests := []struct {
		name      string
		typ, code uint8
		mtu       int
		want      string
	}{
		{"packet too big", 2, 0, 1280, "!F-1280"},
		{"packet too big of nothing", 2, 0, 0, "!F"},
		{"an MTU where none belongs", 1, 0, 1400, "!N"},
		{"echo reply", 129, 0, 0, ""},
		{"time exceeded", 3, 0, 0, ""},
		{"reassembly time exceeded", 3, 1, 0, "!<3-1>"},
		{"next header", 4, 1, 0, "!<4-1>"},
		{"of ICMP", 11, 0, 0, "!<11-0>"},
	}
	for _, test := range tests {
		if got := Mark6(test.typ, test.code, test.mtu); got != test.want {
			t.Errorf("%s is marked %q, want %q", test.name, got, test.want)
		}
	}
}

func TestErrorName(t *testing.T) {
	tests := []struct {
		name      func(typ, code uint8) string
		typ, code uint8
		want      string
	}{
		{ErrorName4, TypeDestinationUnreachable, CodeNetUnreachable, "network unreachable"},
		{ErrorName4, TypeDestinationUnreachable, CodePortUnreachable, "port unreachable"},
		{ErrorName4, TypeDestinationUnreachable, CodeFragmentationNeeded, "fragmentation needed"},
		{ErrorName4, TypeDestinationUnreachable, CodeAdminProhibited, "communication administratively prohibited"},
		{ErrorName4, TypeDestinationUnreachable, CodePrecedenceCutoff, "precedence cutoff in effect"},
		{ErrorName4, TypeDestinationUnreachable, 16, "type 3 code 16"},
		{ErrorName4, TypeSourceQuench, 0, "source quench"},
		{ErrorName4, TypeTimeExceeded, 0, "time to live exceeded in transit"},
		{ErrorName4, TypeTimeExceeded, 1, "fragment reassembly time exceeded"},
		{ErrorName4, TypeParameterProblem, 2, "bad length"},
		{ErrorName4, TypeEchoReply, 0, "type 0 code 0"},
		{ErrorName4, 255, 255, "type 255 code 255"},
		{ErrorName6, Type6DestinationUnreachable, Code6NoRoute, "no route to destination"},
		{ErrorName6, Type6DestinationUnreachable, Code6BeyondScope, "beyond scope of source address"},
		{ErrorName6, Type6DestinationUnreachable, Code6PortUnreachable, "port unreachable"},
		{ErrorName6, Type6DestinationUnreachable, 9, "type 1 code 9"},
		{ErrorName6, Type6PacketTooBig, 0, "packet too big"},
		{ErrorName6, Type6TimeExceeded, 0, "hop limit exceeded in transit"},
		{ErrorName6, Type6ParameterProblem, 1, "unrecognized next header"},
		{ErrorName6, Type6ParameterProblem, 10, "option too big"},
		{ErrorName6, Type6EchoReply, 0, "type 129 code 0"},
	}
	for _, test := range tests {
		if got := test.name(test.typ, test.code); got != test.want {
			t.Errorf("type %d code %d is named %q, want %q", test.typ, test.code, got, test.want)
		}
	}
}

// TestEveryErrorHasNameAndMark goes through all numbers: a name is never empty, a mark is "" or stands behind a bang.
func TestEveryErrorHasNameAndMark(t *testing.T) {
	for number := range 0x10000 {
		typ, code := uint8(number>>8), uint8(number)
		for _, name := range []string{ErrorName4(typ, code), ErrorName6(typ, code)} {
			if name == "" || strings.ToLower(name[:1]) != name[:1] {
				t.Fatalf("type %d code %d is named %q", typ, code, name)
			}
		}
		for _, mark := range []string{Mark4(typ, code, 0), Mark6(typ, code, 0)} {
			if mark != "" && (mark[0] != '!' || len(mark) < 2) {
				t.Fatalf("type %d code %d is marked %q", typ, code, mark)
			}
		}
	}
}
