// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"strings"
	"testing"

	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// TestLacks: each measurement that the sockets do not allow is named, with what
// would help, and no other.
func TestLacks(t *testing.T) {
	raw := Ability{Ping: true, Trace: true, Info: rawsock.Info{Kind: rawsock.Raw}}
	datagram := Ability{Ping: true, Trace: true, Info: rawsock.Info{Kind: rawsock.Datagram}}
	udp := Ability{Trace: true, Denied: true, Info: rawsock.Info{Kind: rawsock.UDP}}
	all := vitals.Settings{Ping: true, Trace: true, MTU: true}
	tcp := vitals.Settings{Trace: true, Method: vitals.MethodTCP}
	byUDP := vitals.Settings{Trace: true, Method: vitals.MethodUDP}
	for name, test := range map[string]struct {
		can   Ability
		asked vitals.Settings
		want  []string
	}{
		"raw":               {raw, all, nil},
		"raw by TCP":        {raw, tcp, nil},
		"datagram":          {datagram, all, nil},
		"datagram by UDP":   {datagram, byUDP, nil},
		"datagram by TCP":   {datagram, tcp, []string{"traces by TCP are not possible"}},
		"UDP":               {udp, all, []string{"pings are not possible", "the path MTU cannot be found"}},
		"UDP by UDP":        {udp, byUDP, nil},
		"UDP by TCP":        {udp, tcp, []string{"traces by TCP are not possible"}},
		"nothing of either": {udp, vitals.Settings{Scan: true}, nil},
	} {
		lacks := test.can.Lacks(&test.asked)
		if len(lacks) != len(test.want) {
			t.Errorf("%s: %q, want %q", name, lacks, test.want)
			continue
		}
		for i, lack := range lacks {
			if !strings.HasPrefix(lack, test.want[i]) || !strings.Contains(lack, "setcap cap_net_raw+ep") {
				t.Errorf("%s: %q, want %q and what would help", name, lack, test.want[i])
			}
		}
	}
}
