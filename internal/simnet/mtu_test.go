// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"strings"
	"testing"
)

// TestMTUErrors: what cannot be said about a narrow link.
func TestMTUErrors(t *testing.T) {
	const host = "host 10.0.0.1\nrouter r 10.1.0.1\npath 10.0.0.1 r@1ms\n"
	tests := []struct{ text, want string }{
		{host + "mtu 10.0.0.1 1 1400 blackhole lies 1300", ""},
		{host + "mtu 10.0.0.1 0 1400", ""},
		{host + "mtu 10.0.0.1 2 1400", "has 1 routers"},
		{host + "mtu 10.0.0.1 1", "something is missing"},
		{host + "mtu 10.0.0.1 1 1400 lies", "something is missing"},
		{host + "mtu 10.0.0.1 1 1400 lies 65536", "is no number"},
		{host + "mtu 10.0.0.1 1 1400 whitehole", "an mtu has no"},
		{"mtu 10.0.0.1 1 1400", "there is no host"},
	}
	for _, test := range tests {
		_, err := New(1, test.text)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
	}
}
