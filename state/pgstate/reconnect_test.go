package pgstate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// attempts are what a worker has tried, by the id of the effect that it recorded.
type attempts struct {
	mu              sync.Mutex
	written, failed map[string]bool
}

// Connections are cut again and again, wherever they are, under load: what Commit says
// is so, nothing is half there, and the store goes on by itself.
func TestConnectionsAreCut(t *testing.T) {
	options := testOptions(t)
	options.MaxConns = 12
	s := open(t, options)
	const people, workers, enough = 6, 4, 150
	var ids []string
	for n := range people {
		ids = append(ids, fmt.Sprint("u", n))
		commit(t, begin(t, s, state.Need{}), state.Changes{Identities: []*weir.Identity{identity(ids[n], uint32(n+1), uint32(n+1))}})
	}
	outcome := attempts{written: map[string]bool{}, failed: map[string]bool{}}
	var commits, cuts atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(w)))
			for n := 0; ctx.Err() == nil; n++ {
				if err := work(s, &outcome, fmt.Sprintf("%d.%d", w, n), w, ids[r.IntN(people)], ids[r.IntN(people)]); err == nil {
					commits.Add(1)
				} else if errors.Is(err, state.ErrFenced) {
					t.Errorf("nobody else has the partition: %v", err)
				}
			}
		})
	}
	for commits.Load() < enough || cuts.Load() < 20 {
		cut(t, options, "random() < 0.5")
		cuts.Add(1)
	}
	stop()
	wait.Wait()
	t.Logf("%d commits, %d failed, %d cuts", commits.Load(), len(outcome.failed), cuts.Load())
	outcome.check(t, s, ids)
}

// work changes two users, an outbox and a position in one transaction.
func work(s *Store, outcome *attempts, id string, partition int, a, b string) (err error) {
	ctx := context.Background()
	tx, err := s.Begin(ctx, state.Need{Users: users(a, b), Partitions: []int{partition}})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	changes := state.Changes{Applied: map[int]uint64{partition: tx.Snapshot().Applied[partition] + 1}}
	for _, i := range tx.Snapshot().Identities {
		i.LastSeen++
		changes.Identities = append(changes.Identities, i)
		changes.Outbox = append(changes.Outbox, state.Effect{Workspace: ws, Topic: "t", ID: id, User: i.ID})
	}
	err = tx.Commit(ctx, changes)
	outcome.mu.Lock()
	defer outcome.mu.Unlock()
	if err == nil {
		outcome.written[id] = true
	} else {
		outcome.failed[id] = true
	}
	return err
}

// check compares what was said with what is there.
func (o *attempts) check(t *testing.T, s *Store, ids []string) {
	t.Helper()
	effects, err := s.Outbox().Read(t.Context(), "t", 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	seen, changes := map[string]bool{}, map[string]int{}
	for _, e := range effects {
		seen[e.ID] = true
		changes[e.User]++
	}
	for id := range o.written {
		if !seen[id] {
			t.Errorf("%s was committed, and is not there", id)
		}
	}
	for id := range o.failed {
		if seen[id] {
			t.Errorf("%s failed, and is there", id)
		}
	}
	for _, id := range ids {
		list, err := s.View().Person(t.Context(), ws, id)
		if err != nil || len(list) != 1 {
			t.Fatalf("%s is %v, %v", id, list, err)
		}
		if int(list[0].LastSeen) != changes[id] {
			t.Errorf("%s was changed %d times, and %d effects of that wait", id, list[0].LastSeen, changes[id])
		}
	}
}

// All else works on after a cut too, without an error.
func TestOthersGoOnAfterACut(t *testing.T) {
	options := testOptions(t)
	options.MaxConns = 4
	s := open(t, options)
	key := []state.ItemKey{{Workspace: ws, ID: "i"}}
	for what, call := range map[string]func() error{
		"seen":   func() error { return s.Seen().Put(t.Context(), key, nil, make([]state.Entry, 1)) },
		"view":   func() error { _, err := s.View().Workspaces(t.Context()); return err },
		"outbox": func() error { return s.Outbox().Done(t.Context(), "t", 1) },
	} {
		if err := call(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		cut(t, options, "true")
		if err := call(); err != nil {
			t.Errorf("%s: after the cut: %v", what, err)
		}
	}
	release, err := s.Hold(t.Context(), users("held"))
	if err != nil {
		t.Fatal(err)
	}
	cut(t, options, "true")
	tx := begin(t, s, state.Need{Users: users("held")})
	if len(tx.Snapshot().Contended) != 1 {
		t.Error("a cut let a user go")
	}
	_ = tx.Rollback()
	release()
	tx = begin(t, s, state.Need{Users: users("held")})
	if len(tx.Snapshot().Contended) != 0 {
		t.Error("the user is still held")
	}
	_ = tx.Rollback()
}

// Whose connection is lost while it commits learns what became of it.
func TestOutcomeOfACommit(t *testing.T) {
	s := open(t, testOptions(t))
	lost := errors.New("lost")
	for what, c := range map[string]struct {
		before func(t *tx) error // the connection is lost
		want   error
	}{
		"committed": {func(t *tx) error { _, err := t.conn.Exec(context.Background(), "COMMIT"); return err }, nil},
		"not":       {func(t *tx) error { _, err := t.conn.Exec(context.Background(), "ROLLBACK"); return err }, lost},
		"fenced": {func(t *tx) error {
			_, err := t.conn.Exec(context.Background(), "ROLLBACK")
			heir, begun := s.Begin(context.Background(), state.Need{Partitions: []int{1}})
			if begun != nil {
				return begun
			}
			return errors.Join(err, heir.Commit(context.Background(), state.Changes{Applied: map[int]uint64{1: heir.Snapshot().Applied[1] + 7}}))
		}, state.ErrFenced},
	} {
		lostTx := begin(t, s, state.Need{Partitions: []int{1}}).(*tx)
		batch, err := lostTx.writes(t.Context(), state.Changes{Applied: map[int]uint64{1: lostTx.applied[1] + 1}})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(send(t.Context(), lostTx.conn, batch), c.before(lostTx)); err != nil {
			t.Fatal(err)
		}
		if err := lostTx.outcome(t.Context(), lost, true); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", what, err, c.want)
		}
		lostTx.end()
	}
	// One without positions can not be told about.
	nothing := begin(t, s, state.Need{}).(*tx)
	defer nothing.Rollback()
	if err := nothing.outcome(t.Context(), lost, true); !errors.Is(err, lost) {
		t.Errorf("without positions: got %v", err)
	}
}
