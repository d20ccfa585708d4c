// SPDX-License-Identifier: Apache-2.0

package rawsock

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// scmTSOptID is SCM_TS_OPT_ID, Linux 6.13: the number of a message's transmit
// stamp, given with the message.
const scmTSOptID = 81

// stampRing is how many transmit stamps may be outstanding where the kernel
// numbers the messages itself; a power of two.
const stampRing = 1 << 16

const stampFlags = unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_TX_SOFTWARE |
	unix.SOF_TIMESTAMPING_SOFTWARE | unix.SOF_TIMESTAMPING_OPT_TSONLY

// setStamps asks for transmit and receive stamps by the kernel. They are in
// CLOCK_REALTIME. OPT_TSONLY keeps the packet out of the error queue, OPT_ID
// numbers the stamps.
func (s *Socket) setStamps() {
	err := unix.SetsockoptInt(s.out, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, stampFlags|unix.SOF_TIMESTAMPING_OPT_ID)
	if s.out != s.fd && err == nil {
		err = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, stampFlags)
	}
	s.info.Stamps = err == nil
	if s.info.Stamps {
		awaitStamps()
	}
	s.ids = s.info.Stamps && kernelAtLeast(6, 13)
	if !s.ids {
		s.ring = make([]uint32, stampRing)
	}
}

// kernelAtLeast compares the running kernel's release.
func kernelAtLeast(major, minor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var v [2]int
	i := 0
	for _, c := range u.Release {
		switch {
		case c >= '0' && c <= '9':
			v[i] = v[i]*10 + int(c-'0')
			continue
		case c == '.' && i == 0:
			i = 1
			continue
		}
		break
	}
	return v[0] > major || v[0] == major && v[1] >= minor
}

// number remembers the caller's stamp number under the one that the kernel
// will give to the i-th message of the batch that is about to be sent.
func (s *Socket) number(i int, id uint32) {
	s.ring[(s.next+uint32(i))%stampRing] = id
}

// numbered is told how many messages took a number, and whether the one behind
// them was refused. That may have consumed a number all the same (EPERM by a
// firewall and ENOBUFS by a queueing discipline do, ENETUNREACH and EMSGSIZE do
// not; measured), and sendmmsg(2) keeps the reason to itself when some messages
// were sent. Where the kernel counts, numbering starts anew then, or every
// later stamp would be taken for its neighbour's.
func (s *Socket) numbered(sent int, refused bool) {
	if s.ids || !s.info.Stamps {
		return
	}
	s.next += uint32(sent)
	if refused {
		s.renumber()
	}
}

// renumber lets the kernel count from 0 again. The stamps that are there are
// read before, by the old numbers; one that comes later still (of a packet that
// waits in a queueing discipline) may be taken for another's.
func (s *Socket) renumber() {
	for n := Batch; n == Batch; {
		var rs [Batch]Report
		n, _ = s.readReports(rs[:])
		for i := range n {
			rs[i].Data = slices.Clone(rs[i].Data)
		}
		s.early = append(s.early, rs[:n]...)
	}
	_ = unix.SetsockoptInt(s.out, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, stampFlags)
	_ = unix.SetsockoptInt(s.out, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, stampFlags|unix.SOF_TIMESTAMPING_OPT_ID)
	s.next = 0
}

// stampID is the caller's number of a stamp that the kernel numbered n.
func (s *Socket) stampID(n uint32) uint32 {
	if s.ids {
		return n
	}
	return s.ring[n%stampRing]
}

// timespec reads the first of the three timespecs of SCM_TIMESTAMPING, the
// software stamp, as ns since the epoch.
func timespec(b []byte) int64 {
	if len(b) < 16 {
		return 0
	}
	return int64(binary.NativeEndian.Uint64(b))*1e9 + int64(binary.NativeEndian.Uint64(b[8:]))
}
