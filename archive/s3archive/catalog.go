package s3archive

import (
	"slices"
	"sync"

	"github.com/weirhq/weir"
)

// catalog is what this process knows about where positions are: what it has
// appended and come across. It may know too little, and of objects that are
// gone; listings are the truth.
type catalog struct {
	mu    sync.Mutex
	known map[string]bool
	spans map[int][]spanPlace // by partition, the newest knowledge last
	size  int                 // spans in all
}

type spanPlace struct {
	span
	place
}

// maxSpans bounds the catalog; one span takes about 200 bytes. Beyond it all is
// forgotten, which costs a listing for the next position that is read.
const maxSpans = 1 << 16

func newCatalog() *catalog {
	c := &catalog{}
	c.clear()
	return c
}

func (c *catalog) clear() {
	c.known, c.spans, c.size = map[string]bool{}, map[int][]spanPlace{}, 0
}

func (c *catalog) add(p place, spans []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known[p.key] {
		return
	}
	if c.size+len(spans) > maxSpans {
		c.clear()
	}
	c.known[p.key] = true
	for _, s := range spans {
		partition := s.First.Partition()
		c.spans[partition] = append(c.spans[partition], spanPlace{s, p})
	}
	c.size += len(spans)
}

// forget takes out objects that are gone.
func (c *catalog) forget(gone map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for partition, of := range c.spans {
		kept := slices.DeleteFunc(of, func(s spanPlace) bool { return gone[s.key] })
		c.size -= len(of) - len(kept)
		c.spans[partition] = kept
	}
	for key := range gone {
		delete(c.known, key)
	}
}

// at is the objects that may hold a position, the newest knowledge first.
func (c *catalog) at(at weir.Position) (out []place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range slices.Backward(c.spans[at.Partition()]) {
		if s.First <= at && at <= s.Last {
			out = append(out, s.place)
		}
	}
	return out
}
