// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// capture is tcpdump at the device of a client.
type capture struct {
	process *process
	path    string
}

// startCapture returns when packets are being captured.
func (h *harness) startCapture(n *network, filter string) (*capture, error) {
	path := filepath.Join(h.dir, "wire.pcap")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	// 64 bytes hold the headers; the buffer (KiB) a second of the largest rate.
	// -U: the file is complete whenever one looks.
	p, err := start(command{net: n, cpu: h.anyOther(), name: "tcpdump", args: []string{
		"-i", n.device, "-n", "-s", "64", "-B", "65536", "-Z", "root",
		"--time-stamp-precision=nano", "-w", path, filter,
	}})
	if err != nil {
		return nil, err
	}
	// tcpdump makes the file when the device is open and the filter in place.
	for range 500 {
		if _, err := os.Stat(path); err == nil {
			return &capture{p, path}, nil
		}
		if err := p.after(10 * time.Millisecond); err != nil {
			return nil, fmt.Errorf("tcpdump: %w", err)
		}
	}
	p.kill()
	return nil, errors.New("tcpdump has not begun within 5 s")
}

// stop ends the capture and returns what it holds.
func (c *capture) stop() ([]byte, error) {
	_ = c.process.cmd.Process.Signal(unix.SIGTERM)
	if err := c.process.finish(20 * time.Second); err != nil {
		return nil, fmt.Errorf("tcpdump: %w: %s", err, c.process.stderr.String())
	}
	if lost := droppedByKernel(c.process.stderr.String()); lost > 0 {
		return nil, fmt.Errorf("tcpdump: %d packets dropped by kernel", lost)
	}
	return os.ReadFile(c.path)
}

// droppedByKernel reads tcpdump's last words.
func droppedByKernel(text string) int {
	for line := range strings.Lines(text) {
		if number, ok := strings.CutSuffix(strings.TrimSpace(line), " packets dropped by kernel"); ok {
			n, _ := strconv.Atoi(number)
			return n
		}
	}
	return 0
}

// echo is an ICMP echo request or reply on the wire.
type echo struct {
	time  int64 // ns since the Unix epoch
	reply bool
	host  netip.Addr // whom the request goes to, whom the reply comes from
	key   uint32     // identifier and sequence
}

// echoes reads a pcap file of nanoseconds, as this machine writes it, of
// Ethernet frames.
//
//	file    magic 4, version 4, 0 8, snap length 4, link type 4
//	packet  seconds 4, nanoseconds 4, captured length 4, length 4, frame
func echoes(file []byte) iter.Seq[echo] {
	const magic, fileHeader, packetHeader = 0xa1b23c4d, 24, 16
	return func(yield func(echo) bool) {
		if len(file) < fileHeader || binary.NativeEndian.Uint32(file) != magic {
			return
		}
		file = file[fileHeader:]
		for len(file) >= packetHeader {
			seconds, ns := binary.NativeEndian.Uint32(file), binary.NativeEndian.Uint32(file[4:])
			length := int(binary.NativeEndian.Uint32(file[8:]))
			file = file[packetHeader:]
			if length < 0 || length > len(file) {
				return
			}
			e, ok := parseEcho(file[:length])
			file = file[length:]
			e.time = int64(seconds)*1e9 + int64(ns)
			if ok && !yield(e) {
				return
			}
		}
	}
}

// parseEcho reads an Ethernet frame with IPv4 and ICMP.
func parseEcho(frame []byte) (e echo, ok bool) {
	const ethernet, icmpProtocol, echoReply, echoRequest = 14, 1, 0, 8
	if len(frame) < ethernet+20 || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_IP {
		return e, false
	}
	ip := frame[ethernet:]
	icmp := int(ip[0]&15) * 4
	if ip[9] != icmpProtocol || len(ip) < icmp+8 {
		return e, false
	}
	e.key = binary.BigEndian.Uint32(ip[icmp+4:])
	switch ip[icmp] {
	case echoRequest:
		e.host = netip.AddrFrom4([4]byte(ip[16:20]))
	case echoReply:
		e.host, e.reply = netip.AddrFrom4([4]byte(ip[12:16])), true
	default:
		return e, false
	}
	return e, true
}

// wireTimes pairs requests with replies: of a host, of each request in the
// order of sending, the round-trip time in us, NaN where no reply came.
func wireTimes(packets iter.Seq[echo]) map[string][]float64 {
	type request struct {
		host netip.Addr
		key  uint32
	}
	type place struct {
		time  int64
		index int
	}
	open := make(map[request]place)
	times := make(map[netip.Addr][]float64)
	for e := range packets {
		r := request{e.host, e.key}
		if !e.reply {
			open[r] = place{e.time, len(times[e.host])}
			times[e.host] = append(times[e.host], math.NaN())
			continue
		}
		if p, ok := open[r]; ok {
			times[e.host][p.index] = float64(e.time-p.time) / 1e3
			delete(open, r)
		}
	}
	named := make(map[string][]float64, len(times))
	for host, list := range times {
		named[host.String()] = list
	}
	return named
}

// compare is how far reported times are from the wire's: the median and the
// 99th percentile of the absolute difference, in us. A host of which the wire
// has fewer requests than were reported cannot be paired; their share is told.
func compare(r reported, wire map[string][]float64) (figures, error) {
	var differences []float64
	unmatched := 0
	for host, times := range r.times {
		seen := wire[host]
		if count, ok := r.counts[host]; ok {
			seen = meanOf(seen, count)
		}
		if len(seen) < len(times) {
			unmatched++
			continue
		}
		for i, rtt := range times {
			if d := math.Abs(rtt - seen[i]); !math.IsNaN(d) {
				differences = append(differences, d)
			}
		}
	}
	if len(differences) == 0 {
		return nil, fmt.Errorf("no reported time to compare: %d hosts reported, %d on the wire", len(r.times), len(wire))
	}
	slices.Sort(differences)
	return figures{
		medianError:  quantile(differences, 0.5),
		tailError:    quantile(differences, 0.99),
		unmatchedPct: 100 * float64(unmatched) / float64(len(r.times)),
	}, nil
}

// meanOf is the mean of the first count answered times, as the only element;
// nothing when there are fewer.
func meanOf(times []float64, count int) []float64 {
	sum, n := 0.0, 0
	for _, t := range times {
		if n < count && !math.IsNaN(t) {
			sum += t
			n++
		}
	}
	if n < count {
		return nil
	}
	return []float64{sum / float64(n)}
}
