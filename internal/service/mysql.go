// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxHandshake is the most bytes of a first packet's payload. A handshake has
// about a hundred, an error message at most 512.
const maxHandshake = 4096

// mysqlError begins a packet that is an error.
const mysqlError = 0xff

// headerSize is the size of a packet's header: 3 bytes of length, 1 of sequence.
const headerSize = 4

var errNotMySQL = errors.New("not a MySQL handshake")

// protocolMySQL is the MySQL client/server protocol, which MariaDB, Percona,
// ProxySQL, TiDB and others speak too.
//
// The server speaks first, and nothing is sent. To the server that is an
// interrupted handshake: it counts in Aborted_connects, is a warning in its error
// log at MariaDB's default verbosity, and, unless the server runs with
// skip-name-resolve or host_cache_size=0, or is asked over 127.0.0.1 or ::1, it
// counts towards max_connect_errors (100): after so many scans in a row without a
// successful login from the same address the server blocks that address, also for
// its other clients, until FLUSH HOSTS. There is no way around it but a login:
// measured against MariaDB 10.11, closing, half-closing, resetting, COM_QUIT, an
// empty packet, a packet out of order and a TLS request all count; only an
// attempt to authenticate, which the server denies, does not. A monitor does not
// try passwords. Who scans MySQL servers sets one of the two variables, raises
// max_connect_errors, or does without the service.
func protocolMySQL() protocol {
	return protocol{name: "mysql", port: 3306, limit: headerSize + maxHandshake, talk: talkMySQL}
}

func talkMySQL(c *conversation) error {
	payload, err := readPacket(c.in)
	if err != nil {
		return err
	}
	version, err := parseHandshake(payload)
	if err != nil {
		return err
	}
	c.got.Software = softwareOf(version)
	if payload[0] == mysqlError {
		c.got.Reason = "refuses with " + strconv.Itoa(int(binary.LittleEndian.Uint16(payload[1:])))
	}
	return nil
}

// readPacket reads the first packet of a conversation:
//
//	0        3   4
//	+--------+---+---------
//	| length |seq| payload     length: 24 bits, little-endian
//	+--------+---+---------
//
// Its sequence number is 0; some servers number an error before the handshake 1.
func readPacket(r io.Reader) ([]byte, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, fmt.Errorf("read packet header: %w", err)
	}
	length := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if length == 0 || length > maxHandshake || header[3] > 1 {
		return nil, errNotMySQL
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(r, payload); err != nil {
		return nil, fmt.Errorf("read packet: %w", err)
	}
	return payload, nil
}

// parseHandshake returns the version in the payload of a server's first packet,
// which is a handshake of protocol version 10 or 9, or an error instead of one
// ("Host is blocked", 1129; "Too many connections", 1040; "Host is not allowed",
// 1130); a server that refuses us does not tell its version, which is "" then.
func parseHandshake(payload []byte) (string, error) {
	if len(payload) == 0 {
		return "", errNotMySQL
	}
	switch body := payload[1:]; payload[0] {
	case 0x0a:
		return parseVersion10(body)
	case 0x09:
		return parseVersion9(body)
	case mysqlError:
		return "", checkError(body)
	}
	return "", errNotMySQL
}

// parseVersion10 reads what follows the protocol version 10:
//
//	version, NUL | thread id (4) | scramble (8) | 0 | capabilities (2) | ...
//
// What follows depends on the capabilities; servers before 4.1 end here.
func parseVersion10(body []byte) (string, error) {
	version, rest, ok := cutVersion(body)
	if !ok || len(rest) < 4+8+1+2 || rest[4+8] != 0 {
		return "", errNotMySQL
	}
	return version, nil
}

// parseVersion9 reads what follows the protocol version 9, of servers before
// 3.21.0:
//
//	version, NUL | thread id (4) | scramble, NUL
func parseVersion9(body []byte) (string, error) {
	version, rest, ok := cutVersion(body)
	if !ok || len(rest) < 4+1 || bytes.IndexByte(rest[4:], 0) != len(rest)-5 {
		return "", errNotMySQL
	}
	return version, nil
}

// cutVersion splits off the version, which ends with a NUL and is not empty.
//
// MariaDB from 10.0 on puts "5.5.5-" before its own version, because old
// replicas could not read a major version of two digits; its clients take it off
// again, and so do we.
func cutVersion(body []byte) (string, []byte, bool) {
	raw, rest, ok := bytes.Cut(body, []byte{0})
	if !ok || len(raw) == 0 {
		return "", nil, false
	}
	version := string(raw)
	if own, ok := strings.CutPrefix(version, "5.5.5-"); ok && own != "" && isDigit(own[0]) {
		version = own
	}
	return version, rest, true
}

// checkError checks what follows the 0xff of an error packet: a code of 2 bytes,
// little-endian, and a message, which may begin with # and an SQL state. Errors
// of servers begin at 1000; 65535 is MariaDB's progress report, which nobody
// sends to a stranger.
func checkError(body []byte) error {
	if len(body) < 2 {
		return errNotMySQL
	}
	if code := binary.LittleEndian.Uint16(body); code < 1000 || code > 9999 {
		return errNotMySQL
	}
	return nil
}
