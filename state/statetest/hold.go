package statetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

func (f *fixture) hold(users ...state.Key) (release func()) {
	f.t.Helper()
	release, err := f.store.Hold(f.ctx(), users)
	if err != nil {
		f.t.Fatalf("hold: %v", err)
	}
	return release
}

// isBusy sees that users cannot be held: waiting for them ends with the context,
// and holds none of the others.
func (f *fixture) isBusy(what string, users ...state.Key) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.ctx(), 20*time.Millisecond)
	defer cancel()
	release, err := f.store.Hold(ctx, users)
	if err == nil {
		release()
	}
	wantErr(f.t, what, err, context.DeadlineExceeded)
}

func contended(s *state.Snapshot) []state.Key {
	return slices.SortedFunc(slices.Values(s.Contended), func(a, b state.Key) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.ID, b.ID))
	})
}

// testHoldContends: Begin comes back without those who are held, and has the rest.
func testHoldContends(t *testing.T, f *fixture) {
	f.write(state.Changes{Identities: []*weir.Identity{identity(acme, "a", 1), identity(acme, "b", 2), identity(other, "a", 1)}})
	release := f.hold(slices.Concat(users(acme, "a", "unknown", "a"), users("nobody's", "a"))...)
	need := state.Need{Users: slices.Concat(users(acme, "b", "a", "a", "unknown", "free"), users(other, "a")), Sessions: users(acme, "s"), Partitions: []int{1}}
	tx := f.begin(need)
	equal(t, "contended", contended(tx.Snapshot()), users(acme, "a", "unknown"))
	equal(t, "those who are free", tx.Snapshot().Identities[key(acme, "b")], identity(acme, "b", 2))
	equal(t, "of another workspace", tx.Snapshot().Identities[key(other, "a")], identity(other, "a", 1))

	// The rest of the batch goes on.
	changed := identity(acme, "b", 2)
	changed.LastSeen++
	f.commit(tx, state.Changes{Identities: []*weir.Identity{changed}, Sessions: []*weir.Session{session(acme, "s", 1)}, Applied: map[int]uint64{1: 1}})
	s := f.load(state.Need{Users: users(acme, "b"), Sessions: users(acme, "s"), Partitions: []int{1}})
	equal(t, "not contended", contended(s), nil)
	equal(t, "what was committed beside", s.Identities[key(acme, "b")], changed)
	equal(t, "position", s.Applied[1], 1)
	equal(t, "still contended", contended(f.load(need)), users(acme, "a", "unknown"))

	release()
	s = f.load(need)
	equal(t, "contended after the release", contended(s), nil)
	equal(t, "loaded after the release", s.Identities[key(acme, "a")], identity(acme, "a", 1))

	// A second release takes nothing from who holds them now.
	again := f.hold(users(acme, "a")...)
	release()
	equal(t, "held by another", contended(f.load(need)), users(acme, "a"))
	again()
	equal(t, "contended at the end", contended(f.load(need)), nil)
	f.hold()() // nobody
}

// testHoldPersons: who is held keeps their whole person.
func testHoldPersons(t *testing.T, f *fixture) {
	f.persons()
	release := f.hold(users(acme, "a2")...)
	s := f.load(state.Need{Users: users(acme, "b", "a3", "a1")})
	equal(t, "contended", contended(s), users(acme, "a1", "a3"))
	equal(t, "the others are whole", s.Identities[key(acme, "b")], identity(acme, "b", 3))
	equal(t, "the one who is held", contended(f.load(state.Need{Users: users(acme, "a2", "b")})), users(acme, "a2"))
	equal(t, "another person", contended(f.load(state.Need{Users: users(acme, "b")})), nil)
	release()
	s = f.load(state.Need{Users: users(acme, "a1", "b")})
	equal(t, "contended after the release", contended(s), nil)
	equal(t, "loaded after the release", loaded(s), []string{"a1", "a2", "a3", "b"})
}

