package pgstate

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// missing fails the test if anything of a user's is there.
func missing(t *testing.T, s *Store, id string) {
	t.Helper()
	if list, err := s.View().Person(t.Context(), ws, id); err != nil || len(list) > 0 {
		t.Errorf("of %s there is %v, %v", id, list, err)
	}
}

// A worker that was taken for dead and wakes up writes nothing, and is told so.
func TestZombieIsFenced(t *testing.T) {
	s := open(t, testOptions(t))
	for what, first := range map[string]uint64{"of a partition that is known": 10, "of one that is not": 0} {
		t.Run(what, func(t *testing.T) {
			partition := int(first)
			if first > 0 {
				commit(t, begin(t, s, state.Need{Partitions: []int{partition}}), state.Changes{Applied: map[int]uint64{partition: first}})
			}
			zombie := begin(t, s, state.Need{Users: users("zombie"), Partitions: []int{partition}})
			commit(t, begin(t, s, state.Need{Users: users("heir"), Partitions: []int{partition}}), state.Changes{Applied: map[int]uint64{partition: first + 5}})
			err := zombie.Commit(t.Context(), state.Changes{
				Identities: []*weir.Identity{identity("zombie", 99, 99)}, Applied: map[int]uint64{partition: first + 9},
				Outbox: []state.Effect{{Workspace: ws, Topic: "t", ID: "zombie's"}},
			})
			if !errors.Is(err, state.ErrFenced) {
				t.Errorf("got %v, want ErrFenced", err)
			}
			missing(t, s, "zombie")
			if list, err := s.Outbox().Read(t.Context(), "t", 0, 1); err != nil || len(list) > 0 {
				t.Errorf("its effects are %v, %v", list, err)
			}
			tx := begin(t, s, state.Need{Partitions: []int{partition}})
			if got := tx.Snapshot().Applied[partition]; got != first+5 {
				t.Errorf("the position is %d, want %d", got, first+5)
			}
			_ = tx.Rollback()
		})
	}
}

// Also while the two commit at once, and when somebody has removed the row.
func TestZombieAtTheSameTime(t *testing.T) {
	s := open(t, testOptions(t))
	commit(t, begin(t, s, state.Need{Partitions: []int{1}}), state.Changes{Applied: map[int]uint64{1: 10}})
	one, two := begin(t, s, state.Need{Partitions: []int{1}}), begin(t, s, state.Need{Partitions: []int{1}})
	results := make(chan error, 2)
	for _, tx := range []state.Tx{one, two} {
		go func() { results <- tx.Commit(context.Background(), state.Changes{Applied: map[int]uint64{1: 20}}) }()
	}
	first, second := <-results, <-results
	if first == nil == (second == nil) || !errors.Is(errors.Join(first, second), state.ErrFenced) {
		t.Errorf("got %v and %v; want one of them fenced", first, second)
	}
	late := begin(t, s, state.Need{Partitions: []int{1}})
	if _, err := s.pool.Exec(t.Context(), "DELETE FROM positions"); err != nil {
		t.Fatal(err)
	}
	if err := late.Commit(t.Context(), state.Changes{Applied: map[int]uint64{1: 30}}); !errors.Is(err, state.ErrFenced) {
		t.Errorf("the row is gone: got %v, want ErrFenced", err)
	}
}

// The database ends the transaction of a worker that does nothing for too long: its
// users are free, and it learns what it is.
func TestZombieWhoseTransactionWasEnded(t *testing.T) {
	options := testOptions(t)
	options.IdleTimeout = 50 * time.Millisecond
	slow := open(t, options)
	options.IdleTimeout = 0
	s := open(t, options)
	zombie := begin(t, slow, state.Need{Users: users("u"), Partitions: []int{1}})
	heir := begin(t, s, state.Need{Users: users("u"), Partitions: []int{1}}) // waits until u is free
	commit(t, heir, state.Changes{Identities: []*weir.Identity{identity("u", 1, 1)}, Applied: map[int]uint64{1: 5}})
	err := zombie.Commit(t.Context(), state.Changes{Identities: []*weir.Identity{identity("u", 2, 2)}, Applied: map[int]uint64{1: 4}})
	if !errors.Is(err, state.ErrFenced) {
		t.Errorf("got %v, want ErrFenced", err)
	}
	if list, err := s.View().Person(t.Context(), ws, "u"); err != nil || len(list) != 1 || list[0].Number != 1 {
		t.Errorf("u is %v, %v", list, err)
	}
}

