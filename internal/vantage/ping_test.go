// SPDX-License-Identifier: Apache-2.0

package vantage

import (
	"math"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"connmonitor/internal/netlab"
	"connmonitor/internal/rawsock"
	"connmonitor/internal/vitals"
)

// dead lets the server not answer the hosts 10.99.0.9 and fd99::9.
func dead(n *netlab.Node) {
	n.NFT(`table inet dead {
	chain input {
		type filter hook input priority 0;
		ip daddr 10.99.0.9 drop
		ip6 daddr fd99::9 drop
	}
}`)
}

// TestDefect01And02DeadHostChangesNothing: a dead host is reported, by its own
// deadlines and on its own schedule, and the living one beside it is measured
// as if it were alone. (Pain 5.)
func TestDefect01And02DeadHostChangesNothing(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	dead(top.Server)
	for _, kind := range []rawsock.Kind{rawsock.Raw, rawsock.Datagram} {
		top.Client.AllowPings()
		b := run(t, top.Client, Options{}, kind)
		living, gone := pings(5, 20*time.Millisecond), pings(5, 20*time.Millisecond)
		gone.Timeout = 200 * time.Millisecond
		b.add(1, top.Host4(1), living)
		b.add(2, top.Host4(9), gone)
		b.add(3, top.Host6(1), living)
		b.add(4, top.Host6(9), gone)
		const bursts = 8
		for _, key := range []uint32{2, 4} {
			for _, r := range b.of(t, key, bursts) {
				p := r.Ping
				if p.Sent != 5 || p.Received+p.Unknown+p.Unreachable+p.Late != 0 || p.Loss() != 100 ||
					p.Min != -1 || p.Mean != -1 || p.Max != -1 || p.Std != -1 {
					t.Errorf("%s: dead host: %+v", kind, p)
				}
			}
		}
		// The same schedule, so the living one had no fewer bursts meanwhile.
		for _, key := range []uint32{1, 3} {
			alive := of(b.results(), key)
			if len(alive) < bursts {
				t.Errorf("%s: %d bursts of the living host beside %d of the dead one", kind, len(alive), bursts)
			}
			for _, r := range alive {
				wantWhole(t, r, 5)
			}
		}
		b.account()
	}
}

// TestDefect03SameHostTwiceAndProcessesBesideEachOther: two targets of one
// process, two other processes and a foreign ping, all of one host: every
// reply goes to whom it is for. (Pain 1.)
func TestDefect03SameHostTwiceAndProcessesBesideEachOther(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	top.Client.AllowPings() // for ping
	hosts := []netip.Addr{top.Host4(1), top.Host4(1), top.Host6(1), top.Host6(1)}
	const bursts, count = 15, 10
	var waits []func() outcome
	for _, payload := range []int{41, 4} { // with and without room for the nonce
		s := pings(count, 10*time.Millisecond)
		s.Payload = payload
		start, wait := process(t, top.Client, order{Hosts: hosts, Settings: s, Results: bursts})
		start()
		waits = append(waits, wait)
	}
	foreign := make(chan string, 2)
	for _, to := range []netip.Addr{top.Host4(1), top.Host6(1)} {
		go func() {
			out, err := top.Client.Command(t.Context(), "ping", "-n", "-i", "0.005", "-c", "100", to.String()).CombinedOutput()
			if err != nil {
				out = append(out, err.Error()...)
			}
			foreign <- string(out)
		}()
	}
	b := run(t, top.Client, Options{})
	for i, host := range hosts {
		b.add(uint32(i), host, pings(count, 10*time.Millisecond))
	}
	for i := range hosts {
		for _, r := range b.of(t, uint32(i), bursts) {
			wantWhole(t, r, count)
		}
	}
	b.account()
	for _, wait := range waits {
		for _, r := range wait().Results {
			wantWhole(t, r, count)
		}
	}
	for range 2 {
		if out := <-foreign; !regexp.MustCompile(`100 received, 0% packet loss`).MatchString(out) {
			t.Errorf("ping: %s", out)
		}
	}
}

// lossy makes the line of a Farm.
func lossy(cfg netlab.LineConfig) netlab.TopologyOption { return netlab.OnLinks(cfg, 0) }

