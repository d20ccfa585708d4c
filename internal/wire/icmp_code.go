// SPDX-License-Identifier: Apache-2.0

package wire

import "strconv"

// The codes of ICMP destination unreachable (RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1).
const (
	CodeNetUnreachable          uint8 = 0
	CodeHostUnreachable         uint8 = 1
	CodeProtocolUnreachable     uint8 = 2
	CodePortUnreachable         uint8 = 3
	CodeFragmentationNeeded     uint8 = 4 // It carries the MTU of the next hop (RFC 1191 4).
	CodeSourceRouteFailed       uint8 = 5
	CodeNetUnknown              uint8 = 6
	CodeHostUnknown             uint8 = 7
	CodeSourceHostIsolated      uint8 = 8
	CodeNetProhibited           uint8 = 9
	CodeHostProhibited          uint8 = 10
	CodeNetUnreachableForTOS    uint8 = 11
	CodeHostUnreachableForTOS   uint8 = 12
	CodeAdminProhibited         uint8 = 13
	CodeHostPrecedenceViolation uint8 = 14
	CodePrecedenceCutoff        uint8 = 15
)

// The codes of ICMPv6 destination unreachable (RFC 4443 3.1) that a prober understands.
const (
	Code6NoRoute            uint8 = 0
	Code6AdminProhibited    uint8 = 1
	Code6BeyondScope        uint8 = 2
	Code6AddressUnreachable uint8 = 3
	Code6PortUnreachable    uint8 = 4
)

// names4 are the names of ICMP errors by type and code: RFC 792, RFC 1108, RFC 1122, RFC 1812.
var names4 = [...][]string{
	TypeDestinationUnreachable: {
		CodeNetUnreachable:          "network unreachable",
		CodeHostUnreachable:         "host unreachable",
		CodeProtocolUnreachable:     "protocol unreachable",
		CodePortUnreachable:         "port unreachable",
		CodeFragmentationNeeded:     "fragmentation needed",
		CodeSourceRouteFailed:       "source route failed",
		CodeNetUnknown:              "destination network unknown",
		CodeHostUnknown:             "destination host unknown",
		CodeSourceHostIsolated:      "source host isolated",
		CodeNetProhibited:           "network administratively prohibited",
		CodeHostProhibited:          "host administratively prohibited",
		CodeNetUnreachableForTOS:    "network unreachable for TOS",
		CodeHostUnreachableForTOS:   "host unreachable for TOS",
		CodeAdminProhibited:         "communication administratively prohibited",
		CodeHostPrecedenceViolation: "host precedence violation",
		CodePrecedenceCutoff:        "precedence cutoff in effect",
	},
	TypeSourceQuench:     {"source quench"},
	TypeTimeExceeded:     {"time to live exceeded in transit", "fragment reassembly time exceeded"},
	TypeParameterProblem: {"parameter problem", "required option missing", "bad length"},
}

// names6 are the names of ICMPv6 errors by type and code: RFC 4443, RFC 6554, RFC 7112, RFC 8883, RFC 8986.
var names6 = [...][]string{
	Type6DestinationUnreachable: {
		Code6NoRoute:            "no route to destination",
		Code6AdminProhibited:    "communication administratively prohibited",
		Code6BeyondScope:        "beyond scope of source address",
		Code6AddressUnreachable: "address unreachable",
		Code6PortUnreachable:    "port unreachable",
		5:                       "source address failed ingress/egress policy",
		6:                       "reject route to destination",
		7:                       "error in source routing header",
		8:                       "headers too long",
	},
	Type6PacketTooBig: {"packet too big"},
	Type6TimeExceeded: {"hop limit exceeded in transit", "fragment reassembly time exceeded"},
	Type6ParameterProblem: {
		"erroneous header field",
		"unrecognized next header",
		"unrecognized IPv6 option",
		"first fragment with incomplete header chain",
		"segment routing upper-layer header error",
		"next header unrecognized by intermediate node",
		"extension header too big",
		"extension header chain too long",
		"too many extension headers",
		"too many options in extension header",
		"option too big",
	},
}

