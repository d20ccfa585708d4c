// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"errors"
	"net/netip"
	"sync"

	"connmonitor/internal/vitals"
)

// ASSource tells the autonomous systems of addresses: Origins, or a file of
// them (mmdb).
type ASSource interface {
	// Lookup returns at once what is known; false when that may still come.
	Lookup(addr netip.Addr) (as AS, known bool)
	// Wait returns when what can be known of the addresses is, or with the error
	// of ctx.
	Wait(ctx context.Context, addrs []netip.Addr) error
}

// Hops tells of the addresses of paths what the network itself does not: their
// names, and whose they are.
type Hops struct {
	names *Names
	as    ASSource // nil: nobody is asked
}

// NewHops makes a Hops that asks nothing until Run. A nil as leaves out
// autonomous systems.
func NewHops(names *Names, as ASSource) *Hops { return &Hops{names: names, as: as} }

// runner is an ASSource that asks by itself.
type runner interface {
	Run(ctx context.Context) error
	Prove(beat func())
}

// Run asks until ctx is done.
func (h *Hops) Run(ctx context.Context) error {
	var asked sync.WaitGroup
	var errs [2]error
	asked.Go(func() { errs[0] = h.names.Run(ctx) })
	if r, ok := h.as.(runner); ok {
		asked.Go(func() { errs[1] = r.Run(ctx) })
	}
	asked.Wait()
	return errors.Join(errs[:]...)
}

// Loops are where the loops of Run are asked to prove that they run.
func (h *Hops) Loops() []func(beat func()) {
	loops := []func(func()){h.names.Prove}
	if r, ok := h.as.(runner); ok {
		loops = append(loops, r.Prove)
	}
	return loops
}

// Describe writes what is known by now into the hops of a path, and has the rest
// asked for. It waits for nobody.
func (h *Hops) Describe(p *vitals.Path) {
	for i := range p.Hops {
		hop := &p.Hops[i]
		if hop.Silent() {
			continue
		}
		hop.Name, _ = h.names.Lookup(hop.Addr)
		if h.as != nil {
			as, _ := h.as.Lookup(hop.Addr)
			hop.AS = vitals.AS{Number: as.Number, Name: as.Name}
		}
	}
	for i := range p.Others {
		h.Describe(&p.Others[i])
	}
}

// Wait returns when what can be known of the hops of a path is, or with the error
// of ctx. It needs Run.
func (h *Hops) Wait(ctx context.Context, p *vitals.Path) error {
	addrs := addressesOf(p, nil)
	if err := h.names.Wait(ctx, addrs); err != nil || h.as == nil {
		return err
	}
	return h.as.Wait(ctx, addrs)
}

func addressesOf(p *vitals.Path, addrs []netip.Addr) []netip.Addr {
	for i := range p.Hops {
		if !p.Hops[i].Silent() {
			addrs = append(addrs, p.Hops[i].Addr)
		}
	}
	for i := range p.Others {
		addrs = addressesOf(&p.Others[i], addrs)
	}
	return addrs
}
