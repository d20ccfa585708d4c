// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The parser of HTTP/1 response heads (RFC 9112 sections 2, 4 and 5). net/http
// has one too, but that refuses a whole answer for what is none of a monitor's
// business: an unusual Transfer-Encoding, two Content-Lengths, a line without a
// colon, a control character in a value. Here only the status line has to be
// right. Everything that net/http accepts means the same here (FuzzResponse).

// answer is what a final head says of its server.
type answer struct {
	version  string // "HTTP/1.1"
	code     string
	software string
	redirect string // the Location field (RFC 9110 section 10.2.2)
}

// maxInterim is the most informational responses before the final one.
const maxInterim = 5

var (
	errStatusLine = errors.New("not an HTTP status line")
	errInterim    = errors.New("too many informational responses")
)

// readResponse reads heads up to the final one's and returns its code and its
// software.
func readResponse(r *bufio.Reader) (answer, error) {
	for range maxInterim + 1 {
		a, err := readHead(r)
		if err != nil {
			return answer{}, err
		}
		// 101 is final, although nobody asked for an upgrade.
		if a.code[0] != '1' || a.code == "101" {
			return a, nil
		}
	}
	return answer{}, errInterim
}

// readHead reads one head: a status line, and fields up to the empty line. A
// head that ends without it is not an answer.
func readHead(r *bufio.Reader) (answer, error) {
	line, err := readLine(r)
	if err != nil {
		return answer{}, err
	}
	version, code, ok := statusLine(line)
	if !ok {
		return answer{}, errStatusLine
	}
	server, location := field{name: "Server"}, field{name: "Location"}
	for {
		line, err := readLine(r)
		if err != nil {
			return answer{}, err
		}
		if len(line) == 0 {
			return answer{version: version, code: code, software: softwareOf(server.text()), redirect: textOf(location.text())}, nil
		}
		server.add(line)
		location.add(line)
	}
}

// readLine returns the next line without its end, CR LF or a lone LF (RFC 9112
// section 2.2). Of a line that is longer than the reader's buffer only the first
// part is returned, and valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line = bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("read response: %w", err)
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

// statusLine returns the version and the three digits of a status line (RFC 9112 section 4):
//
//	HTTP/1.1 200 OK
//
// The reason may be missing together with the blank before it, and old servers
// put more blanks than one before the code.
func statusLine(line []byte) (version, code string, ok bool) {
	first, rest, _ := bytes.Cut(line, []byte(" "))
	if !isHTTPVersion(first) {
		return "", "", false
	}
	rest = bytes.TrimLeft(rest, " ")
	if len(rest) < 3 || len(rest) > 3 && rest[3] != ' ' && rest[3] != '\t' {
		return "", "", false
	}
	if rest[0] < '1' || !isDigit(rest[0]) || !isDigit(rest[1]) || !isDigit(rest[2]) {
		return "", "", false
	}
	return string(first), string(rest[:3]), true
}

// isHTTPVersion accepts HTTP/1.0, HTTP/1.1, and the HTTP/2 or HTTP/2.0 that some
// servers write into a text response.
func isHTTPVersion(version []byte) bool {
	digits, ok := bytes.CutPrefix(version, []byte("HTTP/"))
	switch {
	case !ok:
		return false
	case len(digits) == 1:
		return isDigit(digits[0])
	}
	return len(digits) == 3 && isDigit(digits[0]) && digits[1] == '.' && isDigit(digits[2])
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// field collects the first field of a name in a head (RFC 9110 section 5) from
// its lines.
type field struct {
	name  string
	value []byte
	found bool // the first field of that name was seen
	open  bool // the line before belongs to it, so this one may continue it
}

// add takes the next line. One that begins with a blank continues the field
// before it (obs-fold, RFC 9112 section 5.2).
func (f *field) add(line []byte) {
	if line[0] == ' ' || line[0] == '\t' {
		if f.open && len(f.value) <= maxText {
			f.value = append(append(f.value, ' '), bytes.Trim(line, " \t")...)
		}
		return
	}
	name, value, ok := bytes.Cut(line, []byte(":"))
	f.open = ok && !f.found && strings.EqualFold(string(bytes.TrimRight(name, " \t")), f.name)
	if f.open {
		f.found = true
		f.value = append(f.value, bytes.Trim(value, " \t")...)
	}
}

// text is the value without the blanks around it.
func (f *field) text() string { return string(bytes.Trim(f.value, " \t")) }
