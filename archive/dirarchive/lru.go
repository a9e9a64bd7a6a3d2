package dirarchive

import (
	"container/list"
	"sync"

	"github.com/weirhq/weir/frame"
)

// lru keeps the values used last, up to a cost in bytes. It may be used
// concurrently.
type lru[K comparable, V any] struct {
	mu    sync.Mutex
	limit int64
	cost  func(V) int64
	used  int64
	order *list.List // of lruEntry[K, V], the last used first
	items map[K]*list.Element
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](limit int64, cost func(V) int64) *lru[K, V] {
	return &lru[K, V]{limit: limit, cost: cost, order: list.New(), items: map[K]*list.Element{}}
}

func (c *lru[K, V]) get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	item, ok := c.items[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(item)
	return item.Value.(lruEntry[K, V]).value, true
}

func (c *lru[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[key]; ok || c.cost(value) > c.limit {
		return
	}
	c.items[key] = c.order.PushFront(lruEntry[K, V]{key, value})
	c.used += c.cost(value)
	for c.used > c.limit {
		oldest := c.order.Remove(c.order.Back()).(lruEntry[K, V])
		delete(c.items, oldest.key)
		c.used -= c.cost(oldest.value)
	}
}

// frameCost is about what a decoded frame takes of memory.
func frameCost(f *frame.Frame) int64 {
	cost := int64(256)
	for i := range f.Records {
		r := &f.Records[i]
		cost += int64(256 + len(r.Raw) + len(r.UserID) + len(r.Receipt))
	}
	return cost
}
