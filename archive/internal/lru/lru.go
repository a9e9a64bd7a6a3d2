// Package lru keeps the values that were used last: what archive drivers have
// decoded and may be asked for again.
package lru

import (
	"container/list"
	"sync"

	"github.com/weirhq/weir/frame"
)

// Cache keeps the values used last, up to a cost in bytes. It may be used
// concurrently.
type Cache[K comparable, V any] struct {
	mu    sync.Mutex
	limit int64
	cost  func(V) int64
	used  int64
	order *list.List // of entry[K, V], the last used first
	items map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// New makes a cache of values that cost no more than limit together; cost is a
// value's, in bytes.
func New[K comparable, V any](limit int64, cost func(V) int64) *Cache[K, V] {
	return &Cache[K, V]{limit: limit, cost: cost, order: list.New(), items: map[K]*list.Element{}}
}

// Get is the value of a key, if it is there.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	item, ok := c.items[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(item)
	return item.Value.(entry[K, V]).value, true
}

// Put keeps a value, and drops others if there is no room. One that is there
// already stays.
func (c *Cache[K, V]) Put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[key]; ok || c.cost(value) > c.limit {
		return
	}
	c.items[key] = c.order.PushFront(entry[K, V]{key, value})
	c.used += c.cost(value)
	for c.used > c.limit {
		oldest := c.order.Remove(c.order.Back()).(entry[K, V])
		delete(c.items, oldest.key)
		c.used -= c.cost(oldest.value)
	}
}

// FrameCost is about what a decoded frame takes of memory.
func FrameCost(f *frame.Frame) int64 {
	cost := int64(256)
	for i := range f.Records {
		r := &f.Records[i]
		cost += int64(256 + len(r.Raw) + len(r.UserID) + len(r.Receipt))
	}
	return cost
}
