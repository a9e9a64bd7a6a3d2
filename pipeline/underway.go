package pipeline

import (
	"slices"
	"sync"

	"github.com/weirhq/weir/state"
)

// underway holds the batches whose state is committed and whose rows and seen
// entries are being written: what the seen index will say once they are. The
// zero value is empty.
type underway struct {
	mu      sync.Mutex
	batches []*Batch // in order of commit
	none    sync.WaitGroup
}

func (u *underway) add(b *Batch) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.batches = append(u.batches, b)
	u.none.Add(1)
}

func (u *underway) done(b *Batch) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.batches = slices.DeleteFunc(u.batches, func(other *Batch) bool { return other == b })
	u.none.Done()
}

// lookup is the newest entry of an item among the batches underway. Their maps
// do not change any more.
func (u *underway) lookup(key state.ItemKey) (state.Entry, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, b := range slices.Backward(u.batches) {
		if entry, ok := b.seen[key]; ok && entry.Position != 0 {
			return entry, true
		}
	}
	return state.Entry{}, false
}

// wait returns when nothing is underway. Nothing may be added meanwhile.
func (u *underway) wait() { u.none.Wait() }
