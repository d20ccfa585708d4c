// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"testing"
)

func TestParseEcho(t *testing.T) {
	tests := []struct {
		name    string
		message []byte
		want    Echo
	}{
		{"request", payload4(t, "ipv4_echo_request"), Echo{TypeEchoRequest, 0, 0xe394, 13538, 1}},
		{"reply", payload4(t, "ipv4_echo_reply"), Echo{TypeEchoReply, 0, 0xeb94, 13538, 1}},
		{"ICMPv6 request", payload6(t, "ipv6_echo_request"), Echo{Type6EchoRequest, 0, 0x5fae, 13539, 1}},
		{"ICMPv6 reply", payload6(t, "ipv6_echo_reply"), Echo{Type6EchoReply, 0, 0x5eae, 13539, 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, payload, ok := ParseEcho(test.message)
			if !ok || got != test.want {
				t.Errorf("ParseEcho = %+v, %v, want %+v", got, ok, test.want)
			}
			if !bytes.Equal(payload, test.message[8:]) {
				t.Errorf("payload = %x, want %x", payload, test.message[8:])
			}
		})
	}
}

func TestParseEchoNeedsEightBytes(t *testing.T) {
	message := payload4(t, "ipv4_echo_reply")
	for n := range 8 {
		if e, payload, ok := ParseEcho(message[:n]); ok || payload != nil || e != (Echo{}) {
			t.Errorf("ParseEcho of %d bytes = %+v, %x, %v, want it refused", n, e, payload, ok)
		}
	}
	if _, payload, ok := ParseEcho(message[:8]); !ok || len(payload) != 0 {
		t.Errorf("ParseEcho of 8 bytes = %x, %v, want an empty payload", payload, ok)
	}
}

func FuzzParseEcho(f *testing.F) {
	for _, b := range captures(f) {
		f.Add(b[20:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		was := bytes.Clone(b)
		e, payload, ok := ParseEcho(b)
		checkUntouched(t, was, b)
		if ok != (len(b) >= 8) {
			t.Fatalf("ParseEcho of %d bytes = %v", len(b), ok)
		}
		if !ok {
			return
		}
		checkWithin(t, "payload", b, payload)
		if out := append(AppendEcho(nil, e), payload...); !bytes.Equal(out, b) {
			t.Fatalf("round trip: %x, want %x", out, b)
		}
	})
}
