// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// maxLine is the length of the longest line, without its end.
const maxLine = 64 << 10

const byteOrderMark = "\uFEFF"

// lines reads the lines of a configuration one by one.
type lines struct {
	r      *bufio.Reader
	number int // of the line that next returned last, from 1
}

// flaw is what is wrong with the encoding of a line.
type flaw struct {
	column int
	text   string
}

// word is one blank-separated part of a line. Its text lives in the line:
// whoever keeps it clones it.
type word struct {
	text   string
	column int // of its first byte, from 1
}

func newLines(r io.Reader) *lines {
	// A full buffer means a line that is too long: there is room for the
	// longest one, a byte order mark and the line's end.
	return &lines{r: bufio.NewReaderSize(r, maxLine+len(byteOrderMark)+len("\r\n"))}
}

// next returns the next line without its end and its comment, or what is
// wrong with its encoding, or the reader's error (io.EOF after the last line).
// A flaw does not end the reading.
func (l *lines) next() (string, *flaw, error) {
	b, err := l.r.ReadSlice('\n')
	tooLong := errors.Is(err, bufio.ErrBufferFull)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = l.r.ReadSlice('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", nil, err
	}
	if len(b) == 0 {
		return "", nil, io.EOF
	}
	l.number++
	if !tooLong {
		b = l.trim(b)
	}
	if tooLong || len(b) > maxLine {
		return "", &flaw{maxLine + 1, "the line is longer than 64 KiB"}, nil
	}
	if f := encodingFlaw(b); f != nil {
		return "", f, nil
	}
	if i := bytes.IndexByte(b, '#'); i >= 0 {
		b = b[:i]
	}
	return string(b), nil, nil
}

// trim takes the end of the line away, and the byte order mark of the file.
func (l *lines) trim(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte("\n"))
	b = bytes.TrimSuffix(b, []byte("\r"))
	if l.number == 1 {
		b = bytes.TrimPrefix(b, []byte(byteOrderMark))
	}
	return b
}

// encodingFlaw looks for a NUL and for what is not UTF-8 (RFC 3629); comments
// are no exception, because a file that has such bytes is another kind of file.
func encodingFlaw(b []byte) *flaw {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return &flaw{i + 1, "the line holds a NUL byte; save the file as UTF-8 text"}
	}
	if utf8.Valid(b) {
		return nil
	}
	i := 0
	for i < len(b) {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	return &flaw{i + 1, "the line is not UTF-8; save the file as UTF-8 text"}
}

// split appends the words of a line to words. Blanks are spaces and tabs.
func split(words []word, line string) []word {
	for i := 0; i < len(line); {
		if isBlank(line[i]) {
			i++
			continue
		}
		end := strings.IndexAny(line[i:], " \t")
		if end < 0 {
			end = len(line) - i
		}
		words = append(words, word{line[i : i+end], i + 1})
		i += end
	}
	return words
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
