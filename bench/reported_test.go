// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reported are round-trip times as a program gives them, in us: of a host, of
// each request in the order of sending, NaN where none was given.
type reported struct {
	times map[string][]float64
	// counts, where a program gives only the mean of so many of a host; times
	// then holds that one value.
	counts map[string]int
}

// parseRecords reads connmonitor's JSON records of single pings.
func parseRecords(text []byte) (reported, error) {
	r := reported{times: make(map[string][]float64)}
	for line := range bytes.Lines(text) {
		var record struct {
			Addr string
			Ping *struct{ Min, Loss float64 }
		}
		if err := json.Unmarshal(line, &record); err != nil {
			return r, fmt.Errorf("record %q: %w", line, err)
		}
		if record.Ping == nil {
			continue
		}
		rtt := record.Ping.Min * 1e3
		if record.Ping.Loss > 0 {
			rtt = math.NaN()
		}
		r.times[record.Addr] = append(r.times[record.Addr], rtt)
	}
	return r, nil
}

// parseFping reads lines like "10.97.0.1 : 10.1 - 10.2", in ms.
func parseFping(text string) reported {
	r := reported{times: make(map[string][]float64)}
	for line := range strings.Lines(text) {
		host, values, ok := strings.Cut(line, " : ")
		if !ok {
			continue
		}
		host = strings.TrimSpace(host)
		for word := range strings.FieldsSeq(values) {
			rtt, err := strconv.ParseFloat(word, 64)
			if err != nil {
				rtt = math.NaN()
			}
			r.times[host] = append(r.times[host], rtt*1e3)
		}
	}
	return r
}

// collectFping has the text already: fping prints it on standard error.
func collectFping(_ *harness, output string) (reported, error) { return parseFping(output), nil }

func collectScamper(h *harness, _ string) (reported, error) {
	text, err := os.ReadFile(filepath.Join(h.dir, "scamper.json"))
	if err != nil {
		return reported{}, err
	}
	return parseScamper(text)
}

// parseScamper reads one JSON object a line, those of type "ping".
func parseScamper(text []byte) (reported, error) {
	r := reported{times: make(map[string][]float64)}
	for line := range bytes.Lines(text) {
		var result struct {
			Type, Dst string
			PingSent  int `json:"ping_sent"`
			Responses []struct {
				Seq int
				RTT float64
			}
		}
		if err := json.Unmarshal(line, &result); err != nil {
			return r, fmt.Errorf("scamper's results: %w", err)
		}
		if result.Type != "ping" {
			continue
		}
		times := slices.Repeat([]float64{math.NaN()}, result.PingSent)
		for _, response := range result.Responses {
			if response.Seq < len(times) {
				times[response.Seq] = response.RTT * 1e3
			}
		}
		r.times[result.Dst] = times
	}
	return r, nil
}

// collectHipercontracer unpacks the files of the run, by their serial numbers.
func collectHipercontracer(h *harness, _ string) (reported, error) {
	files, err := filepath.Glob(filepath.Join(h.dir, "results", "*.bz2"))
	if err != nil || len(files) == 0 {
		return reported{}, fmt.Errorf("hipercontracer left no results")
	}
	text, err := exec.CommandContext(h.t.Context(), "bzcat", files...).Output()
	return parseHipercontracer(string(text)), err
}

// parseHipercontracer reads lines like
//
//	#P source destination send-time(hex us) checksum status rtt(us) ...
//
// where status 255 is success.
func parseHipercontracer(text string) reported {
	type entry struct {
		time uint64
		rtt  float64
	}
	entries := make(map[string][]entry)
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 7 || words[0] != "#P" {
			continue
		}
		sent, _ := strconv.ParseUint(words[3], 16, 64)
		rtt, err := strconv.ParseFloat(words[6], 64)
		if err != nil || words[5] != "255" {
			rtt = math.NaN()
		}
		entries[words[2]] = append(entries[words[2]], entry{sent, rtt})
	}
	r := reported{times: make(map[string][]float64)}
	for host, list := range entries {
		slices.SortStableFunc(list, func(a, b entry) int { return int(int64(a.time) - int64(b.time)) })
		for _, e := range list {
			r.times[host] = append(r.times[host], e.rtt)
		}
	}
	return r
}

// smokepingAddress is where smokeping_prober is asked, inside its namespace.
const smokepingAddress = "127.0.0.1:9374"

// scrapeSmokeping asks for the metrics, which are there when all its targets
// have been started. The connection is made on a thread inside the namespace,
// so HTTP is spoken by hand over it.
func scrapeSmokeping(_ *harness, n *network) (string, error) {
	var connection net.Conn
	var err error
	for begun := time.Now(); time.Since(begun) < 10*time.Second; time.Sleep(200 * time.Millisecond) {
		n.client.Do(func() { connection, err = net.DialTimeout("tcp4", smokepingAddress, 5*time.Second) })
		if err == nil {
			break
		}
	}
	if err != nil {
		return "", fmt.Errorf("its metrics cannot be had: %w", err)
	}
	defer connection.Close() //nolint:errcheck // all has been read
	if err := connection.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(connection, "GET /metrics HTTP/1.0\r\n\r\n"); err != nil {
		return "", err
	}
	text, err := io.ReadAll(bufio.NewReader(connection))
	return string(text), err
}

func collectSmokeping(_ *harness, output string) (reported, error) {
	return parseSmokeping(output), nil
}

// parseSmokeping reads the sum and the count of each host's histogram.
func parseSmokeping(text string) reported {
	const metric = "smokeping_response_duration_seconds_"
	sums, r := make(map[string]float64), reported{times: make(map[string][]float64), counts: make(map[string]int)}
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, metric)
		kind, rest, found := strings.Cut(rest, `{host="`)
		host, rest, closed := strings.Cut(rest, `"`)
		words := strings.Fields(rest)
		if !ok || !found || !closed || len(words) == 0 {
			continue
		}
		value, _ := strconv.ParseFloat(words[len(words)-1], 64)
		switch kind {
		case "sum":
			sums[host] = value
		case "count":
			r.counts[host] = int(value)
		}
	}
	for host, count := range r.counts {
		if count > 0 {
			r.times[host] = []float64{sums[host] * 1e6 / float64(count)}
		}
	}
	return r
}