// ErrorName4 is the name of an ICMP error in lower case, "type 3 code 77" where there is none.
func ErrorName4(typ, code uint8) string { return errorName(names4[:], typ, code) }

// ErrorName6 is the name of an ICMPv6 error in lower case, "type 1 code 77" where there is none.
func ErrorName6(typ, code uint8) string { return errorName(names6[:], typ, code) }

func errorName(names [][]string, typ, code uint8) string {
	if int(typ) < len(names) && int(code) < len(names[typ]) {
		return names[typ][code]
	}
	return "type " + strconv.Itoa(int(typ)) + " code " + strconv.Itoa(int(code))
}

// marks4 are traceroute(8)'s letters for the codes of ICMP destination unreachable. A port unreachable has none: it is
// how a destination answers.
var marks4 = [...]string{
	CodeNetUnreachable:          "!N",
	CodeHostUnreachable:         "!H",
	CodeProtocolUnreachable:     "!P",
	CodePortUnreachable:         "",
	CodeFragmentationNeeded:     "!F",
	CodeSourceRouteFailed:       "!S",
	CodeNetUnknown:              "!N",
	CodeHostUnknown:             "!H",
	CodeSourceHostIsolated:      "!N",
	CodeNetProhibited:           "!X",
	CodeHostProhibited:          "!X",
	CodeNetUnreachableForTOS:    "!N",
	CodeHostUnreachableForTOS:   "!H",
	CodeAdminProhibited:         "!X",
	CodeHostPrecedenceViolation: "!V",
	CodePrecedenceCutoff:        "!C",
}

// marks6 are the same for ICMPv6.
var marks6 = [...]string{
	Code6NoRoute:            "!N",
	Code6AdminProhibited:    "!X",
	Code6BeyondScope:        "!H",
	Code6AddressUnreachable: "!H",
	Code6PortUnreachable:    "",
}

// Mark4 is the mark that traceroute(8) puts behind the time of a hop that answered with an ICMP message of that type and
// code: "!N", "!H", "!P", "!S", "!X", "!V", "!C"; "!F-1400" with the MTU of the next hop in bytes, "!F" where the router
// gave none (0); "!<77>" for other codes of destination unreachable, "!<12-0>" for other types. It is "" for what a
// trace expects: an echo reply, time to live exceeded in transit, port unreachable.
func Mark4(typ, code uint8, mtu int) string {
	switch {
	case typ == TypeEchoReply, typ == TypeTimeExceeded && code == 0:
		return ""
	case typ != TypeDestinationUnreachable:
		return markOfType(typ, code)
	case code == CodeFragmentationNeeded:
		return markOfMTU(mtu)
	}
	return markOfCode(marks4[:], code)
}

// Mark6 is [Mark4] for ICMPv6: "!N", "!H", "!X", "!F-1400" for packet too big, "!<5>" for the other codes of destination
// unreachable, "!<4-1>" for other types.
func Mark6(typ, code uint8, mtu int) string {
	switch {
	case typ == Type6EchoReply, typ == Type6TimeExceeded && code == 0:
		return ""
	case typ == Type6PacketTooBig:
		return markOfMTU(mtu)
	case typ != Type6DestinationUnreachable:
		return markOfType(typ, code)
	}
	return markOfCode(marks6[:], code)
}

func markOfType(typ, code uint8) string {
	return "!<" + strconv.Itoa(int(typ)) + "-" + strconv.Itoa(int(code)) + ">"
}

func markOfCode(marks []string, code uint8) string {
	if int(code) < len(marks) {
		return marks[code]
	}
	return "!<" + strconv.Itoa(int(code)) + ">"
}

func markOfMTU(mtu int) string {
	if mtu == 0 {
		return "!F"
	}
	return "!F-" + strconv.Itoa(mtu)
}
