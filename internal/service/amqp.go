// SPDX-License-Identifier: Apache-2.0

package service

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// amqpHeader asks for AMQP 0-9-1 (its section 4.2.2).
const amqpHeader = "AMQP\x00\x00\x09\x01"

// maxFrame is the most bytes of the first frame; RabbitMQ's has about 500.
const maxFrame = 16 << 10

var errNotAMQP = errors.New("no answer of AMQP")

// protocolAMQP is AMQP 0-9-1, and what brokers of other versions answer to it.
func protocolAMQP() protocol {
	return protocol{name: "amqp", port: 5672, limit: 2 * maxFrame, talk: talkAMQP}
}

// talkAMQP reads Connection.Start, or the header of the version that the broker
// wants instead.
//
//	+------+---------+--------+-------+--------+-----+-----+-------------------+
//	| 1    | channel | size   | class | method | 0   | 9   | server properties |
//	| (1)  | 0 (2)   | (4)    | 10(2) | 10 (2) | (1) | (1) | (4 + length)      |
//	+------+---------+--------+-------+--------+-----+-----+-------------------+
func talkAMQP(c *conversation) error {
	if err := c.send(amqpHeader); err != nil {
		return err
	}
	header, err := c.readFull(7)
	if err != nil {
		return err
	}
	if strings.HasPrefix(string(header), "AMQP") {
		return c.otherAMQP(header)
	}
	size := binary.BigEndian.Uint32(header[3:])
	if string(header[:3]) != "\x01\x00\x00" || size < 10 || size > maxFrame {
		return errNotAMQP
	}
	frame, err := c.readFull(int(size))
	if err != nil {
		return err
	}
	if string(frame[:5]) != "\x00\x0a\x00\x0a\x00" {
		return errNotAMQP
	}
	c.got.Software = softwareOf(amqpSoftware(frame[6:]))
	return nil
}

// otherAMQP reads the rest of a header: AMQP, id, major, minor, revision.
func (c *conversation) otherAMQP(header []byte) error {
	last, err := c.readFull(1)
	if err != nil {
		return err
	}
	c.got.Software = unknown
	c.got.Reason = fmt.Sprintf("speaks version %d.%d.%d", header[5], header[6], last[0])
	return nil
}

// amqpSoftware is product and version of the server's properties: a table of
// names (shortstr) and values, of which those before the two are strings ('S'),
// booleans ('t') or tables ('F').
func amqpSoftware(b []byte) string {
	table, _, ok := cutLong(b)
	var product, version string
	for ok && len(table) > 1 {
		length := int(table[0])
		if len(table) < 1+length+1 {
			break
		}
		name, kind := string(table[1:1+length]), table[1+length]
		var value []byte
		if value, table, ok = cutValue(kind, table[2+length:]); !ok {
			break
		}
		switch {
		case kind == 'S' && name == "product":
			product = string(value)
		case kind == 'S' && name == "version":
			version = string(value)
		}
	}
	return strings.TrimSpace(product + " " + version)
}

// cutValue splits off the value of a field of the table.
func cutValue(kind byte, b []byte) (value, rest []byte, ok bool) {
	switch kind {
	case 'S', 'F', 'A':
		return cutLong(b)
	case 't', 'b', 'B':
		if len(b) > 0 {
			return b[:1], b[1:], true
		}
	case 'I', 'i', 'f':
		if len(b) >= 4 {
			return b[:4], b[4:], true
		}
	case 'l', 'L', 'd', 'T':
		if len(b) >= 8 {
			return b[:8], b[8:], true
		}
	}
	return nil, nil, false
}

// cutLong splits off what has a length of 4 bytes in front.
func cutLong(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	length := binary.BigEndian.Uint32(b)
	if uint64(length) > uint64(len(b)-4) {
		return nil, nil, false
	}
	return b[4 : 4+length], b[4+length:], true
}
