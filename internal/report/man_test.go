// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"connmonitor/internal/vitals"
)

const (
	pageOfConfiguration = "../../packaging/man/connmonitor.conf.5"
	pageOfConnvitals    = "../../packaging/man/connvitals.1"
)

// shown is the literal display of a man page that the comment `.\" mark` is
// above.
func shown(t *testing.T, page, mark string) string {
	t.Helper()
	match := regexp.MustCompile(`(?ms)^\.\\" ` + mark + `\n\.Bd [^\n]*\n(.*?)^\.Ed$`).FindStringSubmatch(readPage(t, page))
	if match == nil {
		t.Fatalf("%s: shows no %s", page, mark)
	}
	return match[1]
}

func readPage(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestManPagesShowDetails makes the examples of the man pages.
func TestManPagesShowDetails(t *testing.T) {
	var example bytes.Buffer
	if err := json.Compact(&example, []byte(shown(t, pageOfConfiguration, "record"))); err != nil {
		t.Fatal(err)
	}
	want := AppendRecord(nil, with(documented(), vitals.Separate, true, false))
	if got := strings.TrimSpace(example.String()); got+"\n" != string(want) {
		t.Errorf("%s shows %s, want %s", pageOfConfiguration, got, want)
	}
	table := AppendTable(nil, with(documented(), vitals.Bundled, false, false))
	if got := shown(t, pageOfConnvitals, "table"); got != string(table) {
		t.Errorf("%s shows\n%swant\n%s", pageOfConnvitals, got, table)
	}
}

// TestManPageNamesEveryMember compares the members of all records with those
// that the man page explains, both ways.
func TestManPageNamesEveryMember(t *testing.T) {
	members := make(map[string]bool)
	for _, c := range detailCases() {
		var object struct{ Path any }
		if err := json.Unmarshal(AppendRecord(nil, with(c.record, vitals.Separate, true, false)), &object); err != nil {
			t.Fatal(err)
		}
		collect(object.Path, members)
	}
	_, section, _ := strings.Cut(readPage(t, pageOfConfiguration), "\n.Ss Details of a trace\n")
	section, _, _ = strings.Cut(section, "\n.Ss ")
	explained := make(map[string]bool)
	for _, item := range regexp.MustCompile(`(?m)^\.It Li (.*)$`).FindAllStringSubmatch(section, -1) {
		for member := range strings.SplitSeq(item[1], " , ") {
			explained[member] = true
		}
	}
	for member := range members {
		if !explained[member] {
			t.Errorf("%s: does not explain %q", pageOfConfiguration, member)
		}
	}
	for member := range explained {
		if !members[member] {
			t.Errorf("%s: explains %q, which no record has", pageOfConfiguration, member)
		}
	}
}

// collect notes the names of all members below a value.
func collect(value any, members map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		for member, below := range value {
			members[member] = true
			collect(below, members)
		}
	case []any:
		for _, below := range value {
			collect(below, members)
		}
	}
}
