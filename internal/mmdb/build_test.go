// SPDX-License-Identifier: Apache-2.0

package mmdb

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// record is what a network's record holds, keys and values in turn: text,
// uint32, uint64, or another record.
type record []any

// layout is how a file is made of records.
type layout struct {
	recordSize int // of the search tree, in bits: 24, 28, 32
	ipVersion  uint32
	kind       string // the type of the database
}

// builder makes the content of files, after the MaxMind DB specification: a
// search tree of bits, 16 zero bytes, the records, a mark and the metadata.
type builder struct {
	layout
	nodes [][2]int // an index; empty; or leaf minus the offset of a record
	data  []byte
}

const (
	empty = -1
	leaf  = -2
)

// build makes the content of a file of networks with their records.
func build(l layout, networks map[string]record) []byte {
	b := &builder{layout: l, nodes: [][2]int{{empty, empty}}}
	for network, r := range networks {
		at := leaf - len(b.data)
		b.data = appendRecord(b.data, r)
		b.insert(netip.MustParsePrefix(network), at)
	}
	return b.content()
}

// content puts the parts of a file together.
func (b *builder) content() []byte {
	content := append(b.tree(), make([]byte, 16)...)
	content = append(content, b.data...)
	content = append(content, "\xab\xcd\xefMaxMind.com"...)
	metadata := record{"binary_format_major_version", uint32(2), "binary_format_minor_version", uint32(0)}
	metadata = append(metadata, "build_epoch", uint64(1_700_000_000), "database_type", b.kind)
	metadata = append(metadata, "description", record{"en", "for a test"}, "ip_version", b.ipVersion)
	metadata = append(metadata, "node_count", uint32(len(b.nodes)), "record_size", uint32(b.recordSize))
	return appendRecord(content, metadata)
}

// insert leads all addresses of a network, which overlaps no other, to at.
func (b *builder) insert(network netip.Prefix, at int) {
	bytes := network.Addr().AsSlice()
	bits := network.Bits()
	if network.Addr().Is4() && b.ipVersion == 6 {
		bytes = append(make([]byte, 12), bytes...)
		bits += 96
	}
	node := 0
	for i := range bits {
		side := bytes[i/8] >> (7 - i%8) & 1
		switch next := &b.nodes[node][side]; {
		case i == bits-1:
			*next = at
		case *next == empty:
			*next = len(b.nodes)
			node = len(b.nodes)
			b.nodes = append(b.nodes, [2]int{empty, empty})
		default:
			node = *next
		}
	}
}

// tree is the search tree in its form in the file.
func (b *builder) tree() []byte {
	var out []byte
	for _, node := range b.nodes {
		left, right := b.pointer(node[0]), b.pointer(node[1])
		switch b.recordSize {
		case 24:
			out = append(out, byte(left>>16), byte(left>>8), byte(left))
			out = append(out, byte(right>>16), byte(right>>8), byte(right))
		case 28:
			out = append(out, byte(left>>16), byte(left>>8), byte(left), byte(left>>20&0xf0|right>>24))
			out = append(out, byte(right>>16), byte(right>>8), byte(right))
		default:
			out = binary.BigEndian.AppendUint32(out, left)
			out = binary.BigEndian.AppendUint32(out, right)
		}
	}
	return out
}

func (b *builder) pointer(to int) uint32 {
	switch {
	case to >= 0:
		return uint32(to)
	case to == empty:
		return uint32(len(b.nodes))
	}
	return uint32(len(b.nodes) + 16 + leaf - to)
}

// The types of the data section that are used here.
const (
	typeText   = 2
	typeUint32 = 6
	typeMap    = 7
	typeUint64 = 9
)

func appendRecord(dst []byte, r record) []byte {
	dst = appendControl(dst, typeMap, len(r)/2)
	for _, v := range r {
		switch v := v.(type) {
		case string:
			dst = append(appendControl(dst, typeText, len(v)), v...)
		case uint32:
			dst = binary.BigEndian.AppendUint32(appendControl(dst, typeUint32, 4), v)
		case uint64:
			dst = binary.BigEndian.AppendUint64(appendControl(dst, typeUint64, 8), v)
		case record:
			dst = appendRecord(dst, v)
		}
	}
	return dst
}

// appendControl appends the control byte, the extended type and the size, which
// is below 65,821.
func appendControl(dst []byte, kind, size int) []byte {
	short, long := size, []byte(nil)
	switch {
	case size >= 285:
		short, long = 30, binary.BigEndian.AppendUint16(nil, uint16(size-285))
	case size >= 29:
		short, long = 29, []byte{byte(size - 29)}
	}
	if kind > 7 {
		dst = append(dst, byte(short), byte(kind-7))
	} else {
		dst = append(dst, byte(kind<<5|short))
	}
	return append(dst, long...)
}

// write writes a file with a content and returns its path.
func write(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "asn.mmdb")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
