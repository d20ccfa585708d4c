// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"fmt"
	"net/netip"
)

// txQueue is the transmit queue of every device, in frames: long enough that a
// prober's bursts are not cut by the laboratory.
const txQueue = 10000

// Link joins two nodes.
type Link struct {
	// A and B are its ends, in the order the nodes were given.
	A, B *Endpoint

	lab    *Lab
	number int
	mtu    int
	line   *line // nil for a veth pair
}

// Endpoint is where a link meets a node: a network device.
type Endpoint struct {
	Node *Node
	// Device is the name of the device in the node.
	Device string
	// MAC is its Ethernet address.
	MAC string
	// Addr4 and Addr6 are its addresses; the zero Addr for a family that an
	// option left out.
	Addr4, Addr6 netip.Addr

	link *Link
	peer *Endpoint
	down bool // by Down
}

// LinkOption changes how a link is made.
type LinkOption func(*Link)

// MTU sets the maximum transmission unit of both ends, in bytes (default 1500;
// IPv6 needs 1280 or more).
func MTU(bytes int) LinkOption { return func(l *Link) { l.mtu = bytes } }

// IPv4Only leaves the link without IPv6 addresses.
func IPv4Only() LinkOption {
	return func(l *Link) { l.A.Addr6, l.B.Addr6 = netip.Addr{}, netip.Addr{} }
}

// IPv6Only leaves the link without IPv4 addresses.
func IPv6Only() LinkOption {
	return func(l *Link) { l.A.Addr4, l.B.Addr4 = netip.Addr{}, netip.Addr{} }
}

// Veth joins two nodes by a virtual Ethernet pair, which has addresses on both
// ends (10.64.k.1/30 and .2, fd64:0:0:k::1/64 and ::2 for the k-th link of the
// laboratory), knows its neighbours, and is up.
func (l *Lab) Veth(a, b *Node, opts ...LinkOption) *Link {
	l.t.Helper()
	link := l.newLink(a, b, opts)
	// The kernel lets a carrier event wait up to a second unless it looks
	// urgent, and a device whose peer has another index does.
	end := func(e *Endpoint, index int) string {
		return fmt.Sprintf("%s index %d address %s mtu %d txqueuelen %d", e.Device, index, e.MAC, link.mtu, txQueue)
	}
	index := 100 + 2*link.number
	a.batch(fmt.Sprintf("link add name %s type veth peer name %s netns %s", end(link.A, index), end(link.B, index+1), b.path()))
	link.start()
	return link
}

// newLink chooses names and addresses.
func (l *Lab) newLink(a, b *Node, opts []LinkOption) *Link {
	l.t.Helper()
	k := len(l.links)
	if k >= 32<<8 {
		l.t.Fatalf("netlab: more than %d links", k)
	}
	link := &Link{lab: l, number: k, mtu: 1500}
	link.A, link.B = l.newEndpoint(link, a, 1), l.newEndpoint(link, b, 2)
	link.A.peer, link.B.peer = link.B, link.A
	for _, opt := range opts {
		opt(link)
	}
	l.links = append(l.links, link)
	return link
}

// newEndpoint is the host-th host of a link's networks. 10.64.0.0/11 leaves
// 10.96.0.0 and up to farms.
func (l *Lab) newEndpoint(link *Link, n *Node, host byte) *Endpoint {
	hi, lo := byte(link.number>>8), byte(link.number)
	e := &Endpoint{
		Node:   n,
		Device: fmt.Sprintf("eth%d", len(n.ports)),
		MAC:    fmt.Sprintf("02:00:00:%02x:%02x:%02x", hi, lo, host),
		Addr4:  netip.AddrFrom4([4]byte{10, 64 + hi, lo, host}),
		Addr6:  netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x64, 6: hi, 7: lo, 15: host}),
		link:   link,
	}
	n.ports = append(n.ports, e)
	return e
}

// start gives both devices their addresses, brings them up and waits until
// they carry frames.
func (l *Link) start() {
	l.lab.t.Helper()
	for _, e := range []*Endpoint{l.A, l.B} {
		var lines []string
		for _, p := range e.prefixes() {
			lines = append(lines, fmt.Sprintf("addr add %s dev %s%s", p, e.Device, nodad(p)))
		}
		e.Node.batch(append(append(lines, fmt.Sprintf("link set %s up", e.Device)), e.neighbours()...)...)
	}
	l.Settle()
}

func nodad(p netip.Prefix) string {
	if p.Addr().Is6() {
		return " nodad"
	}
	return ""
}

// prefixes are the addresses of the end with their prefix lengths.
func (e *Endpoint) prefixes() []netip.Prefix {
	var p []netip.Prefix
	if e.Addr4.IsValid() {
		p = append(p, netip.PrefixFrom(e.Addr4, 30))
	}
	if e.Addr6.IsValid() {
		p = append(p, netip.PrefixFrom(e.Addr6, 64))
	}
	return p
}

// neighbours makes the other end known for good, so that no first packet waits
// for, or is lost to, ARP and neighbour discovery.
func (e *Endpoint) neighbours() []string {
	var lines []string
	for _, p := range e.peer.prefixes() {
		lines = append(lines, fmt.Sprintf("neigh replace %s lladdr %s dev %s nud permanent", p.Addr(), e.peer.MAC, e.Device))
	}
	return lines
}

// Down takes end A of the link down: node A loses its routes over it, and B
// its carrier (but keeps it on a line). To take the other end down use B.Down.
func (l *Link) Down() {
	l.lab.t.Helper()
	l.A.Down()
}

// Up undoes Down, routes of Node.Route and Lab.Converge included.
func (l *Link) Up() {
	l.lab.t.Helper()
	l.A.Up()
}

// Down takes the device down: its node loses the routes over it, and the other
// end its carrier (but keeps it on a line).
func (e *Endpoint) Down() {
	e.link.lab.t.Helper()
	e.down = true
	e.Node.batch(fmt.Sprintf("link set %s down", e.Device))
}

// Up undoes Down: the device is up, its neighbour known, and the routes over
// it that Node.Route and Lab.Converge set are there again.
func (e *Endpoint) Up() {
	e.link.lab.t.Helper()
	e.down = false
	e.Node.batch(append([]string{fmt.Sprintf("link set %s up", e.Device)}, e.neighbours()...)...)
	e.link.Settle()
	e.Node.restoreRoutes(e.peer)
}

// Narrow changes the MTU of both ends, in bytes; below 1280 they lose IPv6.
func (l *Link) Narrow(bytes int) {
	l.lab.t.Helper()
	l.mtu = bytes
	for _, e := range []*Endpoint{l.A, l.B} {
		e.Node.batch(fmt.Sprintf("link set %s mtu %d", e.Device, bytes))
	}
}

// Settle waits until both ends carry frames and know their addresses, which
// the kernel sees to a moment later, from work queues: it starts a veth's queue
// after its carrier, and the local route of an IPv6 address after what would
// have been duplicate address detection; what comes before is lost. Veth, Line
// and Up have settled when they return, unless the other end is down.
func (l *Link) Settle() {
	l.lab.t.Helper()
	if l.A.down || l.B.down {
		return
	}
	for _, e := range []*Endpoint{l.A, l.B} {
		e.Node.await("carrier or no IPv6 address on device "+e.Device, e.ready)
	}
}

// ready reports whether the device, in the namespace of the calling thread,
// carries frames and has its address.
func (e *Endpoint) ready() (bool, error) {
	running, err := deviceRunning(e.Device)
	if err != nil || !running || !e.Addr6.IsValid() {
		return running, err
	}
	return isLocal6(e.Addr6)
}