func testHoldsWait(t *testing.T, f *fixture) {
	release := f.hold(users(acme, "b")...)
	f.isBusy("hold of who is held", users(acme, "a", "b", "c")...)
	f.hold(users(acme, "a", "c")...)() // the attempt left none of them held
	f.hold(users(other, "b")...)()

	var released atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() {
		next, err := f.store.Hold(f.ctx(), users(acme, "c", "b", "a"))
		if err != nil {
			t.Errorf("hold: %v", err)
			return
		}
		if !released.Load() {
			t.Error("two hold the same user")
		}
		next()
	})
	released.Store(true)
	release()
	wait.Wait()
	equal(t, "contended at the end", contended(f.load(state.Need{Users: users(acme, "a", "b", "c")})), nil)
}

// testHoldWaitsForTx: what a transaction has locked is not held before it ends.
func testHoldWaitsForTx(t *testing.T, f *fixture) {
	f.persons()
	for what, end := range map[string]func(state.Tx) error{
		"commit":        func(tx state.Tx) error { return tx.Commit(f.ctx(), state.Changes{}) },
		"rollback":      state.Tx.Rollback,
		"failed commit": func(tx state.Tx) error { return fails(tx.Commit(f.ctx(), broken())) },
	} {
		tx := f.begin(state.Need{Users: users(acme, "a1", "new")})
		f.isBusy(what+": a user of the transaction", users(acme, "a1")...)
		f.isBusy(what+": a member of their person", users(acme, "a3")...)
		f.isBusy(what+": one who is not known yet", users(acme, "new")...)
		f.hold(users(acme, "b")...)()

		var ended atomic.Bool
		var wait sync.WaitGroup
		wait.Go(func() {
			release, err := f.store.Hold(f.ctx(), users(acme, "a1", "b", "new"))
			if err != nil {
				t.Errorf("hold: %v", err)
				return
			}
			if !ended.Load() {
				t.Error("a user was held while a transaction had them")
			}
			release()
		})
		ended.Store(true)
		if err := end(tx); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		wait.Wait()
	}
}

// broken are changes that no store takes.
func broken() state.Changes {
	return state.Changes{Outbox: []state.Effect{{ID: "without a topic"}}}
}

func fails(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return nil
}

// testHoldsOfMany: holders and transactions, in any order of their users, never
// have one user at once, and none waits for ever.
func testHoldsOfMany(t *testing.T, f *fixture) {
	all := users(acme, "a", "b", "c", "d")
	var f1 state.Changes
	for n, u := range all {
		f1.Identities = append(f1.Identities, identity(acme, u.ID, uint32(n+1)))
	}
	f.write(f1)
	var inUse [4]atomic.Int32
	use := func(what string, which []int) {
		for _, n := range which {
			if inUse[n].Add(1) != 1 {
				t.Errorf("%s: user %d is used by two", what, n)
			}
		}
		for _, n := range which {
			inUse[n].Add(-1)
		}
	}
	var wait sync.WaitGroup
	for worker, which := range [][]int{{0, 1}, {1, 0}, {3, 1, 2}, {2, 3}} {
		var mine []state.Key
		for _, n := range which {
			mine = append(mine, all[n])
		}
		wait.Go(func() {
			for range 20 {
				release, err := f.store.Hold(f.ctx(), mine)
				if err != nil {
					t.Errorf("hold: %v", err)
					return
				}
				use(fmt.Sprint("holder ", worker), which)
				release()
			}
		})
	}
	for worker := range 2 {
		wait.Go(func() {
			for range 10 {
				tx, err := f.store.Begin(f.ctx(), state.Need{Users: all})
				if err != nil {
					t.Errorf("begin: %v", err)
					return
				}
				var free []int
				for n, u := range all {
					if !slices.Contains(tx.Snapshot().Contended, u) {
						free = append(free, n)
					}
				}
				use(fmt.Sprint("transaction ", worker), free)
				if err := tx.Rollback(); err != nil {
					t.Errorf("roll back: %v", err)
				}
			}
		})
	}
	wait.Wait()
	equal(t, "contended at the end", contended(f.load(state.Need{Users: all})), nil)
}
