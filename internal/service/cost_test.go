// SPDX-License-Identifier: Apache-2.0

package service

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestCostOf(t *testing.T) {
	for text, want := range map[string]Cost{
		"http,https,mysql": {Ports: 3, Sockets: 3, Most: time.Second},
		"http,1-11":        {Ports: 12, Ranged: 11, Sockets: 12, Least: 20 * time.Millisecond, Most: 1020 * time.Millisecond},
		"1-65535":          {Ports: 65535, Ranged: 65535, Sockets: 64, Least: 131068 * time.Millisecond, Most: 1024 * time.Second},
	} {
		items, err := New(Options{}).parse(strings.Split(text, ","))
		if err != nil {
			t.Fatal(err)
		}
		if got := CostOf(items, time.Second); got != want {
			t.Errorf("CostOf(%s) = %+v, want %+v", text, got, want)
		}
		if got := CostOf(items, math.MaxInt64); got.Most < want.Most {
			t.Errorf("CostOf(%s) of an endless time-out lasts %v", text, got.Most)
		}
	}
}
