// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"connmonitor/internal/heartbeat"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/service"
	"connmonitor/internal/vantage"
)

// auditEvery is how often the loops' accounts of themselves are looked at.
const auditEvery = 10 * time.Second

// auditor looks at the accounts when something has been measured, and has no
// timer of its own: an idle monitor must not wake for it.
type auditor struct {
	last  atomic.Int64 // when it last looked, ns since the epoch
	due   chan struct{}
	pulse *heartbeat.Pulse // of audit
}

// measured is told that something was measured at now.
func (a *auditor) measured(now time.Time) {
	last := a.last.Load()
	since := now.UnixNano() - last // below 0: the clock was set back
	if since >= 0 && since < int64(auditEvery) || !a.last.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	select {
	case a.due <- struct{}{}:
	default: // it is still at the one before
	}
}

// audit tells what our own side does to the measurements: a warning when it
// begins, and one with the number when it has ended. Loss and times that are
// ours must never look like the network's.
func (m *Monitor) audit(ctx context.Context) error {
	concerns := concerns()
	before := m.account()
	for {
		select {
		case <-ctx.Done(): // a last look, for what came after the one before
		case <-m.auditor.due:
		case <-m.auditor.pulse.Asked():
			m.auditor.pulse.Beat()
			continue
		}
		now := m.account()
		for i := range concerns {
			m.tell(&concerns[i], before, now)
		}
		m.tellGaps(before, now)
		if ctx.Err() != nil {
			for i := range concerns {
				m.tell(&concerns[i], now, now) // whatever goes on ends here
			}
			return unaccounted(now.families)
		}
		before = now
	}
}

// account is what all that measures says of itself.
type account struct {
	families [2]vantage.Account
	scans    service.Stats
}

func (m *Monitor) account() account { return account{m.point.Stats(), m.point.Scans()} }

// both adds a figure up over the families.
func both(count func(a *vantage.Account) uint64) func(a *account) uint64 {
	return func(a *account) uint64 { return count(&a.families[0]) + count(&a.families[1]) }
}

// concern is one thing that our own side can do to the measurements.
type concern struct {
	begin string // what is said when it begins
	end   string // and when it has ended; %d is how often it happened
	count func(a *account) uint64
	// share is the part of all probes, in percent, that it must touch to be told
	// of; 0: once is enough.
	share uint64
	// gap tells that it comes of a time in which the process did not run, too,
	// which is told by itself.
	gap bool
	sum uint64 // since it began; 0: it has not
}

func concerns() []concern {
	return []concern{
		{
			begin: "the receive buffer is full and the kernel drops packets: what goes unanswered meanwhile is unknown, not lost (a larger net.core.rmem_max helps)",
			end:   "the kernel drops packets no more; it dropped %d",
			count: both(func(a *vantage.Account) uint64 { return a.Probes.Drops }),
		},
		{
			begin: "the kernel gives no time stamps for some packets: their times are this program's own, and less exact",
			end:   "the kernel stamps all packets again; %d times were this program's own",
			count: both(func(a *vantage.Account) uint64 { return a.Probes.Unstamped }),
		},
		{
			begin: "bursts of pings are left out: this machine is too busy, or --rate too low, for what is configured",
			end:   "bursts of pings are left out no more; %d were",
			count: both(func(a *vantage.Account) uint64 { return a.Pings.Missed }),
			gap:   true,
		},
		{
			begin: "scans wait for file descriptors: raise the limit of open files (LimitNOFILE= of the unit, ulimit -n), or lower --scan-parallel",
			end:   "scans wait for file descriptors no more; %d attempts had to",
			count: func(a *account) uint64 { return a.scans.Starved },
		},
		{
			// A few are late whenever something else runs here for a while.
			begin: "more than one ping in twenty leaves later than planned: this machine is busy (measured times are not touched by it)",
			end:   "pings leave as planned again; %d were late",
			count: both(func(a *vantage.Account) uint64 { return a.Pings.Late }),
			share: 5,
			gap:   true,
		},
	}
}

// enough is how often something must have happened of which a share is told.
const enough = 20

func (m *Monitor) tell(c *concern, before, now account) {
	var sent, gaps uint64
	d := c.count(&now) - c.count(&before)
	for i := range now.families {
		sent += now.families[i].Probes.Sent - before.families[i].Probes.Sent
		gaps += now.families[i].Probes.Gaps - before.families[i].Probes.Gaps
	}
	if 100*d <= c.share*sent || c.share > 0 && d < enough || c.gap && gaps > 0 {
		d = 0
	}
	switch {
	case d > 0 && c.sum == 0:
		m.log.Warn("%s", c.begin)
	case d == 0 && c.sum > 0:
		m.log.Warn(c.end, c.sum)
		c.sum = 0
	}
	c.sum += d
}

// tellGaps tells of the times in which this process did not run.
func (m *Monitor) tellGaps(before, now account) {
	for i := range now.families {
		b, n := &before.families[i].Probes, &now.families[i].Probes
		if n.Gaps != b.Gaps {
			m.log.Warn("this process did not run for %v: nothing was measured in that time, and nothing is lost by it",
				(n.Stopped - b.Stopped).Round(time.Millisecond))
			return
		}
	}
	if now.families[0].Probes.ClockSteps != before.families[0].Probes.ClockSteps {
		m.log.Warn("the clock of this machine was set: time stamps of records jump, measured times do not")
	}
}

// unaccounted is the last look at the accounts: each probe of an ended loop has
// had one verdict.
func unaccounted(now [2]vantage.Account) error {
	for i := range now {
		if n := now[i].Probes.Unaccounted(); n != 0 {
			return fmt.Errorf("%d %s probes are unaccounted for: please report this, with %+v",
				n, rawsock.FamilyName(i == 1), now[i].Probes)
		}
	}
	return nil
}
