// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"fmt"
	"net/netip"
)

// SourceNAT makes the node, as a router, send what leaves by the device with its
// own address there (RFC 3022). Answers, and ICMP errors with what they quote,
// are translated back.
func (n *Node) SourceNAT(out *Endpoint) {
	n.lab.t.Helper()
	n.NFT(fmt.Sprintf(`table inet netlab_source_nat {
	chain postrouting {
		type nat hook postrouting priority 100;
		oifname %q masquerade
	}
}`, out.Device))
}

// DestinationNAT makes the node, as a router, send what goes to one address to
// another. It keeps track of connections: answers, and ICMP errors with what
// they quote, are translated back.
func (n *Node) DestinationNAT(from, to netip.Addr) {
	n.lab.t.Helper()
	n.NFT(fmt.Sprintf(`table %[1]s netlab_destination_nat {
	chain prerouting {
		type nat hook prerouting priority -100;
		%[1]s daddr %[2]s dnat to %[3]s
	}
}`, nftFamily(from), from, to))
}

// StatelessNAT is DestinationNAT by a router that looks at each packet alone
// (as RFC 6296 does): the ICMP errors of those behind it pass as they are, and
// quote the probe with the address that it was given.
func (n *Node) StatelessNAT(from, to netip.Addr) {
	n.lab.t.Helper()
	n.NFT(fmt.Sprintf(`table %[1]s netlab_stateless_nat {
	chain prerouting {
		type filter hook prerouting priority -300;
		%[1]s daddr %[2]s %[1]s daddr set %[3]s
		%[1]s saddr %[3]s %[1]s saddr set %[2]s
	}
}`, nftFamily(from), from, to))
}

// nftFamily is what nft(8) calls the family of an address.
func nftFamily(a netip.Addr) string {
	if a.Is4() {
		return "ip"
	}
	return "ip6"
}
