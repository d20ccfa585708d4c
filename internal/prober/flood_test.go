// SPDX-License-Identifier: Apache-2.0

package prober_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connmonitor/internal/prober"
	"connmonitor/internal/rawsock"
)

// floodSocket always has another full batch of packets of 40 zero bytes, of
// which each read takes its time.
type floodSocket struct {
	clock   *floodClock
	stamped bool
	read    atomic.Int64
	data    [40]byte
}

type floodClock struct {
	start time.Time
	spent atomic.Int64 // by reading, ns
}

func (c *floodClock) now() (wall, mono int64) {
	mono = int64(time.Since(c.start)) + c.spent.Load()
	return c.start.UnixNano() + mono, mono
}

func (s *floodSocket) Send(ps []rawsock.Packet) (int, error) { return len(ps), nil }
func (s *floodSocket) Reports([]rawsock.Report) (int, error) { return 0, nil }
func (s *floodSocket) Drops() (d rawsock.Drops, err error)   { return }
func (s *floodSocket) Info() rawsock.Info                    { return rawsock.Info{Replies: 20_000} }
func (s *floodSocket) AcceptPorts(uint16, int) error         { return nil }

func (s *floodSocket) Close() error                                { return nil }
func (s *floodSocket) open(rawsock.Options) (prober.Socket, error) { return s, nil }

func (s *floodSocket) Receive(ms []rawsock.Message) (int, error) {
	s.clock.spent.Add(int64(100 * time.Microsecond))
	s.read.Add(int64(len(ms)))
	for i := range ms {
		ms[i] = rawsock.Message{Data: s.data[:], Len: len(s.data)}
		if s.stamped {
			ms[i].Stamp, _ = s.clock.now()
		}
	}
	return len(ms), nil
}

// TestFloodHoldsNobody: where packets come faster than they can be read, a tick
// reads what was there when it began, or as much as the buffer can hold, and
// what is to be sent and to expire has its turn.
func TestFloodHoldsNobody(t *testing.T) {
	for _, stamped := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := &floodSocket{stamped: stamped, clock: &floodClock{start: time.Now()}}
			l := prober.New(prober.Options{Clock: s.clock.now, OpenSocket: s.open})
			b := &lab{t: t, loop: l, results: map[uint32][]prober.Result{}}
			b.id = l.Attach(b)
			if err := l.Open(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- l.Run(ctx) }()
			for _, r := range b.verdicts(b.send(100, probe("10.0.0.1")), 100) {
				if r.Verdict != prober.Lost {
					t.Fatalf("verdict %+v", r)
				}
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			stats := l.Stats()
			perTick := float64(s.read.Load()) / float64(stats.Ticks)
			if most := map[bool]float64{true: 2500, false: 40_100}[stamped]; perTick > most {
				t.Errorf("stamped %v: %.0f packets in a tick, %d ticks", stamped, perTick, stats.Ticks)
			}
			if stats.Malformed != uint64(s.read.Load()) || stats.Received != stats.Malformed {
				t.Errorf("stamped %v: %d read, %+v", stamped, s.read.Load(), stats)
			}
		})
	}
}
