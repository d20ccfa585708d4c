// SPDX-License-Identifier: Apache-2.0

package service

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
)

// TestLeastRequest holds what is sent to the table in connmonitor(8), byte for
// byte, where the server offers no TLS.
func TestLeastRequest(t *testing.T) {
	const ldapResult = "\x0a\x01\x02\x04\x00\x04\x00"
	tests := []struct {
		service string
		says    []string // a greeting, and an answer to each request
		sent    string
	}{
		{"http", []string{"", simpleAnswer}, requestHead("host.example")},
		{"mysql", []string{simpleHello}, ""},
		{"ssh", []string{"SSH-2.0-x\r\n"}, ""},
		{"smtp", []string{"220 a ESMTP x\r\n", "250 a\r\n", "221 bye\r\n"}, "EHLO [127.0.0.1]\r\nQUIT\r\n"},
		{"submission", []string{"220 a ESMTP x\r\n", "250 a\r\n", "221 bye\r\n"}, "EHLO [127.0.0.1]\r\nQUIT\r\n"},
		{"imap", []string{"* OK x\r\n", "* CAPABILITY IMAP4rev1\r\na OK\r\n", "* BYE\r\n"}, "a CAPABILITY\r\nc LOGOUT\r\n"},
		{"imap", []string{"* OK [CAPABILITY IMAP4rev1] x\r\n", "* BYE\r\n"}, "c LOGOUT\r\n"},
		{"pop3", []string{"+OK x\r\n", "-ERR no\r\n", "+OK\r\n"}, "STLS\r\nQUIT\r\n"},
		{"ftp", []string{"220 x\r\n", "500 no\r\n", "221 bye\r\n"}, "AUTH TLS\r\nQUIT\r\n"},
		{"postgres", []string{"", "N"}, "\x00\x00\x00\x08\x04\xd2\x16\x2f"},
		{"redis", []string{"", "-NOAUTH x\r\n", "+OK\r\n"}, "INFO server\r\nQUIT\r\n"},
		{"memcached", []string{"", "VERSION 1\r\n", ""}, "version\r\nquit\r\n"},
		{"amqp", []string{"", amqpStart("")}, "AMQP\x00\x00\x09\x01"},
		{"mqtt", []string{"", "\x20\x02\x00\x00", ""}, "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00\xe0\x00"},
		{"ldap", []string{"", "\x30\x0c\x02\x01\x01\x78\x07" + ldapResult, "\x30\x0c\x02\x01\x02\x65\x07" + ldapResult, ""}, ldapStartTLS + ldapSearch + ldapUnbind},
		{"dns-tcp", []string{"", "\x00\x0cID\x80\x05\x00\x00\x00\x00\x00\x00\x00\x00"}, "\x00\x1eID\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03"},
		{"tcp", []string{""}, ""},
	}
	for _, test := range tests {
		t.Run(test.service, func(t *testing.T) {
			t.Parallel()
			sent := make(chan string, 1)
			port := serve(t, func(conn net.Conn) { sent <- recorded(conn, test.service == "dns-tcp", test.says) })
			if got := askPort(t, test.service, port, patient); !got.Open() {
				t.Errorf("got %+v", got)
			}
			if got := <-sent; got != test.sent {
				t.Errorf("%q was sent, want %q", got, test.sent)
			}
		})
	}
}

// recorded answers each request with the next text, and returns all requests.
// The number of a question of DNS is another one each time.
func recorded(conn net.Conn, numbered bool, says []string) (all string) {
	request := make([]byte, 4096)
	for i, text := range says {
		if i > 0 {
			n, err := conn.Read(request)
			if err != nil {
				return all
			}
			if numbered && n > 4 {
				number := binary.BigEndian.Uint16(request[2:])
				text = text[:2] + string(binary.BigEndian.AppendUint16(nil, number)) + text[4:]
				copy(request[2:], "ID")
			}
			all += string(request[:n])
		}
		if _, err := io.WriteString(conn, text); err != nil {
			return all
		}
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // who waits for our end after its farewell has it
	}
	rest, _ := io.ReadAll(conn)
	return all + string(rest)
}
