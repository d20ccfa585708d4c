// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"fmt"
	"net/netip"
	"os"
)

// MPLS reports whether the kernel switches labels, as it does where the modules
// mpls_router and mpls_iptunnel are.
func MPLS() error {
	_, err := os.Stat("/proc/sys/net/mpls")
	return err
}

// The labels of a path: that of IPv4, and that of IPv6, at the router of index 0.
const (
	firstLabel4 = 100
	firstLabel6 = 600
	mostLabels  = 1000
)

// LabelPath makes routers of a Chain a label switched path (RFC 3031) for what
// goes to the server's prefixes: the router of the first index pushes a label,
// those behind it swap it, and the one before the last takes it away (RFC 3031,
// 3.16). Linux copies the TTL into the label and back, and where it ends within
// the path drops the packet without a word.
func (t *Topology) LabelPath(first, last int) {
	t.Lab.t.Helper()
	for i := first + 1; i < last; i++ {
		in := t.Links[i].B
		in.Node.Sysctl(fmt.Sprintf("net.mpls.platform_labels=%d", mostLabels), "net.mpls.conf."+in.Device+".input=1")
	}
	for label, farm := range map[int]netip.Prefix{firstLabel4: t.Farm4, firstLabel6: t.Farm6} {
		family := map[bool]string{true: "inet", false: "inet6"}[farm.Addr().Is4()]
		next := func(i int) string { return t.Links[i+1].B.address(farm).String() }
		t.Routers[first].batch(fmt.Sprintf("route replace %s encap mpls %d via %s", farm, label+first+1, next(first)))
		for i := first + 1; i < last; i++ {
			args := []string{"-f", "mpls", "route", "replace", fmt.Sprint(label + i)}
			if i < last-1 {
				args = append(args, "as", fmt.Sprint(label+i+1))
			}
			t.Routers[i].IP(append(args, "via", family, next(i))...)
		}
	}
}