// TestPain11LossIsExact: of thousands of pings over a line that loses one in
// ten, exactly those are lost that the line dropped, which are as many as
// chance gives.
func TestPain11LossIsExact(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t, lossy(netlab.LineConfig{Loss: 0.1, Seed: 7, Back: &netlab.LineConfig{}}))
	b := run(t, top.Client, Options{})
	const count = 4000
	s := pings(count, time.Hour)
	s.Interval, s.Timeout = 250*time.Microsecond, 2*time.Second
	for i, host := range []netip.Addr{top.Host4(1), top.Host6(1)} {
		before, _ := top.Links[0].Counters()
		b.add(uint32(i), host, s)
		p := b.of(t, uint32(i), 1)[0].Ping
		after, back := top.Links[0].Counters()
		if dropped := after.Dropped - before.Dropped; p.Lost() != int(dropped) || back.Dropped != 0 || after.Overflow != 0 {
			t.Errorf("%s: lost %d of %d, the line dropped %d: %+v", host, p.Lost(), p.Sent, dropped, p)
		}
		sigma := math.Sqrt(count * 0.1 * 0.9)
		if off := math.Abs(float64(p.Lost()) - count*0.1); off > 5*sigma || p.Known() != count || p.Late+p.Duplicate+p.Unreachable != 0 {
			t.Errorf("%s: %+v is %.0f off, %.1f sigma", host, p, off, off/sigma)
		}
	}
	b.account()
}

// TestDefect04DuplicatesAndReorderingChangeNoCount: a reply that comes twice or
// out of order is one reply, and no ping of a later burst gets it. (Pain 11.)
func TestDefect04DuplicatesAndReorderingChangeNoCount(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t, lossy(netlab.LineConfig{
		Delay: 2 * time.Millisecond, Jitter: time.Millisecond, Seed: 3,
		Duplicate: 0.2, Reorder: 0.2, Hold: 15 * time.Millisecond, // over the bursts' borders
	}))
	b := run(t, top.Client, Options{})
	const bursts, count = 20, 20
	s := pings(count, 2*time.Millisecond)
	b.add(1, top.Host4(1), s)
	b.add(2, top.Host6(1), s)
	duplicates := 0
	for _, key := range []uint32{1, 2} {
		for _, r := range b.of(t, key, bursts) {
			duplicates += r.Ping.Duplicate
			r.Ping.Duplicate = 0
			wantWhole(t, r, count)
			if r.Ping.Min < 4 {
				t.Errorf("target %d: an RTT of %v ms over a line of 2 ms", key, r.Ping.Min)
			}
		}
	}
	if duplicates == 0 {
		t.Error("no duplicate was seen")
	}
	b.account()
}

// TestJitterIsMeasured: RTTs are never shorter than the line's delay, and their
// deviation is that of the jitter (uniform: width / sqrt 12) at least.
func TestJitterIsMeasured(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t, lossy(netlab.LineConfig{
		Delay: 10 * time.Millisecond, Jitter: 20 * time.Millisecond, Seed: 5, Back: &netlab.LineConfig{Delay: 5 * time.Millisecond},
	}))
	b := run(t, top.Client, Options{})
	s := pings(100, time.Hour)
	s.Interval = 25 * time.Millisecond // frames keep their order, so closer ones would share their jitter
	b.add(1, top.Host4(1), s)
	b.add(2, top.Host6(1), s)
	for _, key := range []uint32{1, 2} {
		r := b.of(t, key, 1)[0]
		wantWhole(t, r, 100)
		if p := r.Ping; p.Min < 15 || p.Max < p.Min+10 || p.Std < 3 {
			t.Errorf("%+v", p)
		}
	}
}

// TestDefect05LargestPayload: the payload is really sent, whole, and what comes
// back is taken for a reply only when it is whole.
func TestDefect05LargestPayload(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	top.Client.AllowPings()
	for _, kind := range []rawsock.Kind{rawsock.Raw, rawsock.Datagram} {
		b := run(t, top.Client, Options{}, kind)
		for i, payload := range []int{1, 15, 16, 17, 1472, 1473, 2000, 65507} {
			s := pings(3, time.Hour)
			s.Payload = payload
			b.add(uint32(2*i), top.Host4(i), s)
			b.add(uint32(2*i+1), top.Host6(i), s)
			wantWhole(t, b.of(t, uint32(2*i), 1)[0], 3)
			wantWhole(t, b.of(t, uint32(2*i+1), 1)[0], 3)
		}
		b.account()
	}
}

