// SPDX-License-Identifier: Apache-2.0

package service

// protocolHTTPS is HTTP/1.1 over TLS (RFC 9110 section 4.2.2): the conversation
// of http.go inside it. A server that answers in plain text fails the handshake,
// and so is not open. It is not told close_notify in the end: nothing can be cut
// off that matters to either side.
func protocolHTTPS() protocol {
	return protocol{name: "https", port: 443, limit: maxHead, secure: true, alpn: []string{"http/1.1"}, talk: talkHTTP}
}
