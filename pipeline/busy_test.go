package pipeline_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/pipeline"
	"github.com/weirhq/weir/state"
)

// Items of a busy user, and of whoever is joined with them, wait and come again;
// the others go on meanwhile, and nothing is lost or counted twice.
func TestItemsOfABusyUserComeAgain(t *testing.T) {
	w := newWorld(t)
	w.send([]string{custom("0", "phone", "Looked", ""), known("ann"), aliasAt("phone", "ann", 5)})
	w.drain()
	release, err := w.state.Hold(t.Context(), []state.Key{{Workspace: ws, ID: "ann"}})
	if err != nil {
		t.Fatal(err)
	}
	w.options.RetryAfter = time.Millisecond
	w.send([]string{custom("1", "ann", "Busy", ""), custom("2", "ben", "Free", ""), custom("3", "phone", "Busy", "")})
	listener := w.hub.Subscribe(ws)
	defer listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	p := w.pipeline()
	go func() { done <- p.Run(ctx) }()
	waited := map[string]int{}
	for waited["1"] < 2 || waited["3"] < 2 { // they were told to wait again
		m := <-listener.C
		if m.Outcome.Status == weir.Waiting {
			waited[m.Outcome.ItemID]++
		} else if m.Outcome.ItemID != "2" {
			t.Fatalf("%+v, while the user is held", m.Outcome)
		}
	}
	if got := w.ask("Free", "total", ""); got != 1 {
		t.Errorf("%v events of somebody else, want 1", got)
	}
	if got := w.ask("Busy", "total", ""); got != 0 {
		t.Errorf("%v events of the held user, want 0", got)
	}
	release()
	for stored := map[string]bool{}; !stored["1"] || !stored["3"]; {
		if m := <-listener.C; m.Outcome.Status == weir.Stored {
			stored[m.Outcome.ItemID] = true
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := w.ask("Busy", "total", ""); got != 2 {
		t.Errorf("%v events of the user who was held, want 2", got)
	}
	if got := w.ask("*", "users", ""); got != 2 {
		t.Errorf("%v people, want 2", got)
	}
	if left, err := w.state.Outbox().Read(t.Context(), "pipeline.retry", 0, 10); err != nil || len(left) > 0 {
		t.Errorf("still waiting: %v, %v", left, err)
	}
}

// Many who merge at once end with one canonical person per component: a union-find
// over the same pairs says which.
func TestConcurrentMergesEndInComponents(t *testing.T) {
	w := newWorld(t)
	w.options.Workers = 3
	const users, merges, senders = 40, 60, 4
	user := func(n int) string { return fmt.Sprintf("u%02d", n) }
	parent := make([]int, users)
	for n := range parent {
		parent[n] = n
	}
	root := func(n int) int {
		for parent[n] != n {
			n = parent[n]
		}
		return n
	}
	r := rand.New(rand.NewPCG(7, 7))
	var groups [senders][]weir.Record
	add := func(raw string) {
		rec := record(raw)
		rec.Client = weir.ClientServer
		n := r.IntN(senders)
		groups[n] = append(groups[n], rec)
	}
	for n := range users {
		add(known(user(n)))
		add(custom(user(n), user(n), "Done", ""))
	}
	for n := range merges {
		a, b := r.IntN(users), r.IntN(users)
		if n%3 == 0 { // alike in both directions
			a, b = min(a, b), max(a, b)
		}
		if a != b {
			parent[root(a)] = root(b)
			add(fmt.Sprintf(`{"kind":"identity_merge","identity_merge":{"external_id":"m%d","created_at":"2026-10-01T11:00:00Z","from_user_external_id":%q,"to_user_external_id":%q}}`, n, user(a), user(b)))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	p := w.pipeline()
	go func() { done <- p.Run(ctx) }()
	var sending sync.WaitGroup
	for _, group := range groups {
		sending.Go(func() {
			for _, rec := range group {
				w.deliver([]weir.Record{rec})
			}
		})
	}
	sending.Wait()
	w.settled(ctx)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	components := map[int][]string{}
	for n := range users {
		components[root(n)] = append(components[root(n)], user(n))
	}
	for _, ids := range components {
		slices.Sort(ids)
		p := w.person(ids[0])
		if !slices.Equal(p.IDs, ids) || p.ID != ids[0] {
			t.Errorf("person %s of %v, want %s of %v", p.ID, p.IDs, ids[0], ids)
		}
	}
	if got := w.ask("*", "users", ""); int(got) != len(components) {
		t.Errorf("questions see %v people, want %d", got, len(components))
	}
	if got := w.ask("Done", "total", ""); got != users {
		t.Errorf("%v events, want %d", got, users)
	}
}

// An item that no step can take does not hold up a batch of others: it is found by
// halving, and everything else is stored by the same try.
func TestPoisonIsFoundByHalving(t *testing.T) {
	w := newWorld(t)
	w.options.Tries = 1
	runs := 0
	w.options.Steps = []pipeline.Step{{Number: 9, Name: "segment", Run: func(_ context.Context, b *pipeline.Batch) error {
		runs++
		for _, e := range b.Entries {
			if e.Live() && strings.HasPrefix(e.Item.ID, "poison") {
				return fmt.Errorf("%s makes no sense", e.Item.ID)
			}
		}
		return nil
	}}}
	var items []string
	for n := range 500 {
		id := fmt.Sprint(n)
		if n == 77 || n == 402 {
			id = fmt.Sprintf("poison-%d", n)
		}
		items = append(items, custom(id, fmt.Sprint("u", n%50), "Good", ""))
	}
	w.send(items)
	w.drain()
	if got := w.ask("Good", "total", ""); got != 498 {
		t.Errorf("%v neighbours, want 498", got)
	}
	dead, err := w.events.Log(t.Context(), ws, logOf(weir.Dead))
	if err != nil || len(dead) != 2 || !strings.Contains(dead[0].Message, "makes no sense") || dead[0].ItemID == "" {
		t.Errorf("dead: %+v, %v", dead, err)
	}
	if runs > 3*2*2*10 { // partitions, items, levels of halving, both halves
		t.Errorf("the steps ran %d times", runs)
	}
}
