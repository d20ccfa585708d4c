// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"strings"
)

// maxReply is the most lines of one reply.
const maxReply = 100

var errNotReply = errors.New("no reply of three digits")

// reply is a reply of SMTP (RFC 5321 section 4.2) or FTP (RFC 959 section 4.2):
// lines that begin with a code, the last one with a blank behind it.
type reply struct {
	code  string
	lines []string // without their codes, at most maxText bytes of each
}

// first is the first digit of the code, which tells the outcome.
func (r *reply) first() byte { return r.code[0] }

// readReply reads one reply. Within it FTP allows lines without a code.
func (c *conversation) readReply() (reply, error) {
	var r reply
	for range maxReply {
		raw, err := c.readLine()
		if err != nil {
			return reply{}, err
		}
		line := string(raw)
		code, text, last, ok := cutReply(line)
		switch {
		case r.code == "" && !ok:
			return reply{}, errNotReply
		case r.code == "":
			r.code = code
		case !ok || code != r.code:
			r.lines = append(r.lines, textOf(line))
			continue
		}
		r.lines = append(r.lines, textOf(text))
		if last {
			return r, nil
		}
	}
	return reply{}, errFlood
}

// cutReply splits a line of a reply.
func cutReply(line string) (code, text string, last, ok bool) {
	if len(line) < 3 || line[0] < '1' || line[0] > '5' || !isDigit(line[1]) || !isDigit(line[2]) {
		return "", "", false, false
	}
	switch {
	case len(line) == 3:
		return line, "", true, true
	case line[3] == ' ', line[3] == '-':
		return line[:3], line[4:], line[3] == ' ', true
	}
	return "", "", false, false
}

// withoutDate takes off a date (RFC 5322 section 3.3) and what follows it: a
// greeting that says what time it is would be another one each time.
func withoutDate(text string) string {
	for _, day := range []string{"Mon, ", "Tue, ", "Wed, ", "Thu, ", "Fri, ", "Sat, ", "Sun, "} {
		if at := strings.Index(text, day); at >= 0 {
			text = text[:at]
		}
	}
	return strings.TrimRight(text, " ;,-")
}
