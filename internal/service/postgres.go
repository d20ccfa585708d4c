// SPDX-License-Identifier: Apache-2.0

package service

import (
	"encoding/binary"
	"errors"
	"strings"
)

var errNotPostgres = errors.New("no answer of PostgreSQL")

// sslRequest asks whether the server would speak TLS (PostgreSQL manual, section
// "Message Formats"): length 8, code 80877103. It is the one question that needs
// no user, and the server's version is told to users alone.
const sslRequest = "\x00\x00\x00\x08\x04\xd2\x16\x2f"

// protocolPostgres is the frontend/backend protocol of PostgreSQL.
func protocolPostgres() protocol {
	return protocol{name: "postgres", port: 5432, limit: maxLine, talk: talkPostgres}
}

func talkPostgres(c *conversation) error {
	if err := c.send(sslRequest); err != nil {
		return err
	}
	answer, err := c.readFull(1)
	if err != nil {
		return err
	}
	c.got.Software = unknown
	switch answer[0] {
	case 'S':
		c.upgrade()
		return nil
	case 'N':
		return nil
	case 'E':
		return c.postgresError()
	}
	return errNotPostgres
}

// postgresError checks that what follows the E is the message of an error:
// length (4, itself included), fields of a letter and a text, 0.
func (c *conversation) postgresError() error {
	header, err := c.readFull(4)
	if err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(header)
	if length < 6 || length > maxLine/2 {
		return errNotPostgres
	}
	body, err := c.readFull(int(length) - 4)
	if err != nil {
		return err
	}
	code, ok := postgresCode(body)
	if !ok {
		return errNotPostgres
	}
	c.got.Reason = "refuses with " + code
	return nil
}

// postgresCode is the SQLSTATE of an error.
func postgresCode(body []byte) (string, bool) {
	text, ok := strings.CutSuffix(string(body), "\x00\x00")
	if !ok {
		return "", false
	}
	for field := range strings.SplitSeq(text, "\x00") {
		if len(field) == 6 && field[0] == 'C' {
			return field[1:], true
		}
	}
	return "", false
}
