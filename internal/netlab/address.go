// SPDX-License-Identifier: Apache-2.0

package netlab

import "net/netip"

// Address gives a device of the node one more address, with its prefix length,
// and waits until it is local, which for IPv6 the kernel sees to a moment
// later; what comes before is lost.
func (n *Node) Address(prefix, device string) {
	n.lab.t.Helper()
	p, err := netip.ParsePrefix(prefix)
	if err != nil {
		n.lab.t.Fatalf("netlab: node %s: %v", n.Name, err)
	}
	n.batch("addr add " + p.String() + " dev " + device + nodad(p))
	if p.Addr().Is4() {
		return
	}
	n.await("local route to "+prefix, func() (bool, error) { return isLocal6(p.Addr()) })
}
