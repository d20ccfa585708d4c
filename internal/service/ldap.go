// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"strings"
)

// The parts of LDAP (RFC 4511) that a scan needs, in BER (X.690): a search for
// the root DSE (RFC 4512 section 5.1), StartTLS, and goodbye. Tags of the
// messages:
const (
	berSequence   = 0x30
	berSet        = 0x31
	berInteger    = 0x02
	berString     = 0x04
	berEnumerated = 0x0a
	ldapEntry     = 0x64 // [APPLICATION 4]
	ldapDone      = 0x65 // [APPLICATION 5]
	ldapExtended  = 0x78 // [APPLICATION 24]
)

// maxLDAP is the most bytes of one message. A root DSE has one to eight thousand.
const maxLDAP = 64 << 10

var (
	errNotLDAP = errors.New("no answer of LDAP")
	errBER     = errors.New("no BER")
)

// protocolLDAP is LDAP (RFC 4511) with StartTLS.
func protocolLDAP() protocol {
	return protocol{name: "ldap", port: 389, limit: 2 * maxLDAP, talk: talkLDAP, farewell: ldapUnbind}
}

// protocolLDAPS is LDAP inside TLS.
func protocolLDAPS() protocol {
	p := protocolLDAP()
	p.name, p.port, p.secure = "ldaps", 636, true
	return p
}

const (
	// ldapSearch is message 2: base "", scope base, never dereference, no
	// limits, (objectClass=*), three attributes. Nobody is bound: that is
	// anonymous (RFC 4513 section 4), and the root DSE is for everybody.
	ldapSearch = "\x30\x4d\x02\x01\x02\x63\x48\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00" +
		"\x87\x0bobjectClass\x30\x28" +
		"\x04\x0bobjectClass\x04\x0avendorName\x04\x0dvendorVersion"
	// ldapStartTLS is message 1 (section 4.14).
	ldapStartTLS = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
	// ldapUnbind is message 3 (section 4.3).
	ldapUnbind = "\x30\x05\x02\x01\x03\x42\x00"
)

// talkLDAP asks for TLS first: behind a search some servers (slapd) refuse it,
// while they tidy up what they have answered already.
func talkLDAP(c *conversation) error {
	c.got.Software = unknown
	if !c.isSecure() {
		if err := c.startLDAP(); err != nil || c.broken {
			return err
		}
	}
	if err := c.send(ldapSearch); err != nil {
		return err
	}
	for range maxReply {
		tag, body, err := c.readLDAP()
		if err != nil {
			return err
		}
		switch tag {
		case ldapEntry:
			if name := parseRoot(body); name != "" {
				c.got.Software = softwareOf(name)
			}
		case ldapDone:
			return nil
		}
	}
	return errFlood
}

// startLDAP asks for TLS, which not every server has.
func (c *conversation) startLDAP() error {
	if err := c.send(ldapStartTLS); err != nil {
		return err
	}
	tag, body, err := c.readLDAP()
	if err != nil {
		return err
	}
	code, result, _, err := cutBER(body)
	if tag == ldapExtended && err == nil && code == berEnumerated && string(result) == "\x00" {
		c.upgrade()
	}
	return nil
}

// readLDAP reads one message and returns the tag and the inside of what it
// carries.
func (c *conversation) readLDAP() (byte, []byte, error) {
	header, err := c.readFull(2)
	if err != nil {
		return 0, nil, err
	}
	if header[0] != berSequence {
		return 0, nil, errNotLDAP
	}
	length := int(header[1])
	if header[1] >= 0x80 {
		more, err := c.readFull(int(header[1] & 0x7f))
		if err != nil {
			return 0, nil, err
		}
		if length, err = berLength(more); err != nil {
			return 0, nil, err
		}
	}
	if length > maxLDAP {
		return 0, nil, errFlood
	}
	message, err := c.readFull(length)
	if err != nil {
		return 0, nil, err
	}
	tag, _, message, err := cutBER(message) // the number of the message
	if err != nil || tag != berInteger {
		return 0, nil, errNotLDAP
	}
	tag, body, _, err := cutBER(message)
	return tag, body, err
}

// berLength is a length of several octets. LDAP servers (Active Directory)
// write four where one would do, which DER forbids and BER does not.
func berLength(octets []byte) (int, error) {
	if len(octets) == 0 || len(octets) > 4 {
		return 0, errBER // 0 would be the indefinite form, which LDAP forbids
	}
	n := 0
	for _, octet := range octets {
		n = n<<8 | int(octet)
	}
	return n, nil
}

// cutBER splits off the first value.
func cutBER(b []byte) (tag byte, value, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil, errBER
	}
	tag, length, rest := b[0], int(b[1]), b[2:]
	if length >= 0x80 {
		octets := length & 0x7f
		if octets > len(rest) {
			return 0, nil, nil, errBER
		}
		if length, err = berLength(rest[:octets]); err != nil {
			return 0, nil, nil, err
		}
		rest = rest[octets:]
	}
	if length > len(rest) {
		return 0, nil, nil, errBER
	}
	return tag, rest[:length], rest[length:], nil
}

// parseRoot is the name in an entry: its object name, and a sequence of
// attributes.
func parseRoot(entry []byte) string {
	_, _, rest, err := cutBER(entry)
	if err != nil {
		return ""
	}
	tag, attributes, _, err := cutBER(rest)
	if err != nil || tag != berSequence {
		return ""
	}
	var vendor, version, class string
	for len(attributes) > 0 {
		var attribute []byte
		if tag, attribute, attributes, err = cutBER(attributes); err != nil || tag != berSequence {
			break
		}
		name, values := parseAttribute(attribute)
		switch strings.ToLower(name) {
		case "vendorname":
			vendor = strings.Join(values, " ")
		case "vendorversion":
			version = strings.Join(values, " ")
		case "objectclass":
			class = rootClass(values)
		}
	}
	if vendor == "" {
		vendor = class
	}
	return strings.TrimSpace(vendor + " " + version)
}

// rootClass is the name that OpenLDAP hides in the class of its root DSE.
func rootClass(classes []string) string {
	for _, class := range classes {
		if name, ok := strings.CutSuffix(class, "rootDSE"); ok {
			return name
		}
	}
	return ""
}

// parseAttribute is a type and its values, of which few are kept.
func parseAttribute(attribute []byte) (string, []string) {
	tag, name, rest, err := cutBER(attribute)
	if err != nil || tag != berString {
		return "", nil
	}
	tag, set, _, err := cutBER(rest)
	if err != nil || tag != berSet {
		return "", nil
	}
	var values []string
	for len(set) > 0 && len(values) < maxNames {
		var value []byte
		if _, value, set, err = cutBER(set); err != nil {
			break
		}
		values = append(values, textOf(string(value)))
	}
	return string(name), values
}
