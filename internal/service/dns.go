// SPDX-License-Identifier: Apache-2.0

package service

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"

	"golang.org/x/net/dns/dnsmessage"
)

var errNotDNS = errors.New("no answer of DNS")

// protocolDNS is DNS over UDP (RFC 1035).
func protocolDNS() protocol {
	return protocol{name: "dns", port: 53, network: udp, limit: maxStrays * maxLine, talk: talkDNS}
}

// protocolDNSTCP is DNS over TCP (RFC 7766).
func protocolDNSTCP() protocol {
	return protocol{name: "dns-tcp", port: 53, limit: 2 + 65535, talk: talkDNSTCP}
}

// talkDNS asks for the version, which BIND was the first to tell in class CHAOS
// (RFC 4892 section 2.1) and many others tell, or refuse to tell, now. Some do
// not even refuse, so the second question is the plainest that there is.
func talkDNS(c *conversation) error {
	id := uint16(rand.Uint32())
	version, err := dnsQuery(id, "version.bind.", dnsmessage.TypeTXT, dnsmessage.ClassCHAOS)
	if err != nil {
		return err
	}
	root, err := dnsQuery(id, ".", dnsmessage.TypeNS, dnsmessage.ClassINET)
	if err != nil {
		return err
	}
	return c.exchange(version, root, func(datagram []byte) bool {
		software, err := parseDNS(datagram, id)
		if err == nil {
			c.got.Software = software
		}
		return err == nil
	})
}

// talkDNSTCP asks for the version, with the length in front.
func talkDNSTCP(c *conversation) error {
	id := uint16(rand.Uint32())
	query, err := dnsQuery(id, "version.bind.", dnsmessage.TypeTXT, dnsmessage.ClassCHAOS)
	if err != nil {
		return err
	}
	length := binary.BigEndian.AppendUint16(nil, uint16(len(query)))
	if err := c.send(string(length) + query); err != nil {
		return err
	}
	header, err := c.readFull(2)
	if err != nil {
		return err
	}
	message, err := c.readFull(int(binary.BigEndian.Uint16(header)))
	if err != nil {
		return err
	}
	c.got.Software, err = parseDNS(message, id)
	return err
}

func dnsQuery(id uint16, name string, kind dnsmessage.Type, class dnsmessage.Class) (string, error) {
	to, err := dnsmessage.NewName(name)
	if err != nil {
		return "", err
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id})
	if err := b.StartQuestions(); err != nil {
		return "", err
	}
	if err := b.Question(dnsmessage.Question{Name: to, Type: kind, Class: class}); err != nil {
		return "", err
	}
	message, err := b.Finish()
	return string(message), err
}

// parseDNS returns the text of the first TXT record of an answer. An answer of
// any other kind, a refusal above all, is one of a server that does not tell.
func parseDNS(message []byte, id uint16) (string, error) {
	var p dnsmessage.Parser
	header, err := p.Start(message)
	if err != nil || !header.Response || header.ID != id {
		return "", errNotDNS
	}
	if p.SkipAllQuestions() != nil {
		return unknown, nil
	}
	for {
		record, err := p.AnswerHeader()
		if err != nil {
			return unknown, nil //nolint:nilerr // a damaged or empty answer is one, too
		}
		if record.Type != dnsmessage.TypeTXT {
			if p.SkipAnswer() != nil {
				return unknown, nil
			}
			continue
		}
		text, err := p.TXTResource()
		if err != nil || len(text.TXT) == 0 {
			return unknown, nil //nolint:nilerr // likewise
		}
		return softwareOf(text.TXT[0]), nil
	}
}
