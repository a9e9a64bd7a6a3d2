package collector

import (
	"sync"
	"sync/atomic"
)

// memory bounds what all requests in flight hold together, and lends the
// buffers that they hold it in.
type memory struct {
	limit int64
	used  atomic.Int64
	pools [len(sizes)]sync.Pool
}

// sizes are the capacities of pooled buffers. Larger ones are rare, and better
// left to the garbage collector than kept.
var sizes = [...]int{1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}

// take reserves n bytes, or nothing if that would exceed the limit.
func (m *memory) take(n int) bool {
	if m.used.Add(int64(n)) > m.limit {
		m.used.Add(int64(-n))
		return false
	}
	return true
}

func (m *memory) give(n int) { m.used.Add(int64(-n)) }

// buffer is memory for one body. The zero buffer is empty. Whoever made it
// calls free when nothing points into it any more.
type buffer struct {
	memory *memory
	data   []byte
	pooled *[]byte // what data lies in, if it came from a pool
	held   int     // bytes reserved
}

// grow makes room for capacity bytes in all and keeps what is there. It
// reports false, and changes nothing, if the memory is used up.
func (b *buffer) grow(capacity int) bool {
	if capacity <= cap(b.data) {
		return true
	}
	class := len(sizes)
	for i, size := range sizes {
		if capacity <= size {
			class, capacity = i, size
			break
		}
	}
	if !b.memory.take(capacity) {
		return false
	}
	next := buffer{memory: b.memory, held: capacity}
	if class < len(sizes) {
		next.pooled, _ = b.memory.pools[class].Get().(*[]byte)
		if next.pooled == nil {
			fresh := make([]byte, 0, capacity)
			next.pooled = &fresh
		}
		next.data = *next.pooled
	} else {
		next.data = make([]byte, 0, capacity)
	}
	next.data = append(next.data, b.data...)
	b.free()
	*b = next
	return true
}

// reserve accounts for n bytes that lie elsewhere, until free.
func (b *buffer) reserve(n int) bool {
	if !b.memory.take(n) {
		return false
	}
	b.held += n
	return true
}

func (b *buffer) free() {
	b.memory.give(b.held)
	if b.pooled != nil {
		for i, size := range sizes {
			if cap(*b.pooled) == size {
				b.memory.pools[i].Put(b.pooled)
			}
		}
	}
	*b = buffer{memory: b.memory}
}
