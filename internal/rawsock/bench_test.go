// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"testing"

	"connmonitor/internal/netlab"
)

// BenchmarkEcho is the whole trip of an echo in batches of 64, and both of its
// stamps, by system calls alone: ns for each.
func BenchmarkEcho(b *testing.B) {
	top := netlab.Farm(b)
	for name, o := range map[string]Options{
		"IPv4": {Buffer: 16 << 20},
		"IPv6": {Buffer: 16 << 20, IPv6: true},
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b, top.Client, o)
			ps := make([]Packet, Batch)
			for i := range ps {
				to := top.Host4(i)
				if o.IPv6 {
					to = top.Host6(i)
				}
				ps[i] = probe(b, s, to, uint16(i), 40)
			}
			ms, rs := make([]Message, Batch), make([]Report, Batch)
			b.ReportAllocs()
			b.ResetTimer()
			for left := b.N; left > 0; left -= Batch {
				n := min(left, Batch)
				send(b, s, ps[:n]...)
				for stamps, replies := 0, 0; stamps < n || replies < n; {
					k, err := s.Reports(rs)
					if err != nil {
						b.Fatal(err)
					}
					stamps += k
					if k, err = s.Receive(ms); err != nil {
						b.Fatal(err)
					}
					replies += k
				}
			}
		})
	}
}
