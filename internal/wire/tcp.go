// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

const tcpHeaderLen = 20

// The control bits of a TCP header that a prober sends or understands (RFC 9293 3.1).
const (
	FlagFIN uint8 = 1 << iota
	FlagSYN
	FlagRST
	FlagPSH
	FlagACK
)

// The window and options of our SYN are those of Windows', but for the maximum segment size: maximum segment size
// (RFC 9293 3.7.1), no operation, window scale 8 (RFC 7323 2), twice no operation, SACK permitted (RFC 2018 2). Every
// firewall has seen it from clients, where some drop a SYN without options for a scanner's. Time stamps are left out:
// nobody would read them.
const (
	synWindow     = 64240
	synHeaderLen  = tcpHeaderLen + 12
	synOptionMSS  = 0x02040000
	synOptionRest = 0x0103030801010402
)

// TCP is a TCP header without its options.
type TCP struct {
	SrcPort, DstPort uint16
	// Seq is the sequence number, Ack the acknowledgment number, which means something with FlagACK only.
	Seq, Ack uint32
	// HeaderLen is the length in bytes with options, 20 to 60. [AppendTCP] writes no options and ignores it.
	HeaderLen int
	// Flags are the control bits CWR to FIN.
	Flags            uint8
	Window, Checksum uint16
}

// ParseTCP parses the TCP header at the start of b (RFC 9293 3.1):
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|          Source Port          |       Destination Port        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                        Sequence Number                        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                    Acknowledgment Number                      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Data |       |C|E|U|A|P|R|S|F|                               |
//	| Offset| Rsrvd |W|C|R|C|S|S|Y|I|            Window             |
//	|       |       |R|E|G|K|H|T|N|N|                               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|           Checksum            |         Urgent Pointer        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                           [Options]                           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// The payload is what follows the options. Ok is false when b is too short for the header with its options, or the data
// offset is below 5. The 8 bytes that an ICMP error is sure to quote are for [ParseQuoted4] and [ParseQuoted6].
func ParseTCP(b []byte) (t TCP, payload []byte, ok bool) {
	if len(b) < tcpHeaderLen {
		return TCP{}, nil, false
	}
	headerLen := int(b[12]>>4) * 4
	if headerLen < tcpHeaderLen || headerLen > len(b) {
		return TCP{}, nil, false
	}
	t = TCP{
		SrcPort:   binary.BigEndian.Uint16(b),
		DstPort:   binary.BigEndian.Uint16(b[2:]),
		Seq:       binary.BigEndian.Uint32(b[4:]),
		Ack:       binary.BigEndian.Uint32(b[8:]),
		HeaderLen: headerLen,
		Flags:     b[13],
		Window:    binary.BigEndian.Uint16(b[14:]),
		Checksum:  binary.BigEndian.Uint16(b[16:]),
	}
	return t, b[headerLen:], true
}

// AnsweredSYN is the sequence number of the SYN that t answers: a SYN-ACK accepts it, an RST with an acknowledgment
// refuses it, and both acknowledge the number after it (RFC 9293 3.5, 3.5.2). Ok is false for other segments. Among them
// is the ACK by which a peer that has a connection half open, begun by an earlier SYN from the same port, answers a
// second one (RFC 9293 3.10.7.4): it acknowledges the earlier SYN and so does not say which one it answers.
func (t TCP) AnsweredSYN() (seq uint32, ok bool) {
	if t.Flags&FlagACK == 0 || t.Flags&(FlagSYN|FlagRST) == 0 {
		return 0, false
	}
	return t.Ack - 1, true
}

// AppendTCP appends t as 20 bytes without options to dst, with the checksum as t has it and no urgent pointer (the
// layout is at [ParseTCP]).
func AppendTCP(dst []byte, t TCP) []byte {
	return appendTCP(dst, t, tcpHeaderLen)
}

// AppendSYN appends a SYN of 32 bytes to dst, with options as clients send them and the checksum zero. Mss is the
// largest segment that may be received, in bytes: the MTU less 40 in IPv4 and less 60 in IPv6.
func AppendSYN(dst []byte, srcPort, dstPort uint16, seq uint32, mss uint16) []byte {
	t := TCP{SrcPort: srcPort, DstPort: dstPort, Seq: seq, Flags: FlagSYN, Window: synWindow}
	dst = appendTCP(dst, t, synHeaderLen)
	dst = binary.BigEndian.AppendUint32(dst, synOptionMSS|uint32(mss))
	return binary.BigEndian.AppendUint64(dst, synOptionRest)
}

// AppendRST appends the reset of 20 bytes that answers synAck to dst, with the checksum zero, so that the peer does not
// keep a half-open connection: its sequence number is the one that synAck acknowledges (RFC 9293 3.5.2).
func AppendRST(dst []byte, synAck TCP) []byte {
	return AppendTCP(dst, TCP{SrcPort: synAck.DstPort, DstPort: synAck.SrcPort, Seq: synAck.Ack, Flags: FlagRST})
}

func appendTCP(dst []byte, t TCP, headerLen uint8) []byte {
	dst = binary.BigEndian.AppendUint16(dst, t.SrcPort)
	dst = binary.BigEndian.AppendUint16(dst, t.DstPort)
	dst = binary.BigEndian.AppendUint32(dst, t.Seq)
	dst = binary.BigEndian.AppendUint32(dst, t.Ack)
	dst = append(dst, headerLen/4<<4, t.Flags)
	dst = binary.BigEndian.AppendUint16(dst, t.Window)
	dst = binary.BigEndian.AppendUint16(dst, t.Checksum)
	return append(dst, 0, 0)
}

// TCPChecksum4 is the checksum of the TCP segment b, header and payload, with its checksum field zero (RFC 9293 3.1).
// Over a segment that carries its checksum it is 0 when the segment is intact.
func TCPChecksum4(src, dst [4]byte, b []byte) uint16 {
	return ^Fold(Sum(b, Pseudo4(src, dst, ProtoTCP, len(b))))
}

// TCPChecksum6 is [TCPChecksum4] over IPv6 (RFC 8200 8.1).
func TCPChecksum6(src, dst [16]byte, b []byte) uint16 {
	return ^Fold(Sum(b, Pseudo6(src, dst, ProtoTCP, len(b))))
}
