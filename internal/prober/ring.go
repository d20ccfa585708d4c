// SPDX-License-Identifier: Apache-2.0

package prober

// ring is a queue that grows and does not shrink.
type ring[T any] struct {
	buf        []T
	head, size int
}

func (r *ring[T]) len() int { return r.size }

func (r *ring[T]) push(v T) {
	if r.size == len(r.buf) {
		bigger := make([]T, max(64, 2*len(r.buf)))
		n := copy(bigger, r.buf[r.head:])
		copy(bigger[n:], r.buf[:r.head])
		r.buf, r.head = bigger, 0
	}
	r.buf[(r.head+r.size)&(len(r.buf)-1)] = v
	r.size++
}

// first is what has waited longest.
func (r *ring[T]) first() *T { return &r.buf[r.head] }

func (r *ring[T]) pop() T {
	v := r.buf[r.head]
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.size--
	return v
}
