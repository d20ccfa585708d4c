// SPDX-License-Identifier: Apache-2.0

package rawsock

import "golang.org/x/sys/unix"

// The opcodes of classic BPF that the filters use, by what they do.
const (
	ldb  = unix.BPF_LD | unix.BPF_B | unix.BPF_IND // A = byte [X+k]
	ldh  = unix.BPF_LD | unix.BPF_H | unix.BPF_IND // A = half word [X+k]
	ldw  = unix.BPF_LD | unix.BPF_W | unix.BPF_IND // A = word [X+k]
	ldl  = unix.BPF_LD | unix.BPF_W | unix.BPF_LEN // A = length of the packet
	ld   = unix.BPF_LD | unix.BPF_W | unix.BPF_MEM // A = scratch word k
	st   = unix.BPF_ST                             // scratch word k = A
	msh  = unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH
	ldx  = unix.BPF_LDX | unix.BPF_W | unix.BPF_IMM
	jeq  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	jge  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	ja   = unix.BPF_JMP | unix.BPF_JA
	and  = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	lsh  = unix.BPF_ALU | unix.BPF_LSH | unix.BPF_K
	addx = unix.BPF_ALU | unix.BPF_ADD | unix.BPF_X
	subx = unix.BPF_ALU | unix.BPF_SUB | unix.BPF_X
	tax  = unix.BPF_MISC | unix.BPF_TAX
	ret  = unix.BPF_RET | unix.BPF_K
)

// program is a filter with names in the place of distances.
type program []instruction

// instruction is one of a program. A jump goes to the label yes or no, or to the
// next instruction where that is empty; ja always goes to yes.
type instruction struct {
	label   string
	code    uint16
	k       uint32
	yes, no string
}

// accept is how much of a packet is let through, more than there can be.
const accept = 0xffff

// assemble makes a program of what the kernel takes. Its last two instructions
// are those at the labels "accept" and "reject".
func (p program) assemble() []unix.SockFilter {
	at := map[string]int{"accept": len(p), "reject": len(p) + 1}
	for i, in := range p {
		if in.label != "" {
			at[in.label] = i
		}
	}
	distance := func(from int, label string) uint8 {
		if label == "" {
			return 0
		}
		return uint8(at[label] - from - 1)
	}
	fs := make([]unix.SockFilter, 0, len(p)+2)
	for i, in := range p {
		f := unix.SockFilter{Code: in.code, K: in.k}
		if in.code == ja {
			f.K = uint32(distance(i, in.yes))
		} else {
			f.Jt, f.Jf = distance(i, in.yes), distance(i, in.no)
		}
		fs = append(fs, f)
	}
	return append(fs, unix.SockFilter{Code: ret, K: accept}, unix.SockFilter{Code: ret, K: 0})
}
