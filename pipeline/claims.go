package pipeline

import (
	"context"
	"sync"

	"github.com/weirhq/weir/state"
)

// claims are the items that batches of this process have judged and not committed yet.
// Users do not keep two batches apart that have the same item: deliveries may name
// different ones, and lie in partitions of different workers. Each would take it for
// new, unless one waits for the other to be underway. The zero value is empty.
type claims struct {
	mu    sync.Mutex
	of    map[state.ItemKey]*Batch
	freed chan struct{} // closed whenever items become free; nil if nobody waits
}

// take waits until a batch can have all its items, and takes them. Batches that wait
// have none, and take them before they lock any user: nobody waits in a circle.
func (c *claims) take(ctx context.Context, b *Batch, items []state.ItemKey) error {
	for {
		freed := c.tryTake(b, items)
		if freed == nil {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tryTake takes all items, or returns what to wait for.
func (c *claims) tryTake(b *Batch, items []state.ItemKey) (freed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range items {
		if other := c.of[k]; other != nil && other != b {
			if c.freed == nil {
				c.freed = make(chan struct{})
			}
			return c.freed
		}
	}
	if c.of == nil {
		c.of = map[state.ItemKey]*Batch{}
	}
	for _, k := range items {
		c.of[k] = b
	}
	b.claimed = items
	return nil
}

// release gives a batch's items up: it is underway now, or will be tried again.
func (c *claims) release(b *Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range b.claimed {
		delete(c.of, k)
	}
	b.claimed = nil
	if c.freed != nil {
		close(c.freed)
		c.freed = nil
	}
}
