// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/http2/hpack"
)

// The few parts of HTTP/2 (RFC 9113) that one HEAD needs: it is what a server
// speaks that was offered both and chose it, and all that some servers speak.
// Every frame begins with
//
//	+---------------+--------+---------+---------------+
//	| length (3)    | type(1)| flags(1)| stream (4)    |
//	+---------------+--------+---------+---------------+
//
// The fields of a head are compressed (RFC 7541), by golang.org/x/net.
const (
	alpnHTTP2 = "h2"
	alpnHTTP1 = "http/1.1"

	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePushPromise  = 0x5
	frameGoAway       = 0x7
	frameContinuation = 0x9

	flagAck        = 0x1 // of SETTINGS
	flagEndStream  = 0x1 // of HEADERS
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20

	frameHeaderSize = 9
	// maxFrameSize is the most bytes of a frame as long as nobody has allowed
	// more (section 4.2).
	maxFrameSize = 16 << 10
	// ourStream is the first one that a client may open (section 5.1.1).
	ourStream = 1

	// http11Required is the error code of a server that answers this request
	// over HTTP/1.1 alone (section 7), to ask for a client certificate for one.
	http11Required = 0xd
)

const (
	// http2Preface begins each connection (section 3.4).
	http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	// http2Settings switch pushes off, ENABLE_PUSH (section 6.5.2).
	http2Settings = "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00"
	// http2Ack takes note of the server's settings (section 6.5.3).
	http2Ack = "\x00\x00\x00\x04\x01\x00\x00\x00\x00"
	// http2GoAway tells that no more will be asked: no stream of the server's
	// was seen, no error (section 6.8).
	http2GoAway = "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

var (
	errHTTP2 = errors.New("no HTTP/2, which was agreed upon")
	// errHTTP11 is a server that takes this request back to HTTP/1.1.
	errHTTP11 = errors.New("wants to be asked by HTTP/1.1")
)

// frame is one frame of a server.
type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

// talkHTTP2 asks with HEAD, as talkHTTP does.
func talkHTTP2(c *conversation) error {
	writeErr := c.send(http2Preface + http2Settings + headFrame(c.name))
	a, err := c.readHTTP2()
	if err != nil {
		return errors.Join(writeErr, err)
	}
	c.got.Code, c.got.Software, c.got.Redirect, c.got.HTTP = a.code, a.software, a.redirect, a.version
	_ = c.send(http2GoAway) // the answer is there, whatever becomes of it
	return nil
}

// headFrame is the request: HEADERS that end both the head and the stream.
func headFrame(name string) string {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range []hpack.HeaderField{
		{Name: ":method", Value: "HEAD"},
		{Name: ":scheme", Value: "https"},
		{Name: ":path", Value: "/"},
		{Name: ":authority", Value: hostHeader(name)},
		{Name: "user-agent", Value: "connmonitor"},
		{Name: "accept", Value: "*/*"},
	} {
		_ = encoder.WriteField(field) // a buffer takes everything
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(block.Len())<<8|frameHeaders)
	header = append(header, flagEndStream|flagEndHeaders)
	header = binary.BigEndian.AppendUint32(header, ourStream)
	return string(header) + block.String()
}

// readHTTP2 reads frames up to the head of the final response. The first frame
// is the server's settings (section 3.4).
func (c *conversation) readHTTP2() (answer, error) {
	first, err := c.readFrame()
	if err != nil {
		return answer{}, err
	}
	if first.kind == frameGoAway {
		return answer{}, first.refusal()
	}
	if first.kind != frameSettings || first.flags&flagAck != 0 || first.stream != 0 {
		return answer{}, errHTTP2
	}
	if err := c.send(http2Ack); err != nil {
		return answer{}, err
	}
	h := newHTTP2Head()
	for range maxInterim + 1 {
		if err := c.readHTTP2Head(h); err != nil {
			return answer{}, err
		}
		a, err := h.take()
		if err != nil || a.code[0] != '1' {
			return a, err
		}
	}
	return answer{}, errInterim
}

// readHTTP2Head reads the next head of our stream. What else a connection is
// about, windows and pings and priorities, means nothing to one that ends with
// its first answer.
func (c *conversation) readHTTP2Head(h *http2Head) error {
	for {
		f, err := c.readFrame()
		if err != nil {
			return err
		}
		switch {
		case f.kind == frameHeaders && f.stream == ourStream:
			return c.readBlock(h, f)
		case f.kind == frameHeaders, f.kind == framePushPromise, f.kind == frameContinuation:
			return errHTTP2 // nobody asked for it
		case f.kind == frameReset && f.stream == ourStream, f.kind == frameGoAway && f.ends():
			return f.refusal()
		}
	}
}

// readBlock reads the head that begins in a frame, and the frames that continue
// it: nothing may come between them (section 4.3).
func (c *conversation) readBlock(h *http2Head, f frame) error {
	block, ok := f.unpadded()
	for ok {
		if _, err := h.decoder.Write(block); err != nil {
			return errHTTP2
		}
		if f.flags&flagEndHeaders != 0 {
			break
		}
		var err error
		if f, err = c.readFrame(); err != nil {
			return err
		}
		block, ok = f.payload, f.kind == frameContinuation && f.stream == ourStream
	}
	if !ok || h.decoder.Close() != nil {
		return errHTTP2
	}
	return nil
}

func (c *conversation) readFrame() (frame, error) {
	header, err := c.readFull(frameHeaderSize)
	if err != nil {
		return frame{}, err
	}
	size := binary.BigEndian.Uint32(header) >> 8
	if size > maxFrameSize {
		return frame{}, errHTTP2
	}
	f := frame{kind: header[3], flags: header[4], stream: binary.BigEndian.Uint32(header[5:]) &^ (1 << 31)}
	f.payload, err = c.readFull(int(size))
	return f, err
}

// unpadded is the part of HEADERS (section 6.2) that holds fields: padding
// length (1) if PADDED, dependency and weight (5) if PRIORITY, fields, padding.
func (f *frame) unpadded() ([]byte, bool) {
	b, padding, skip := f.payload, 0, 0
	if f.flags&flagPadded != 0 {
		if len(b) == 0 {
			return nil, false
		}
		padding, skip = int(b[0]), 1
	}
	if f.flags&flagPriority != 0 {
		skip += 5
	}
	if skip+padding > len(b) {
		return nil, false
	}
	return b[skip : len(b)-padding], true
}

// ends reports whether a GOAWAY leaves our request unanswered: last stream (4),
// error code (4). With a later stream in it the answer still comes.
func (f *frame) ends() bool {
	return len(f.payload) < 8 || binary.BigEndian.Uint32(f.payload)&^(1<<31) < ourStream
}

// refusal is what RST_STREAM or GOAWAY says: the error code is what is last, but
// for the words that may follow in a GOAWAY.
func (f *frame) refusal() error {
	code := f.payload
	if f.kind == frameGoAway {
		code = code[min(len(code), 4):]
	}
	if len(code) < 4 {
		return errHTTP2
	}
	if number := binary.BigEndian.Uint32(code); number != http11Required {
		return fmt.Errorf("refuses with HTTP/2 error %d", number)
	}
	return errHTTP11
}

// http2Head collects the fields of a head that tell of its server.
type http2Head struct {
	decoder                  *hpack.Decoder
	status, server, location string
}

func newHTTP2Head() *http2Head {
	h := new(http2Head)
	h.decoder = hpack.NewDecoder(4096, h.add) // the size that both begin with
	h.decoder.SetMaxStringLength(maxHead)
	return h
}

// add takes a field. Of several with one name the first counts, as in HTTP/1.
func (h *http2Head) add(field hpack.HeaderField) {
	to := new(string)
	switch field.Name {
	case ":status":
		to = &h.status
	case "server":
		to = &h.server
	case "location":
		to = &h.location
	}
	if *to == "" {
		*to = field.Value
	}
}

// take is what the head said; the next one begins empty.
func (h *http2Head) take() (answer, error) {
	a := answer{version: "HTTP/2", code: h.status, software: softwareOf(h.server), redirect: textOf(h.location)}
	h.status, h.server, h.location = "", "", ""
	if len(a.code) != 3 || a.code[0] < '1' || !isDigit(a.code[0]) || !isDigit(a.code[1]) || !isDigit(a.code[2]) {
		return answer{}, errHTTP2
	}
	return a, nil
}
