// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/binary"
	"hash/fnv"

	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// target is one that is traced.
type target struct {
	prober.Entry // its Round is the upper half of a probe's tag

	to     rawsock.Addr
	from   rawsock.Addr // source address of the trace that is under way
	plan   Plan
	flows  []flow
	active bool // a trace is under way
	// sending tells that probes are being asked for: one that is refused at once
	// must not advance the trace again.
	sending bool
	// repeats counts the traces that are made again because they differ from the
	// memory.
	repeats uint8
	held    uint8 // traces in a row in which a change has waited
}

// flow is what is known of one flow to a target.
type flow struct {
	sum    uint16 // the checksum of all its ICMP probes
	memory Memory
	run    *run // of the trace that is under way
	over   bool // and it has ended
	next   int64
	// path is what the run has found; differing what the one before did, where the
	// trace is made again because that differs from the memory.
	path, differing *vitals.Path
}

func newTarget(to rawsock.Addr, plan Plan) target {
	flows := make([]flow, max(1, plan.Flows))
	for i := range flows {
		flows[i].sum = Checksum(to, i)
	}
	return target{to: to, plan: plan, flows: flows}
}

// idle reports whether no trace is under way.
func (e *target) idle() bool { return !e.active }

// Checksum chooses the constant checksum of the ICMP probes of a flow. It is
// the same each time, so that a restart of the program does not look like a
// change of the route. 0 would mean no checksum, 0xffff is none that a sum can
// have.
func Checksum(to rawsock.Addr, flow int) uint16 {
	h := fnv.New32a()
	_, _ = h.Write(to.IP[:])
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], h.Sum32())
	v := binary.BigEndian.Uint16(b[:]) ^ binary.BigEndian.Uint16(b[2:])
	return 1 + (max(1, min(v, 0xfffe))-1+uint16(flow)*flowStep)%0xfffe
}

// flowStep is how far the checksums of two flows lie apart: no two of 64 are the
// same, and neither bits alone nor their sum repeat soon.
const flowStep = 997

// probeSize is the payload of a trace's probe: room for the balancing word and
// as much again.
const probeSize = 32

// probe is the one to a TTL in a flow.
func (e *target) probe(id uint32, flow int, ttl uint8) prober.Probe {
	return prober.Probe{
		Method: e.plan.Method, To: e.to, From: e.from, Iface: e.plan.Iface, TOS: e.plan.TOS,
		Size: probeSize, Timeout: e.plan.Timeout, TTL: ttl,
		Checksum: e.flows[flow].sum, Port: e.plan.Port, Flow: uint8(flow),
		Ref: id, Tag: uint32(e.Round)<<16 | uint32(ttl)<<8 | uint32(flow),
	}
}
