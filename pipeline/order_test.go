package pipeline_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/state"
)

func logOf(s weir.Status) eventstore.LogFilter { return eventstore.LogFilter{Status: s} }

// history is a little of everything: versions, duplicates, people who become
// known, a device that two of them share, traits written out of order.
func history() [][]string {
	at := func(minute int) string { return fmt.Sprintf("2026-10-01T11:%02d:00Z", minute) }
	event := func(id, user, label string, minute, v int) string {
		return fmt.Sprintf(`{"kind":"custom_event","custom_event":{"external_id":%q,"created_at":%q,"label":%q,"properties":{"v":%d}},"user":{"external_id":%q},"session":{"external_id":"s-%s","created_at":%q}}`,
			id, at(minute), label, v, user, user, at(0))
	}
	version := func(minute, v int) string {
		return fmt.Sprintf(`{"kind":"custom_event","custom_event":{"external_id":"v","created_at":%q,"updated_at":%q,"label":"Versioned","properties":{"v":%d}},"user":{"external_id":"ann"}}`, at(1), at(minute), v)
	}
	alias := func(from, to string, minute int) string {
		return fmt.Sprintf(`{"kind":"user_alias","user_alias":{"from_user_external_id":%q,"to_user_external_id":%q,"to_user_is_authenticated":true,"created_at":%q}}`, from, to, at(minute))
	}
	user := func(id, plan string, minute int) string {
		return fmt.Sprintf(`{"kind":"user","user":{"external_id":%q,"is_authenticated":true,"created_at":%q,"updated_at":%q,"traits":{"plan":%q}}}`, id, at(0), at(minute), plan)
	}
	return [][]string{
		{event("1", "tablet", "Looked", 2, 1), event("2", "tablet", "Looked", 3, 2), version(5, 1)},
		{event("3", "ann", "Bought", 4, 3), alias("tablet", "ann", 10), user("ann", "free", 10)},
		{version(7, 2), event("1", "tablet", "Looked", 2, 1), user("ben", "pro", 12)},
		{event("4", "tablet", "Looked", 20, 1), alias("tablet", "ben", 21), event("5", "ben", "Bought", 22, 1)},
		{user("ann", "pro", 30), version(9, 3), event("6", "phone", "Looked", 31, 5), alias("phone", "ben", 32)},
	}
}

func TestOrderNumberAndSizeOfBatchesDoNotMatter(t *testing.T) {
	reference := newWorld(t)
	reference.send(history()...)
	reference.drain()
	want := reference.truth()
	if want == "" {
		t.Fatal("nothing to compare")
	}
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			var items []string
			for _, group := range history() {
				for _, i := range group {
					for range 1 + random.IntN(3) {
						items = append(items, i)
					}
				}
			}
			random.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
			w := newWorld(t)
			w.options.Items = 1 + random.IntN(10)
			for len(items) > 0 {
				n := min(1+random.IntN(5), len(items))
				w.send(items[:n])
				items = items[n:]
				if random.IntN(3) == 0 {
					w.drain()
				}
			}
			w.drain()
			if got := w.truth(); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// faults makes the n-th write of a store fail, after or before it was done, and
// everything after it, as if the process had died there.
type faults struct {
	left  atomic.Int64
	of    string // count writes of this kind only: ack, state, seen or events; "": all
	after bool
	dead  atomic.Bool
	stop  context.CancelFunc
}

func (f *faults) write(kind string, do func() error) error {
	if f.dead.Load() {
		return errInjected
	}
	if f.of != "" && f.of != kind || f.left.Add(-1) != 0 {
		return do()
	}
	f.dead.Store(true)
	f.stop()
	if f.after {
		if err := do(); err != nil {
			return err
		}
	}
	return errInjected
}

type faultyQueue struct {
	queue.Queue
	faults *faults
}

func (q faultyQueue) Consume(ctx context.Context, p []int) (queue.Consumer, error) {
	c, err := q.Queue.Consume(ctx, p)
	return faultyConsumer{c, q.faults}, err
}

type faultyConsumer struct {
	queue.Consumer
	faults *faults
}

func (c faultyConsumer) Ack(ctx context.Context, upTo map[int]uint64) error {
	return c.faults.write("ack", func() error { return c.Consumer.Ack(ctx, upTo) })
}

type faultyState struct {
	state.Store
	faults *faults
}

func (s faultyState) Begin(ctx context.Context, need state.Need) (state.Tx, error) {
	tx, err := s.Store.Begin(ctx, need)
	return faultyTx{tx, s.faults}, err
}

func (s faultyState) Seen() state.Seen { return faultySeen{s.Store.Seen(), s.faults} }

type faultyTx struct {
	state.Tx
	faults *faults
}

func (t faultyTx) Commit(ctx context.Context, c state.Changes) error {
	return t.faults.write("state", func() error { return t.Tx.Commit(ctx, c) })
}

type faultySeen struct {
	state.Seen
	faults *faults
}

func (s faultySeen) Put(ctx context.Context, keys []state.ItemKey, before, entries []state.Entry) error {
	return s.faults.write("seen", func() error { return s.Seen.Put(ctx, keys, before, entries) })
}

type faultyEvents struct {
	eventstore.Store
	faults *faults
}

func (e faultyEvents) Write(ctx context.Context, w weir.WorkspaceID, b *eventstore.Batch) error {
	return e.faults.write("events", func() error { return e.Store.Write(ctx, w, b) })
}

// A worker that dies before or after any write of any batch leaves nothing that
// the next one does not put right.
func TestDeathBetweenAnyTwoWritesChangesNothing(t *testing.T) {
	reference := newWorld(t)
	reference.options.Items = 4
	reference.send(history()...)
	reference.drain()
	want := reference.truth()
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			w := newWorld(t)
			w.options.Items = 4
			w.send(history()...)
			ctx, cancel := context.WithCancel(t.Context())
			f := &faults{after: after, stop: cancel}
			f.left.Store(int64(n))
			w.wrap = func(w *world) (queue.Queue, state.Store, eventstore.Store) {
				return faultyQueue{w.queue, f}, faultyState{w.state, f}, faultyEvents{w.events, f}
			}
			p := w.pipeline()
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx) }()
			if !died(ctx, w) {
				cancel()
				<-done
				if n < 5 {
					t.Fatalf("only %d writes in the whole history", n)
				}
				break // the history has fewer writes than n
			}
			<-done
			w.wrap = nil
			w.drain()
			if got := w.truth(); got != want {
				t.Fatalf("died at write %d, after it: %v; got:\n%s\nwant:\n%s", n, after, got, want)
			}
		}
	}
}

// died waits until the worker dies, or has nothing more to do.
func died(ctx context.Context, w *world) bool {
	return !w.settled(ctx)
}
