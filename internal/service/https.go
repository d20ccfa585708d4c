// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"time"

	"connmonitor/internal/vitals"
)

// protocolHTTPS is HTTP over TLS (RFC 9110 section 4.2.2): HTTP/2 where the
// server chooses it, as it does for browsers, else the conversation of http.go.
// A server that answers in plain text fails the handshake, and so is not open.
// It is not told close_notify in the end: nothing can be cut off that matters to
// either side.
func protocolHTTPS() protocol {
	return protocol{
		name: "https", port: 443, limit: maxHead, secure: true,
		alpn: []string{alpnHTTP2, alpnHTTP1}, talk: talkHTTPS,
	}
}

// talkHTTPS asks in the version that was agreed upon (RFC 9113 section 3.3).
func talkHTTPS(c *conversation) error {
	if c.got.TLS != nil && c.got.TLS.ALPN == alpnHTTP2 {
		return talkHTTP2(c)
	}
	return talkHTTP(c)
}

// converse is talk, and once more where a server chose HTTP/2 to say that it
// answers over HTTP/1.1: the one case in which a service is asked twice.
func (s *Scanner) converse(ctx context.Context, p *protocol, t *Request, port uint16) (vitals.Service, error) {
	got, begun, err := s.talk(ctx, p, t, port, t.Timeout)
	if !errors.Is(err, errHTTP11) {
		return got, err
	}
	older := *p
	older.alpn = []string{alpnHTTP1}
	got, _, err = s.talk(ctx, &older, t, port, t.Timeout-time.Since(begun))
	return got, err
}
