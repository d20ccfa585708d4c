// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzControls: whatever stands among the control messages of a packet or of
// an entry of the error queue, nothing is read beyond it, and what is found
// was there.
func FuzzControls(f *testing.F) {
	stamp := make([]byte, 16)
	binary.NativeEndian.PutUint64(stamp, 1)
	binary.NativeEndian.PutUint64(stamp[8:], 2)
	add := func(v6 bool, level, typ int32, data []byte) {
		c := make([]byte, cmsgHeader+cmsgAlign(len(data)))
		copy(c[putHeader(c, 0, level, typ, len(data)):], data)
		f.Add(v6, uint16(40), append(c, c...))
		f.Add(v6, uint16(0), c[:len(c)-1])
	}
	add(false, unix.SOL_SOCKET, unix.SCM_TIMESTAMPING, append(stamp, make([]byte, 32)...))
	add(false, unix.SOL_IP, unix.IP_RECVERR, []byte{113, 0, 0, 0, 2, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	add(true, unix.SOL_IPV6, unix.IPV6_RECVERR, append([]byte{113, 0, 0, 0, 3, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 28)...))
	add(true, unix.SOL_IPV6, unix.IPV6_RECVERR, []byte{0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0})
	add(false, unix.SOL_IP, unix.IP_TTL, []byte{64, 0, 0, 0})
	add(true, unix.SOL_IPV6, unix.IPV6_HOPLIMIT, []byte{64, 0, 0, 0})
	add(true, unix.SOL_IPV6, unix.IPV6_PKTINFO, make([]byte, 20))
	sockets := map[bool]*Socket{}
	for _, v6 := range both {
		s := &Socket{opt: Options{IPv6: v6}, info: Info{Stamps: true}}
		countBySelf(s)
		s.recv.prepare(dataRoom, true)
		s.errs.prepare(dataRoom, true)
		sockets[v6] = s
	}
	f.Fuzz(func(t *testing.T, v6 bool, length uint16, c []byte) {
		s := sockets[v6]
		fuzzInto(&s.recv, length, c)
		fuzzInto(&s.errs, length, c)
		var m Message
		s.message(&m, 0)
		if m.Len != int(length) || len(m.Data) != min(int(length), dataRoom) {
			t.Errorf("length %d, %d bytes of %d", m.Len, len(m.Data), length)
		}
		var r Report
		s.report(&r, 0)
		if len(r.Data) != min(int(length), dataRoom) {
			t.Errorf("report %+v", r)
		}
		errs, size := 0, 0
		for c := range s.errs.controls(0) {
			size += cmsgHeader + len(c.data)
			if c.typ == unix.IP_RECVERR || c.typ == unix.IPV6_RECVERR {
				errs++
			}
		}
		if size > min(len(c), reportRoom) {
			t.Errorf("%d bytes of control messages in %d", size, len(c))
		}
		if errs == 0 && (r.Origin != OriginOther || r.ID != 0 || !r.From.IsZero()) {
			t.Errorf("report %+v without an error", r)
		}
	})
}

// fuzzInto makes c the control messages of the first message; the kernel may
// claim a length beyond the buffer (MSG_CTRUNC).
func fuzzInto(b *recvBatch, length uint16, c []byte) {
	clear(b.control[0][:])
	copy(b.control[0][:], c)
	b.msgs[0].n = uint32(length)
	b.msgs[0].hdr.SetControllen(len(c))
}

func FuzzOffender(f *testing.F) {
	f.Add(false, []byte{2, 0, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(true, make([]byte, 28))
	f.Fuzz(func(t *testing.T, v6 bool, d []byte) {
		a := offender(d, v6)
		if short := len(d) < 16 || v6 && len(d) < 28; short && !a.IsZero() {
			t.Errorf("%+v of %d bytes", a, len(d))
		}
		if !v6 && (a.Zone != 0 || [12]byte(a.IP[4:]) != [12]byte{}) {
			t.Errorf("IPv4 address %+v", a)
		}
	})
}
