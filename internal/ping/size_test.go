// SPDX-License-Identifier: Apache-2.0

package ping

import (
	"reflect"
	"testing"
)

// TestSizeOfTarget: a target is one line of the processor's caches.
func TestSizeOfTarget(t *testing.T) {
	if n := reflect.TypeFor[target]().Size(); n != 64 {
		t.Errorf("a target is %d bytes, not 64", n)
	}
}