// TestDontFragmentSocketIsUsed: pings with df that do not fit are refused here,
// those that fit are answered, on the socket that others use too.
func TestDontFragmentSocketIsUsed(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	b := run(t, top.Client, Options{})
	for i, host := range []netip.Addr{top.Host4(1), top.Host6(1)} {
		fits, big, plain := pings(5, time.Hour), pings(5, time.Hour), pings(5, time.Hour)
		fits.DF, big.DF, big.Payload, plain.Payload = true, true, 3000, 3000
		b.add(uint32(10*i), host, fits)
		b.add(uint32(10*i+1), host, big)
		b.add(uint32(10*i+2), host, plain)
		wantWhole(t, b.of(t, uint32(10*i), 1)[0], 5)
		wantWhole(t, b.of(t, uint32(10*i+2), 1)[0], 5)
		if r := b.of(t, uint32(10*i+1), 1)[0]; r.Ping.Unknown != 5 || r.Cause.Error() != "message too long" {
			t.Errorf("%+v, %v", r.Ping, r.Cause)
		}
	}
}

// TestReceiveBufferTooSmallIsUnknown: what our own full buffer cost is not the
// network's loss. (Pain 6.)
func TestPain06ReceiveBufferTooSmallIsUnknown(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	o := Options{}
	o.Loop.Buffer = 1 // the kernel grants its least
	b := run(t, top.Client, o)
	s := pings(60, time.Hour)
	s.Interval, s.Timeout = 0, 300*time.Millisecond
	for i, host := range []netip.Addr{top.Host4(1), top.Host6(1)} {
		b.add(uint32(i), host, s)
		r := b.of(t, uint32(i), 1)[0]
		if p := r.Ping; p.Unknown == 0 || p.Received == 0 || p.Lost() != 0 || p.Sent != 60 || r.Cause == 0 {
			t.Errorf("%+v, %v", p, r.Cause)
		}
	}
}

// TestPain08RTTDoesNotGrowWithTargets: two hundred targets have the same RTTs
// as one, for the kernel stamps them: never less than the line's delay, and
// no reply is missed. The numbers agree with those of ping(8).
func TestRTTAgreesWithPing(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ping"); err != nil {
		t.Skip(err)
	}
	top := netlab.Farm(t, lossy(netlab.LineConfig{Delay: 20 * time.Millisecond}))
	b := run(t, top.Client, Options{})
	s := pings(5, time.Hour)
	s.Interval = 10 * time.Millisecond
	for i := range 200 {
		b.add(uint32(i), top.Host4(i), s)
	}
	out, err := top.Client.Command(t.Context(), "ping", "-n", "-c", "5", "-i", "0.01", top.Host4(500).String()).Output()
	m := regexp.MustCompile(`= ([\d.]+)/`).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("%v: %s", err, out)
	}
	least, _ := strconv.ParseFloat(string(m[1]), 64)
	if least < 40 {
		t.Errorf("ping sees %v ms over a line of 2 x 20 ms", least)
	}
	for i := range uint32(200) {
		r := b.of(t, i, 1)[0]
		wantWhole(t, r, 5)
		if r.Ping.Min < 40 {
			t.Errorf("target %d: %+v", i, r.Ping)
		}
	}
	if stats := b.probes()[0]; stats.Unstamped != 0 {
		t.Errorf("%d RTTs without kernel stamps", stats.Unstamped)
	}
}

// round lets a Bundled target begin a round now.
func round(w *Watch) { w.Start(time.Now()) }

func TestBundledTargetWaitsForStart(t *testing.T) {
	t.Parallel()
	top := netlab.Farm(t)
	b := run(t, top.Client, Options{})
	s := pings(3, 0)
	s.Form, s.Trace, s.Hops = vitals.Bundled, true, 30
	w := b.add(1, top.Host6(1), s)
	if p, tr, sc := w.Measures(); !p || !tr || sc {
		t.Errorf("measures %v %v %v", p, tr, sc)
	}
	for i := range 5 {
		if n := len(b.results()); n != 2*i {
			t.Fatalf("%d results before round %d", n, i)
		}
		round(w)
		b.of(t, 1, 2*(i+1))
	}
}
