// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"strings"
	"testing"
	"time"
)

// TestOnsetIsTold: with details loss that begins is a record of its own, which
// says where, and so are that it is known better, and its end; without it is none.
func TestOnsetIsTold(t *testing.T) {
	const well = "router a 10.9.0.1\nrouter b 10.9.0.2\nhost 10.0.0.1 rtt 5ms\npath 10.0.0.1 a@1ms b@2ms\n"
	const text = "* ping=0 trace=10s json=1\n10.0.0.1 details=1\n10.0.0.1 id=plain\n"
	inFakeTime(t, well, text, func(l *lab) {
		told := func(n int, with, without string) {
			t.Helper()
			var paths, plain []string
			for _, line := range l.out.lines() {
				if strings.Contains(line, `"path":`) {
					paths = append(paths, line)
				} else {
					plain = append(plain, line)
				}
			}
			if len(paths) != n || len(plain) != 1 {
				t.Errorf("%d and %d records, want %d and 1: %q", len(paths), len(plain), n, paths)
			}
			if last := paths[len(paths)-1]; !strings.Contains(last, with) || strings.Contains(last, without) {
				t.Errorf("%s, want %s and not %s", last, with, without)
			}
		}
		l.pass(10 * time.Minute)
		told(1, `"path":{`, `"onset"`)
		l.apply("host 10.0.0.1 rtt 5ms loss 0.4")
		l.pass(10 * time.Minute)
		// It was anywhere at first.
		told(3, `"at":{"ttl":3,"addr":"10.0.0.1"},"destination":3,"lost":`, `"before":{"ttl":0}`)
		l.apply("host 10.0.0.1 rtt 5ms")
		l.pass(10 * time.Minute)
		told(4, `"onset":{"traces":`, `"loss"`)
	})
}
