package pipeline

import (
	"context"
	"slices"
	"sync"

	"github.com/weirhq/weir/state"
)

// underway holds the batches whose state is committed, or about to be, and whose
// rows and seen entries are being written: what the seen index will say once they
// are. It keeps them in the order of their commits, in which their rows are
// written too. The zero value is empty.
type underway struct {
	mu      sync.Mutex
	batches []*Batch // in order of commit
	changed chan struct{}
}

// add puts a batch at the end. It is called with the state's lock held, before
// the commit: whoever has the lock, or an item of the batch, next finds the batch.
func (u *underway) add(b *Batch) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.batches = append(u.batches, b)
}

// done takes a batch out: its entries are in the index, or it will come again.
func (u *underway) done(b *Batch) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.batches = slices.DeleteFunc(u.batches, func(other *Batch) bool { return other == b })
	if u.changed != nil {
		close(u.changed)
		u.changed = nil
	}
}

// list is what is underway now, in order of commit. The maps of these batches do not
// change any more.
func (u *underway) list() []*Batch {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.batches)
}

// turn waits until a batch is the first.
func (u *underway) turn(ctx context.Context, b *Batch) error {
	return u.wait(ctx, func() bool { return u.batches[0] == b })
}

// none waits until nothing is underway. Nothing may be added meanwhile.
func (u *underway) none(ctx context.Context) error {
	return u.wait(ctx, func() bool { return len(u.batches) == 0 })
}

func (u *underway) wait(ctx context.Context, until func() bool) error {
	for {
		u.mu.Lock()
		if until() {
			u.mu.Unlock()
			return nil
		}
		if u.changed == nil {
			u.changed = make(chan struct{})
		}
		changed := u.changed
		u.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// newest is the newest entry of an item among batches.
func newest(batches []*Batch, key state.ItemKey) (state.Entry, bool) {
	for _, b := range slices.Backward(batches) {
		if k := b.items[key]; k != nil && k.stored {
			return k.entry, true
		}
	}
	return state.Entry{}, false
}
