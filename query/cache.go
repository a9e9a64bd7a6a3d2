package query

import (
	"container/list"
	"crypto/sha256"
	"encoding/json"
	"sync"
)

// Cache keeps answers for as long as nothing is written: a workspace's answers are of
// one commit, and with the next they are gone. So an answer is never stale, and a
// dashboard that is looked at again costs nothing.
type Cache struct {
	limit   int64 // bytes
	mu      sync.Mutex
	used    int64
	answers map[CacheKey]*list.Element
	order   *list.List // of *kept, the one that was used last first
}

// CacheKey names a question to a workspace, or to what a store has of it between two
// events that make it another.
type CacheKey struct {
	Of   string
	Plan [sha256.Size]byte
}

type kept struct {
	key    CacheKey
	commit int64
	answer *Answer
	size   int64
}

// NewCache keeps answers of about so many bytes.
func NewCache(bytes int64) *Cache {
	return &Cache{limit: bytes, answers: map[CacheKey]*list.Element{}, order: list.New()}
}

// Get is an answer as of a commit, or nil. It is shared: nobody may change what it holds.
func (c *Cache) Get(key CacheKey, commit int64) *Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.answers[key]
	if e == nil {
		return nil
	}
	k := e.Value.(*kept)
	if k.commit != commit {
		c.remove(e)
		return nil
	}
	c.order.MoveToFront(e)
	copied := *k.answer
	return &copied
}

// Put keeps an answer as of a commit, and lets go of those that were not used for longest.
func (c *Cache) Put(key CacheKey, commit int64, answer *Answer) {
	text, err := json.Marshal(answer)
	if err != nil {
		return // it cannot be sent either
	}
	size := int64(2*len(text) + 4*len(answer.Persons) + 512) // about; numbers of persons are not in the text
	if size > c.limit/4 {
		return // one must not drive out all others
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.answers[key]; e != nil {
		c.remove(e)
	}
	c.answers[key] = c.order.PushFront(&kept{key, commit, answer, size})
	for c.used += size; c.used > c.limit; {
		c.remove(c.order.Back())
	}
}

func (c *Cache) remove(e *list.Element) {
	k := c.order.Remove(e).(*kept)
	delete(c.answers, k.key)
	c.used -= k.size
}
