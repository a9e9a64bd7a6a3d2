package sqlitestate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// holds knows who has which users: those who hold them (Store.Hold), and the one
// transaction that is open.
type holds struct {
	mu      sync.Mutex
	held    map[state.Key]bool
	open    map[state.Key]bool // users of the open transaction
	changed chan struct{}      // closed and replaced whenever a user becomes free
}

// Hold marks the users first, one after the other in their order, so that no
// later transaction gets them, and then waits for the open one that may have
// some. Two that hold cannot wait for each other, thanks to the order.
func (s *Store) Hold(ctx context.Context, users []state.Key) (release func(), err error) {
	users = sortedUsers(users)
	marked := 0
	for ; marked < len(users) && err == nil; marked++ {
		err = s.holds.wait(ctx, func() bool { return s.holds.mark(users[marked]) })
	}
	if err == nil {
		err = s.holds.wait(ctx, func() bool { return !containsAny(s.holds.open, users) })
	} else {
		marked-- // this one is another's
	}
	if err == nil && s.closed.Load() {
		err = ErrClosed
	}
	if err != nil {
		s.holds.free(s.holds.held, users[:marked])
		return nil, fmt.Errorf("hold %d users: %w", len(users), err)
	}
	return sync.OnceFunc(func() { s.holds.free(s.holds.held, users) }), nil
}

func sortedUsers(users []state.Key) []state.Key {
	users = slices.Clone(users)
	slices.SortFunc(users, compareUsers)
	return slices.Compact(users)
}

func compareUsers(a, b state.Key) int {
	return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.ID, b.ID))
}

func containsAny(set map[state.Key]bool, users []state.Key) bool {
	return len(set) > 0 && slices.ContainsFunc(users, func(u state.Key) bool { return set[u] })
}

// mark takes a user unless another has it. The caller has mu.
func (h *holds) mark(user state.Key) bool {
	if h.held[user] {
		return false
	}
	h.held[user] = true
	return true
}

// wait asks until done says yes or the context ends. done is called with mu locked,
// and again whenever users become free.
func (h *holds) wait(ctx context.Context, done func() bool) error {
	for {
		h.mu.Lock()
		ok, changed := done(), h.changed
		h.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// free takes users out of one of the sets.
func (h *holds) free(set map[state.Key]bool, users []state.Key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, u := range users {
		delete(set, u)
	}
	h.wake()
}

// wake tells those who wait. The caller has mu.
func (h *holds) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// ended forgets the users of the transaction that was open.
func (h *holds) ended() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.open) > 0 {
		clear(h.open)
		h.wake()
	}
}

// take gives the open transaction those of the users whom nobody holds. lost are
// the others.
func (h *holds) take(users []state.Key) (lost map[state.Key]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lost = map[state.Key]bool{}
	for _, u := range users {
		if h.held[u] {
			lost[u] = true
		} else {
			h.open[u] = true
		}
	}
	return lost
}

// takePersons gives the open transaction the persons that were loaded, but for
// those of whom one is lost already or held: they are taken out of the map, and
// all their members put into lost.
func (h *holds) takePersons(loaded map[state.Key]*weir.Identity, lost map[state.Key]bool) (held []state.Key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	type person struct {
		workspace weir.WorkspaceID
		number    uint32
	}
	held = slices.Collect(maps.Keys(lost))
	busy := map[person]bool{}
	if len(h.held)+len(lost) > 0 {
		for k, i := range loaded {
			if h.held[k] || lost[k] {
				busy[person{k.Workspace, i.Person}] = true
				held = append(held, k)
			}
		}
	}
	for k, i := range loaded {
		if len(busy) > 0 && busy[person{k.Workspace, i.Person}] {
			lost[k] = true
			delete(loaded, k)
			delete(h.open, k)
		} else {
			h.open[k] = true
		}
	}
	if len(busy) > 0 {
		h.wake()
	}
	return held
}
