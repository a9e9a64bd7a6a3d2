package pipeline_test

import (
	"context"
	"slices"
	"testing"

	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/pipeline"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/state"
)

// forward is a step that wants something done for every item that is applied.
func forward() pipeline.Step {
	return pipeline.Step{Number: 11, Name: "forward", Run: func(_ context.Context, b *pipeline.Batch) error {
		for _, e := range b.Entries {
			if e.Event != nil {
				e.Effects = append(e.Effects, state.Effect{Workspace: e.Record.Workspace, Topic: "test", ID: e.Item.ID, User: e.Record.UserID})
			}
		}
		return nil
	}}
}

func effects(t *testing.T, w *world) (ids []string) {
	t.Helper()
	list, err := w.state.Outbox().Read(t.Context(), "test", 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return ids
}

// Work that waits is recorded once for each item, wherever the worker dies, and
// a rebuild records none.
func TestEffectsAreRecordedOnce(t *testing.T) {
	want := []string{"1", "2", "3"}
	for n := 1; n <= 8; n++ {
		w := newWorld(t)
		w.options.Items, w.options.Steps = 2, []pipeline.Step{forward()}
		w.send([]string{custom("1", "u", "Sent", ""), custom("2", "u", "Sent", "")}, []string{custom("3", "u", "Sent", ""), custom("1", "u", "Sent", "")})
		ctx, cancel := context.WithCancel(t.Context())
		f := &faults{after: true, stop: cancel}
		f.left.Store(int64(n))
		w.wrap = func(w *world) (queue.Queue, state.Store, eventstore.Store) {
			return faultyQueue{w.queue, f}, faultyState{w.state, f}, faultyEvents{w.events, f}
		}
		p := w.pipeline()
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		w.settled(ctx)
		cancel()
		<-done
		w.wrap = nil
		w.drain()
		if got := effects(t, w); !slices.Equal(got, want) {
			t.Errorf("died after write %d: effects %v, want %v", n, got, want)
		}
		if err := w.pipeline().Rebuild(t.Context(), ws); err != nil {
			t.Fatal(err)
		}
		if got := effects(t, w); !slices.Equal(got, want) {
			t.Errorf("after a rebuild: effects %v, want %v", got, want)
		}
	}
}
