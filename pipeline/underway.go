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

// list is what is underway now, in order of commit. The maps of these batches do
// not change any more.
func (u *underway) list() []*Batch {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.batches)
}

// newest is the newest entry of an item among batches.
func newest(batches []*Batch, key state.ItemKey) (state.Entry, bool) {
	for _, b := range slices.Backward(batches) {
		if entry, ok := b.seen[key]; ok && entry.Position != 0 {
			return entry, true
		}
	}
	return state.Entry{}, false
}

// wait returns when nothing is underway. Nothing may be added meanwhile.
func (u *underway) wait() { u.none.Wait() }
