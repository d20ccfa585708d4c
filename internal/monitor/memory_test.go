// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// heap is what is in use after a collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestMemoryOfATarget holds 100,000 targets that only ping to under 1 KB each
// in the whole process.
func TestMemoryOfATarget(t *testing.T) {
	const targets = 100_000
	text := "* ping=1h numpings=10\n" + numbered(targets)
	before := heap()
	inFakeTime(t, "", text, func(l *lab) {
		l.pass(time.Second)
		if each := (int64(heap()) - int64(before)) / targets; each > 1024 {
			t.Errorf("%d bytes for each target", each)
		} else {
			t.Logf("%d bytes for each target", each)
		}
		if n := l.monitor.table.keys; n != targets {
			t.Errorf("%d targets", n)
		}
		runtime.KeepAlive(text)
	})
}

// TestPain10MemoryIsFlat compares the heap after ten minutes with that after
// thirty.
func TestPain10MemoryIsFlat(t *testing.T) {
	const text = "* ping=500 numpings=5 trace=5s\n"
	scenario := "router a 10.9.0.1\nrouter b 10.9.0.2\n" + hosts("5ms") + "path 10.0.0.1 a@1ms b@2ms\nhost 10.0.0.2 dead\nhost 10.0.0.3 rtt 2ms loss 0.3\nhost 10.0.0.4 refuse EPERM\n"
	inFakeTime(t, scenario, text+"10.0.0.1\n10.0.0.2\n10.0.0.3\n10.0.0.4\nwww.example\nnowhere.example\n", func(l *lab) {
		l.names.set("www.example", "10.0.0.5")
		l.pass(10 * time.Minute)
		l.out.clear()
		first, goroutines := heap(), runtime.NumGoroutine()
		l.pass(20 * time.Minute)
		l.out.clear()
		if now := heap(); now > first+first/10+256<<10 {
			t.Errorf("the heap has grown from %d to %d bytes within 20 minutes", first, now)
		}
		if n := runtime.NumGoroutine(); n > goroutines+2 {
			t.Errorf("%d goroutines, 20 minutes before %d", n, goroutines)
		}
	})
}

// TestMemoryAfterReload: when nothing can come any more for the targets of the
// configuration before, their memory is given back, without a collection that
// garbage would have to bring about. The tables keep room for both.
func TestMemoryAfterReload(t *testing.T) {
	const targets = 2 * large
	inFakeTime(t, "", "* ping=1h numpings=10\n"+numbered(targets), func(l *lab) {
		var first uint64
		for hours := 2; hours < 6; hours++ {
			l.reload(fmt.Sprintf("* ping=%dh numpings=10\n", hours) + numbered(targets))
			forced := forcedCollections()
			l.pass(5 * time.Minute)
			if forcedCollections() == forced {
				t.Error("no memory is given back")
			}
			now := heap()
			if first == 0 {
				first = now
			}
			if now > first+first/10 {
				t.Errorf("the heap has grown from %d to %d bytes", first, now)
			}
			if n := len(l.monitor.table.every()); n != targets {
				t.Errorf("%d targets have a key", n)
			}
		}
	})
}

func forcedCollections() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumForcedGC
}
