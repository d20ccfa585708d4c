// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

// Sum adds the big-endian 16-bit words of b to the partial sum initial, in ones' complement (RFC 1071). An odd last byte
// is padded with a zero byte, so only the last piece of a message may have an odd length. The result is not
// complemented and has at most a few carries above its 16 bits: partial sums may be added to each other before [Fold].
func Sum(b []byte, initial uint32) uint32 {
	// Carries of the 32-bit halves gather in the upper half of a 64-bit word, which 16 GiB of input would not fill.
	// Four loads an iteration keep the loop's own cost low.
	sum := uint64(initial)
	for len(b) >= 32 {
		v, w := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
		x, y := binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:])
		sum += v>>32 + v&0xffffffff + w>>32 + w&0xffffffff
		sum += x>>32 + x&0xffffffff + y>>32 + y&0xffffffff
		b = b[32:]
	}
	for len(b) >= 4 {
		sum += uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		sum += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>16 + sum&0xffff
	return uint32(sum>>16 + sum&0xffff)
}

// Fold adds the carries above the lower 16 bits of a partial sum to them until none is left (RFC 1071).
func Fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	return uint16(sum>>16 + sum)
}

// Checksum is the Internet checksum of b (RFC 1071): the complement of its folded sum. With the checksum field zero it
// is the value to put there; over a message that carries its checksum it is zero when the message is intact.
func Checksum(b []byte) uint16 {
	return ^Fold(Sum(b, 0))
}

// Pseudo4 is the partial sum of the IPv4 pseudo header of UDP and TCP (RFC 768, RFC 9293 3.1). Length is that of the
// upper-layer header and its payload in bytes, at most 65535.
func Pseudo4(src, dst [4]byte, proto uint8, length int) uint32 {
	sum := Sum(dst[:], Sum(src[:], 0))
	return sum + uint32(proto) + uint32(uint16(length))
}

// Pseudo6 is the partial sum of the IPv6 pseudo header of UDP, TCP and ICMPv6 (RFC 8200 8.1). Length is that of the
// upper-layer header and its payload in bytes.
func Pseudo6(src, dst [16]byte, proto uint8, length int) uint32 {
	sum := Sum(dst[:], Sum(src[:], 0))
	return sum + uint32(proto) + uint32(length)>>16 + uint32(uint16(length))
}

// Balance is the 16-bit word that, put into a zero word of a message whose other words (the checksum field counted as
// zero) have the partial sum sum, makes want the message's checksum. A Paris traceroute keeps its ICMP checksum, and
// so its path, constant that way while the sequence number varies (Augustin et al., IMC 2006).
//
// Ones' complement has two zeros, and no message with a word other than zero has the checksum 0xffff: asked for that,
// Balance gives the word for 0, which a receiver takes for the same.
func Balance(sum uint32, want uint16) uint16 {
	return Fold(uint32(^want) + uint32(^Fold(sum)))
}

// Adjust is what becomes of the checksum sum when words that it covers, of the partial sum was, are replaced by others of
// the partial sum is, as address translators do (RFC 1624, equation 3). It may be 0, in whose place UDP writes 0xffff.
func Adjust(sum uint16, was, is uint32) uint16 {
	return ^Fold(uint32(^sum) + uint32(^Fold(was)) + uint32(Fold(is)))
}
