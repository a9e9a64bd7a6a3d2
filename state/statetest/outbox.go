package statetest

import (
	"fmt"
	"testing"

	"github.com/weirhq/weir/state"
)

func effect(topic string, n int) state.Effect {
	return state.Effect{Workspace: acme, Topic: topic, ID: fmt.Sprint("e", n), User: "u1", Body: []byte{byte(n), 0}}
}

// waiting lists a topic's effects by id.
func (f *fixture) waiting(topic string, after int64, limit int) (ids []string, last int64) {
	f.t.Helper()
	list, err := f.store.Outbox().Read(f.ctx(), topic, after, limit)
	if err != nil {
		f.t.Fatalf("read outbox: %v", err)
	}
	for _, w := range list {
		if w.Cursor <= max(last, after) {
			f.t.Errorf("cursor %d follows %d", w.Cursor, max(last, after))
		}
		ids, last = append(ids, w.ID), w.Cursor
	}
	return ids, last
}

func testOutbox(t *testing.T, f *fixture) {
	f.write(state.Changes{Outbox: []state.Effect{effect("mail", 1), effect("crm", 2), effect("mail", 3)}, Applied: map[int]uint64{0: 1}})
	f.write(state.Changes{Outbox: []state.Effect{effect("mail", 4)}})
	f.reopen()
	list, err := f.store.Outbox().Read(f.ctx(), "crm", 0, 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("the outbox of crm has %v, %v", list, err)
	}
	equal(t, "effect", list[0].Effect, effect("crm", 2))

	first, cursor := f.waiting("mail", 0, 2)
	equal(t, "first page", first, []string{"e1", "e3"})
	rest, _ := f.waiting("mail", cursor, 2)
	equal(t, "second page", rest, []string{"e4"})

	if err := f.store.Outbox().Done(f.ctx(), "mail", cursor); err != nil {
		t.Fatalf("done: %v", err)
	}
	f.reopen()
	left, last := f.waiting("mail", 0, 10)
	equal(t, "left", left, []string{"e4"})
	if others, _ := f.waiting("crm", 0, 10); len(others) != 1 {
		t.Errorf("another topic lost effects: %v", others)
	}

	// A cursor is never used again, or who waits behind it would miss an effect.
	if err := f.store.Outbox().Done(f.ctx(), "mail", last); err != nil {
		t.Fatalf("done: %v", err)
	}
	f.reopen()
	f.write(state.Changes{Outbox: []state.Effect{effect("mail", 5)}})
	next, _ := f.waiting("mail", last, 10)
	equal(t, "behind what is done", next, []string{"e5"})
}

func testOutboxHasItsCause(t *testing.T, f *fixture) {
	tx := f.begin(state.Need{Partitions: []int{0}})
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	tx = f.begin(state.Need{Partitions: []int{0}})
	nameless := effect("", 1)
	if err := tx.Commit(f.ctx(), state.Changes{Outbox: []state.Effect{effect("mail", 2), nameless}, Applied: map[int]uint64{0: 9}}); err == nil {
		t.Error("an effect without a topic was recorded")
	}
	if ids, _ := f.waiting("mail", 0, 10); len(ids) != 0 {
		t.Errorf("effects of a transaction that failed wait: %v", ids)
	}
	if s := f.load(state.Need{Partitions: []int{0}}); s.Applied[0] != 0 {
		t.Errorf("the position of a transaction that failed is %d", s.Applied[0])
	}
}
