// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"bytes"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func pair(t *testing.T, cfg LineConfig, opts ...LinkOption) (a *Node, link *Link) {
	t.Helper()
	l := New(t)
	a = l.Node("a")
	return a, l.Line(a, l.Node("b"), cfg, opts...)
}

func TestLineDelays(t *testing.T) {
	t.Parallel()
	a, link := pair(t, LineConfig{Delay: 4 * time.Millisecond, Back: &LineConfig{Delay: 9 * time.Millisecond}})
	for _, to := range []netip.Addr{link.B.Addr4, link.B.Addr6} {
		out, n := ping(t, a, to, 20, "-i", patient)
		if least := roundTripMin(t, out); n != 20 || least < 13 {
			t.Errorf("%s: %d of 20 replies, the first after %v ms, want 13 or more\n%s", to, n, least, out)
		}
	}
	link.Set(LineConfig{Delay: time.Millisecond, Jitter: 2 * time.Millisecond})
	if out, n := ping(t, a, link.B.Addr4, 20, "-i", patient); n != 20 || roundTripMin(t, out) < 2 {
		t.Errorf("after Set:\n%s", out)
	}
}

func roundTripMin(t *testing.T, out string) float64 {
	t.Helper()
	m := regexp.MustCompile(`rtt min/avg/max/mdev = ([\d.]+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no round-trip times:\n%s", out)
	}
	ms, _ := strconv.ParseFloat(m[1], 64)
	return ms
}

func TestLineLoses(t *testing.T) {
	t.Parallel()
	const sent, loss = 300, 0.2
	a, link := pair(t, LineConfig{Loss: loss, Back: &LineConfig{}, Seed: 7})
	out, n := ping(t, a, link.B.Addr4, sent)
	ab, ba := link.Counters()
	if ab.Carried+ab.Dropped != sent || ba.Carried != uint64(n) || ba.Carried != ab.Carried || ba.Dropped != 0 {
		t.Errorf("%d replies; there %+v, back %+v\n%s", n, ab, ba, out)
	}
	within(t, "lost", float64(sent-n), sent, loss)
}

// within checks a count of n trials against five standard deviations.
func within(t *testing.T, what string, got float64, n int, p float64) {
	t.Helper()
	mean, sd := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
	if math.Abs(got-mean) > 5*sd {
		t.Errorf("%s %.0f of %d, want %.0f +- %.0f", what, got, n, mean, 5*sd)
	}
}

func TestLineDuplicates(t *testing.T) {
	t.Parallel()
	a, link := pair(t, LineConfig{Duplicate: 1, Back: &LineConfig{}})
	out, n := ping(t, a, link.B.Addr4, 10, "-W", "0.2")
	ab, _ := link.Counters()
	// ping stops at the tenth reply, before the duplicate of that.
	if n != 10 || strings.Count(out, "DUP!") < 9 || ab.Carried != 20 || ab.Duplicated != 10 {
		t.Errorf("%d replies, there %+v\n%s", n, ab, out)
	}
}

func TestLineReorders(t *testing.T) {
	t.Parallel()
	a, link := pair(t, LineConfig{Reorder: 0.3, Hold: 20 * time.Millisecond, Seed: 3, Back: &LineConfig{}})
	out, n := ping(t, a, link.B.Addr6, 40)
	var order []int
	for _, m := range regexp.MustCompile(`icmp_seq=(\d+)`).FindAllStringSubmatch(out, -1) {
		seq, _ := strconv.Atoi(m[1])
		order = append(order, seq)
	}
	ab, _ := link.Counters()
	if n != 40 || slices.IsSorted(order) || ab.Reordered == 0 {
		t.Errorf("%d replies in order %v, there %+v", n, order, ab)
	}
}

func TestLineTampers(t *testing.T) {
	t.Parallel()
	a, link := pair(t, LineConfig{})
	count := 0
	link.Set(LineConfig{
		Tamper: func(frame []byte) []byte {
			if count++; count%2 == 0 {
				return nil
			}
			return frame
		},
		Back: &LineConfig{},
	})
	out, n := ping(t, a, link.B.Addr4, 10, "-W", "0.2")
	if ab, _ := link.Counters(); n != 5 || ab.Dropped != 5 {
		t.Errorf("%d of 10 replies, there %+v\n%s", n, ab, out)
	}
}

func TestLineCarriesJumboFrames(t *testing.T) {
	t.Parallel()
	a, link := pair(t, LineConfig{}, MTU(9000))
	for _, to := range []netip.Addr{link.B.Addr4, link.B.Addr6} {
		if out, n := ping(t, a, to, 3, "-i", patient, "-M", "do", "-s", "8952"); n != 3 {
			t.Errorf("%s", out)
		}
	}
}

// TestLineCarriesBursts checks that nothing is lost by the laboratory when
// frames come fast; more at once than these would overrun ping's own socket.
func TestLineCarriesBursts(t *testing.T) {
	a, link := pair(t, LineConfig{Delay: 2 * time.Millisecond})
	out := run(t, a, "ping", "-n", "-q", "-c", "2000", "-i", "0", "-l", "50", "-W", "2", link.B.Addr4.String())
	ab, ba := link.Counters()
	if !strings.Contains(out, " 2000 received") || ab.Carried != 2000 || ba.Carried != 2000 {
		t.Errorf("there %+v, back %+v\n%s", ab, ba, out)
	}
}

// fates runs frames through a direction and tells of each when it is due; 0
// when it is lost. A frame that comes twice is in the second list.
func fates(cfg LineConfig, frames int) (due []time.Duration, twice []int) {
	d := newDirection(-1, -1, cfg.Seed, 0)
	cfg.Queue = math.MaxInt
	d.config.Store(&cfg)
	due = make([]time.Duration, frames)
	for i := range frames {
		d.accept(time.Duration(i)*time.Millisecond, []byte{2, byte(i), byte(i >> 8), byte(i >> 16)})
	}
	for len(d.queue) > 0 {
		f := d.queue.pop()
		i := int(f.data[1]) | int(f.data[2])<<8 | int(f.data[3])<<16
		due[i] = f.due
		if f.copied {
			twice = append(twice, i)
		}
	}
	return due, twice
}

func TestFatesFollowTheirProbabilities(t *testing.T) {
	const frames = 20000
	cfg := LineConfig{Delay: time.Second, Jitter: 100 * time.Microsecond, Loss: 0.1, Duplicate: 0.05, Reorder: 0.2, Hold: time.Minute, Seed: 42}
	due, twice := fates(cfg, frames)
	var lost, held int
	for i, at := range due {
		late := at - time.Duration(i)*time.Millisecond
		switch {
		case at == 0:
			lost++
		case late >= cfg.Delay+cfg.Hold:
			held++
		case late < cfg.Delay || late > cfg.Delay+cfg.Jitter:
			t.Fatalf("frame %d takes %v", i, late)
		}
	}
	within(t, "lost", float64(lost), frames, 0.1)
	within(t, "duplicated", float64(len(twice)), frames, 0.9*0.05)
	within(t, "held back", float64(held), frames, 0.9*0.2)
}

func TestFatesDependOnTheSeedAlone(t *testing.T) {
	cfg := LineConfig{Delay: time.Second, Loss: 0.3, Seed: 5}
	first, _ := fates(cfg, 1000)
	if again, _ := fates(cfg, 1000); !slices.Equal(first, again) {
		t.Error("the same seed gives other fates")
	}
	cfg.Duplicate = 0.5
	if with, _ := fates(cfg, 1000); !slices.Equal(first, with) {
		t.Error("duplication changes which frames are lost")
	}
	cfg.Seed = 6
	if other, _ := fates(cfg, 1000); slices.Equal(first, other) {
		t.Error("another seed gives the same fates")
	}
}

func TestJitterKeepsOrder(t *testing.T) {
	due, _ := fates(LineConfig{Delay: time.Second, Jitter: time.Second, Seed: 1}, 1000)
	if !slices.IsSorted(due) {
		t.Error("frames overtake each other")
	}
}

func TestQueueIsBounded(t *testing.T) {
	d := newDirection(-1, -1, 0, 0)
	d.config.Store(&LineConfig{Queue: 3, Delay: time.Second})
	for i := range 5 {
		d.accept(0, []byte{2, byte(i)})
	}
	d.accept(0, []byte{0xff}) // broadcast
	if c := d.counters(); c.Overflow != 2 || len(d.queue) != 3 {
		t.Errorf("%+v, %d queued", c, len(d.queue))
	}
	for i := range 3 {
		f := d.queue.pop()
		if !bytes.Equal(f.data, []byte{2, byte(i)}) {
			t.Errorf("frame %d is %v", i, f.data)
		}
		d.release(f)
	}
	d.accept(0, []byte{2, 9})
	if f := d.queue.pop(); !bytes.Equal(f.data, []byte{2, 9}) {
		t.Errorf("frame from the pool is %v", f.data)
	}
}
