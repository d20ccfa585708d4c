// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendText appends s with everything escaped that is not printable: control
// characters (C0, DEL, C1), what turns the direction of writing, what has no
// width, separators of lines and paragraphs, blanks other than the ASCII one,
// and bytes that are not UTF-8.
//
// A backslash is left alone, so that an ordinary banner looks as its server
// wrote it; a server may therefore write what looks like an escape, which harms
// nobody. JSON records keep the two apart.
func appendText(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := decode(s[i:])
		switch {
		case r < ' ' || r == 0x7f:
			dst = appendHexByte(dst, byte(r))
		case invalid(r, n):
			dst = appendHexByte(dst, s[i])
		case strconv.IsPrint(r):
			dst = append(dst, s[i:i+n]...)
		case r > 0xffff:
			dst = append(dst, `\U`...)
			dst = appendHex(dst, uint32(r), 8)
		default:
			dst = appendUnicode(dst, r)
		}
		i += n
	}
	return dst
}

// appendJSONString appends s as a JSON string (RFC 8259, section 7).
func appendJSONString(dst []byte, s string) []byte {
	return append(appendJSONEscaped(append(dst, '"'), s), '"')
}

// appendJSONEscaped appends the inside of a JSON string. More is escaped than
// RFC 8259 asks for, namely what appendText escapes, because JSON lines are
// looked at on terminals too. A byte that is not UTF-8 becomes the characters
// \xff: no reader of JSON stumbles, and it is still known which byte it was.
func appendJSONEscaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := decode(s[i:])
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case invalid(r, n):
			dst = appendHexByte(append(dst, '\\'), s[i])
		case strconv.IsPrint(r):
			dst = append(dst, s[i:i+n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			dst = appendUnicode(appendUnicode(dst, high), low)
		default:
			dst = appendUnicode(dst, r)
		}
		i += n
	}
	return dst
}

// decode is the first rune of s, which is not empty, and its length in bytes.
func decode(s string) (rune, int) {
	if s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	return utf8.DecodeRuneInString(s)
}

// invalid tells a byte that is not UTF-8 from a U+FFFD that was sent as such.
func invalid(r rune, n int) bool { return r == utf8.RuneError && n == 1 }

// appendHexByte appends \x1b.
func appendHexByte(dst []byte, b byte) []byte {
	return append(dst, '\\', 'x', hexDigits[b>>4], hexDigits[b&15])
}

// appendUnicode appends \u202e.
func appendUnicode(dst []byte, r rune) []byte {
	return appendHex(append(dst, '\\', 'u'), uint32(r), 4)
}

func appendHex(dst []byte, v uint32, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>shift&15])
	}
	return dst
}
