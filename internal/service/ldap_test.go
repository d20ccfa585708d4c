// SPDX-License-Identifier: Apache-2.0

package service

import "testing"

// TestLDAPWithLongLengths writes lengths as Active Directory does.
func TestLDAPWithLongLengths(t *testing.T) {
	entry := "\x04\x00\x30\x84\x00\x00\x00\x1b\x30\x19\x04\x0avendorName\x31\x84\x00\x00\x00\x07\x04\x05Apple"
	message := func(tag, body string) string {
		inside := "\x02\x01\x01" + tag + "\x84\x00\x00\x00" + string(rune(len(body))) + body
		return "\x30\x84\x00\x00\x00" + string(rune(len(inside))) + inside
	}
	stream := message("\x78", "\x0a\x01\x02\x04\x00\x04\x00") + message("\x64", entry) + message("\x65", "\x0a\x01\x00\x04\x00\x04\x00")
	got := askPort(t, "ldap", serve(t, greets(stream)), patient)
	wantOpen(t, got, "", "Apple")
	for name, says := range map[string]string{
		"indefinite": "\x30\x80\x02\x01\x01\x00\x00", "huge": "\x30\x84\x7f\xff\xff\xff", "set": "\x31\x05\x02\x01\x01\x65\x00",
		"long length": "\x30\x85\x00\x00\x00\x00\x01x", "no number": "\x30\x03\x04\x01\x01",
	} {
		if got := askPort(t, "ldap", serve(t, greets(says)), brief); got.Open() {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
