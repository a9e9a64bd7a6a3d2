package live_test

import (
	"context"
	"errors"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/live"
)

func message(ws weir.WorkspaceID, receipt string, seq uint64) live.Message {
	return live.Message{Workspace: ws, Outcome: weir.Outcome{Receipt: receipt, Position: weir.At(0, seq)}}
}

func TestSubscriberGetsItsWorkspaceOnly(t *testing.T) {
	hub := live.NewHub()
	s := hub.Subscribe("a")
	defer s.Close()
	hub.Publish([]live.Message{message("b", "r", 1), message("a", "r", 2)})
	if got := (<-s.C).Outcome.Position; got != weir.At(0, 2) {
		t.Fatalf("got %s, want 0.2", got)
	}
	if len(s.C) != 0 {
		t.Fatal("got a message of another workspace")
	}
}

func TestSlowSubscriberLosesTheOldest(t *testing.T) {
	hub := live.NewHub()
	s := hub.Subscribe("a")
	defer s.Close()
	for i := range 300 {
		hub.Publish([]live.Message{message("a", "r", uint64(i+1))})
	}
	if lost := s.Lost(); lost != 300-256 {
		t.Fatalf("lost %d, want %d", lost, 300-256)
	}
	if first := (<-s.C).Outcome.Position.Seq(); first != 300-256+1 {
		t.Fatalf("the oldest kept is %d", first)
	}
	if s.Lost() != 0 {
		t.Fatal("the count does not start anew")
	}
}

func TestClosedSubscriberIsForgotten(t *testing.T) {
	hub := live.NewHub()
	s := hub.Subscribe("a")
	if !hub.Listened("a") {
		t.Fatal("nobody listens")
	}
	s.Close()
	if hub.Listened("a") {
		t.Fatal("somebody still listens")
	}
	hub.Publish([]live.Message{message("a", "r", 1)})
	if len(s.C) != 0 {
		t.Fatal("delivered after Close")
	}
}

func TestWaiterCountsEachPositionOnce(t *testing.T) {
	hub := live.NewHub()
	w := hub.Await("a", "r1", 2)
	defer w.Cancel()
	hub.Publish([]live.Message{message("a", "r1", 1), message("a", "r1", 1), message("a", "r2", 2)})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	got, err := w.Wait(ctx)
	if !errors.Is(err, context.Canceled) || len(got) != 1 {
		t.Fatalf("got %d outcomes, %v", len(got), err)
	}
	hub.Publish([]live.Message{message("a", "r1", 3)})
	if got, err = w.Wait(context.Background()); err != nil || len(got) != 2 {
		t.Fatalf("got %d outcomes, %v", len(got), err)
	}
}

func TestWaiterForNothingReturnsAtOnce(t *testing.T) {
	w := live.NewHub().Await("a", "r", 0)
	if got, err := w.Wait(context.Background()); err != nil || len(got) != 0 {
		t.Fatalf("got %v, %v", got, err)
	}
}
