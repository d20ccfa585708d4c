// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"testing"
	"time"
)

// hang is when Await gives up: far later than anything takes that comes at all.
const hang = time.Minute

// Await waits until ok holds of something that cannot be waited for otherwise:
// it asks again and again, less and less often, and ends the test, saying what
// there is not, after a minute. It is for the test's own goroutine.
func Await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	pause := 100 * time.Microsecond
	for late := time.Now().Add(hang); !ok(); time.Sleep(pause) {
		if time.Now().After(late) {
			t.Fatalf("there is no %s", what)
		}
		pause = min(2*pause, 5*time.Millisecond)
	}
}

// await is Await for something that the kernel sees to in the node.
func (n *Node) await(what string, ready func() (bool, error)) {
	n.lab.t.Helper()
	n.Do(func() {
		Await(n.lab.t, what+" in node "+n.Name, func() bool {
			ok, err := ready()
			if err != nil {
				n.lab.t.Fatalf("netlab: node %s: %v", n.Name, err)
			}
			return ok
		})
	})
}
