// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"connmonitor/internal/rawsock"
)

// machine reads what is said about our own machine.
func (a *args) machine(word string) action {
	var set func(n *Net, k *kernel)
	switch word {
	case "step":
		d := a.duration()
		set = func(n *Net, _ *kernel) { n.offset += d }
	case "stall":
		set = a.stall()
	case "busy":
		d := a.positive()
		set = func(_ *Net, k *kernel) { k.busy = time.Duration(d) }
	case "deny":
		set = a.deny()
	case "buffer":
		v := a.number(1 << 30)
		set = func(_ *Net, k *kernel) { k.buffer = v }
	case "cut":
		v := a.number(rawsock.Batch)
		set = func(_ *Net, k *kernel) { k.cut = v }
	case "damaged":
		v := a.number(1<<32 - 1)
		set = func(_ *Net, k *kernel) { k.damaged = uint32(v) }
	case "seed":
		v := a.number(1 << 30)
		set = func(n *Net, _ *kernel) { n.rng = rand.New(rand.NewPCG(uint64(v), 0)) }
	case "drops":
		v := a.number(1<<32 - 1)
		set = func(n *Net, k *kernel) { n.addDrops(k, uint32(v)) }
	case "full":
		d := a.positive()
		set = func(n *Net, k *kernel) { k.fullTill = n.reading() + d }
	case "fail":
		e, v := a.errno(), a.number(1<<30)
		set = func(_ *Net, k *kernel) { k.fail, k.failures = e, v }
	case "surface":
		e := a.errno()
		set = func(_ *Net, k *kernel) { k.surface = e }
	case "unstamped":
		set = a.unstamped()
	default:
		a.fail("%q is no statement", word)
	}
	return func(n *Net) error {
		if set == nil {
			return errors.New("nothing to do")
		}
		set(n, &n.kernel)
		return nil
	}
}

func (n *Net) reading() int64 {
	if n.manual {
		return n.mono
	}
	return int64(time.Since(n.start))
}

func (n *Net) addDrops(k *kernel, v uint32) {
	k.drops += v
	for _, s := range n.sockets {
		s.drops += v
	}
}

func (a *args) stall() func(*Net, *kernel) {
	w, d := a.word(), a.positive()
	c := slices.Index(callNames[:], w)
	if a.err == nil && c < 0 {
		a.fail("%q cannot be stalled; there are %v", w, callNames)
	}
	return func(_ *Net, k *kernel) { k.stalls[c] = time.Duration(d) }
}

func (a *args) deny() func(*Net, *kernel) {
	names := []string{rawsock.Raw: "raw", rawsock.Datagram: "datagram", rawsock.UDP: "udp"}
	var denied [rawsock.RawTCP + 1]bool
	for a.more() {
		w := a.word()
		kind := slices.Index(names, w)
		if kind < 0 {
			a.fail("%q is no kind of socket; there are %v", w, names)
			break
		}
		denied[kind] = true
	}
	// Who may not open one raw socket may open none.
	denied[rawsock.RawUDP], denied[rawsock.RawTCP] = denied[rawsock.Raw], denied[rawsock.Raw]
	return func(_ *Net, k *kernel) { k.denied = denied }
}

func (a *args) unstamped() func(*Net, *kernel) {
	switch w := a.word(); w {
	case "tx":
		return func(_ *Net, k *kernel) { k.noTX = true }
	case "rx":
		return func(_ *Net, k *kernel) { k.noRX = true }
	default:
		a.fail("%q is neither tx nor rx", w)
		return nil
	}
}
