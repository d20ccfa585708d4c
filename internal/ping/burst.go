// SPDX-License-Identifier: Apache-2.0

package ping

import (
	"syscall"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/vitals"
)

// retryAfter is when a postponed burst is tried again, in ns.
const retryAfter = int64(20 * time.Millisecond)

// Due is for prober: a burst is to begin, or the next ping of one to leave.
// What is late is caught up with at once.
func (p *Pinger) Due(id uint32, now int64) {
	for p.targets.Entries[id].sending != none || p.begin(id, now) {
		if p.send(id, now); p.targets.Entries[id].sending != none || p.plans[p.targets.Entries[id].plan].Period == 0 {
			return
		}
	}
}

// lately is for how long a stamp tells that the way to a target stamps packets,
// in s: the route may change to an interface that does not.
const lately = 10

// seconds rounds a monotonic time up to what target.stamped counts, 1 at least.
func seconds(mono int64) int32 { return int32(mono/int64(time.Second)) + 1 }

// tooLate is how late a burst may begin. What is later by this and by a period
// (this process was stopped for a while) is not caught up with: that would be
// a burst of bursts. The schedule stays.
const tooLate = int64(50 * time.Millisecond)

// begin opens the burst that is due; false when none is.
func (p *Pinger) begin(id uint32, now int64) bool {
	if !p.targets.Open(id) {
		return false
	}
	t := &p.targets.Entries[id]
	if t.nextBurst > now+prober.Slack {
		p.loop.Set(t.Timer, t.nextBurst)
		return false
	}
	plan := &p.plans[t.plan]
	if p.loop.Congested() {
		p.postpone(t, plan, now)
		return false
	}
	if period := int64(plan.Period); period > 0 && now-t.nextBurst >= max(period, tooLate) {
		n := (now - t.nextBurst) / period
		p.missed.Add(uint64(n))
		t.nextBurst += n * period
	}
	t.nextPing = t.nextBurst
	t.nextBurst = never
	if plan.Period > 0 {
		t.nextBurst = t.nextPing + int64(plan.Period)
	}
	t.Round++
	t.sending = p.newBurst(id)
	return true
}

// postpone leaves out a burst that the cap on the rate has no room for; one
// that was asked for by Start waits for room.
func (p *Pinger) postpone(t *target, plan *Plan, now int64) {
	if plan.Period > 0 {
		p.missed.Add(1)
		t.nextBurst += int64(plan.Period)
	} else {
		t.nextBurst = now + retryAfter
	}
	p.loop.Set(t.Timer, t.nextBurst)
}

func (p *Pinger) newBurst(id uint32) int32 {
	var b int32
	if n := len(p.unused); n > 0 {
		b, p.unused = p.unused[n-1], p.unused[:n-1]
	} else {
		b = int32(len(p.bursts))
		p.bursts = append(p.bursts, burst{})
	}
	t := &p.targets.Entries[id]
	p.bursts[b] = burst{target: id, number: t.Round, next: t.awaited, count: uint16(p.plans[t.plan].Count)}
	t.awaited = b
	p.open++
	return b
}

// send sends the pings of the burst that are due, and sets the timer for what
// comes next: a ping of this burst or the burst after it.
func (p *Pinger) send(id uint32, now int64) {
	t := &p.targets.Entries[id]
	plan := &p.plans[t.plan]
	probe := prober.Probe{
		To: t.to, From: plan.From, Iface: plan.Iface, Size: plan.Size,
		Timeout: plan.Timeout, TOS: plan.TOS, DF: plan.DF, Ref: id,
		Stamps: t.stamped != 0 && seconds(now)-t.stamped < lately,
	}
	b := t.sending
	for p.bursts[b].sent < p.bursts[b].count && t.nextPing <= now+prober.Slack {
		if now-t.nextPing > int64(p.loop.Tick())+prober.Slack {
			p.late.Add(1)
		}
		probe.Tag = uint32(p.bursts[b].number)<<16 | uint32(p.bursts[b].sent)
		p.bursts[b].sent++
		// Two pings of a target never leave closer than half their spacing:
		// after a pause of this process, what is due of a burst is not sent at
		// once (seven pings of 64 KiB overran a responder; that was our loss).
		t.nextPing = max(t.nextPing+int64(plan.Interval), now+int64(plan.Interval)/2)
		p.loop.Send(p.client, &probe)
		t = &p.targets.Entries[id] // Send may have called Verdict, and that Add
	}
	if p.bursts[b].sent < p.bursts[b].count {
		p.loop.Set(t.Timer, t.nextPing)
		return
	}
	t.sending = none
	if t.nextBurst != never && p.targets.Open(id) {
		p.loop.Set(t.Timer, t.nextBurst)
	}
	p.complete(b)
}

// Verdict is for prober.
func (p *Pinger) Verdict(id, tag uint32, r *prober.Result) {
	b := p.find(id, uint16(tag>>16))
	if b == none {
		return // a duplicate of a burst that is complete
	}
	u := &p.bursts[b]
	switch r.Verdict {
	case prober.Duplicate:
		u.duplicate++
		return
	case prober.Replied:
		u.sample.Add(r.RTT)
		p.targets.Entries[id].stamped = 0
		if r.Stamped {
			p.targets.Entries[id].stamped = seconds(p.loop.Now())
		}
	case prober.Unknown:
		u.unknown++
		u.cause = uint16(r.Errno)
	case prober.Unreachable, prober.Expired:
		u.unreachable++
	case prober.Late:
		u.late++
	}
	u.ended++
	p.complete(b)
}

func (p *Pinger) find(id uint32, number uint16) int32 {
	b := p.targets.Entries[id].awaited
	for b != none && p.bursts[b].number != number {
		b = p.bursts[b].next
	}
	return b
}

// complete hands a burst over when all its pings have left and have their
// verdict.
func (p *Pinger) complete(b int32) {
	u := &p.bursts[b]
	t := &p.targets.Entries[u.target]
	if u.ended < u.count || t.sending == b {
		return
	}
	p.result = vitals.Ping{
		Sent: int(u.count), Unknown: int(u.unknown), Unreachable: int(u.unreachable),
		Late: int(u.late), Duplicate: int(u.duplicate), Ended: p.loop.Wall(),
	}
	u.sample.Fill(&p.result)
	id, key, cause := u.target, t.Key, syscall.Errno(u.cause)
	p.closeBurst(b)
	p.done(key, &p.result, cause)
	p.settle(id)
}

func (p *Pinger) closeBurst(b int32) {
	at := &p.targets.Entries[p.bursts[b].target].awaited
	for *at != b {
		at = &p.bursts[*at].next
	}
	*at = p.bursts[b].next
	p.unused = append(p.unused, b)
	p.open--
}

// settle frees a removed target when its last burst is complete.
func (p *Pinger) settle(id uint32) {
	t := &p.targets.Entries[id]
	plan := t.plan
	if p.targets.Settle(id, t.awaited == none) {
		p.planUses[plan]--
		p.loop.Retune()
	}
}
