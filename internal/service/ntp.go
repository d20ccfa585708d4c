// SPDX-License-Identifier: Apache-2.0

package service

import (
	"crypto/rand"
	"strings"
)

// ntpSize is the size of an NTP packet without extensions (RFC 5905 section
// 7.3), and ntpOrigin where in an answer the transmit time of its question is.
const (
	ntpSize   = 48
	ntpOrigin = 24
)

// protocolNTP is NTP (RFC 5905), asked as SNTP clients do.
func protocolNTP() protocol {
	return protocol{name: "ntp", port: 123, network: udp, limit: maxStrays * maxLine, talk: talkNTP}
}

// talkNTP sends a client's packet, empty but for version, mode and a transmit
// time that is random, as RFC 9109 and its kin recommend: the answer repeats it,
// and nobody else can know it.
func talkNTP(c *conversation) error {
	packet := make([]byte, ntpSize)
	packet[0] = 4<<3 | 3                 // version 4, mode 3 (client)
	_, _ = rand.Read(packet[ntpSize-8:]) // never fails
	cookie := string(packet[ntpSize-8:])
	c.got.Software = unknown
	return c.exchange(string(packet), string(packet), func(answer []byte) bool {
		kiss, ok := parseNTP(answer, cookie)
		if ok && kiss != "" {
			c.got.Reason = "refuses with " + kiss
		}
		return ok
	})
}

// parseNTP checks an answer of a server, and returns the code of one that does
// not want to be asked (kiss-o'-death, RFC 5905 section 7.4).
func parseNTP(answer []byte, cookie string) (kiss string, ok bool) {
	if len(answer) < ntpSize || answer[0]&7 != 4 || string(answer[ntpOrigin:ntpOrigin+8]) != cookie {
		return "", false
	}
	if answer[1] == 0 {
		kiss = strings.Trim(string(answer[12:16]), "\x00")
	}
	return kiss, true
}