// Transactions without a user in common are open at once; one that needs the same user
// waits, and not for ever.
func TestTransactionsWaitForTheirUsersOnly(t *testing.T) {
	options := testOptions(t)
	options.LockTimeout = 50 * time.Millisecond
	s := open(t, options)
	one, two := begin(t, s, state.Need{Users: users("a", "b")}), begin(t, s, state.Need{Users: users("c", "d")})
	if tx, err := s.Begin(t.Context(), state.Need{Users: users("e", "d", "b")}); err == nil {
		t.Error("a user was given to two transactions")
		_ = tx.Rollback()
	} else if codeOf(err) != codeLockTimeout {
		t.Errorf("got %v, want a lock timeout", err)
	}
	commit(t, one, state.Changes{})
	commit(t, two, state.Changes{})
	if err := begin(t, s, state.Need{Users: users("e", "d", "b")}).Rollback(); err != nil {
		t.Error(err)
	}
}

// A person who grew while their member was waited for is locked and loaded whole.
func TestPersonsGrowWhileTheyAreWaitedFor(t *testing.T) {
	s := open(t, testOptions(t))
	a, b := identity("a", 1, 1), identity("b", 2, 2)
	commit(t, begin(t, s, state.Need{}), state.Changes{Identities: []*weir.Identity{a, b}})
	merge := begin(t, s, state.Need{Users: users("a", "b")})
	got := make(chan state.Tx)
	go func() {
		tx, err := s.Begin(context.Background(), state.Need{Users: users("b")})
		if err != nil {
			t.Error(err)
		}
		got <- tx
	}()
	waitForWaiting(t, s, 1)
	b.Person = 1
	commit(t, merge, state.Changes{Identities: []*weir.Identity{b}})
	tx := <-got
	if tx == nil {
		return
	}
	defer tx.Rollback()
	if n := len(tx.Snapshot().Identities); n != 2 {
		t.Errorf("%d identities are loaded, want 2", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if release, err := s.Hold(ctx, users("a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the member who joined is not locked: %v", err)
		if err == nil {
			release()
		}
	}
}

// What two transactions make new without a user in common goes to one of them. The
// other begins again and finds it.
func TestTheSameNewSessionAndConversion(t *testing.T) {
	s := open(t, testOptions(t))
	session := func(number, owner uint32) *weir.Session {
		return &weir.Session{Workspace: ws, ID: "same", Number: number, Owner: owner}
	}
	conversion := func(owner uint32) *weir.Conversion {
		return &weir.Conversion{Workspace: ws, ID: "same", Owner: owner}
	}
	for what, change := range map[string]func(owner uint32) state.Changes{
		"session": func(owner uint32) state.Changes {
			return state.Changes{Sessions: []*weir.Session{session(owner, owner)}}
		},
		"conversion": func(owner uint32) state.Changes {
			return state.Changes{Conversions: []*weir.Conversion{conversion(owner)}}
		},
	} {
		need := func(user string) state.Need {
			return state.Need{Users: users(user), Sessions: users("same"), Conversions: users("same")}
		}
		one, two := begin(t, s, need("one")), begin(t, s, need("two"))
		commit(t, one, change(1))
		if err := two.Commit(t.Context(), change(2)); err == nil {
			t.Errorf("%s: the second took what the first had made", what)
		}
		again := begin(t, s, need("two")).(*tx)
		if len(again.snapshot.Sessions)+len(again.snapshot.Conversions) == 0 {
			t.Errorf("%s: the second does not find what the first has made", what)
		}
		_ = again.Rollback()
	}
}

// Locks are rows: there is room for more than the server has for advisory ones.
func TestManyUsersAreLockedAtOnce(t *testing.T) {
	s := open(t, testOptions(t))
	var need state.Need
	for n := range 20_000 {
		need.Users = append(need.Users, state.Key{Workspace: ws, ID: fmt.Sprint("u", n)})
	}
	for range 2 { // unknown, and known to be locked before
		commit(t, begin(t, s, need), state.Changes{})
	}
}
