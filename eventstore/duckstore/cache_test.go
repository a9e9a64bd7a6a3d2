package duckstore_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/duckstore"
	"github.com/weirhq/weir/query"
)

// An answer is given again while nothing was written, and never after.
func TestAnswersAreKeptUntilTheNextWrite(t *testing.T) {
	registry := prometheus.NewRegistry()
	s, err := duckstore.Open(t.TempDir(), &duckstore.Options{Metrics: registry})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	kept := func() float64 {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "weir_eventstore_cached_answers_total" {
				return f.GetMetric()[0].GetCounter().GetValue()
			}
		}
		return 0
	}
	question := `{"kind": "lifecycle", "event": "a", "from": "2026-10-01", "to": "2026-10-02"}`
	plan := func() *query.Plan {
		p, fault := query.Parse([]byte(question), query.Env{Now: time.Date(2026, 10, 7, 12, 0, 0, 0, time.UTC)})
		if fault != nil {
			t.Fatal(fault)
		}
		return p
	}
	write := func(ws weir.WorkspaceID, seq uint64, b *eventstore.Batch) {
		b.Applied = map[int]uint64{0: seq}
		if err := s.Write(t.Context(), ws, b); err != nil {
			t.Fatal(err)
		}
	}
	people := func(ws weir.WorkspaceID) int64 {
		answer, err := s.Ask(t.Context(), ws, plan())
		if err != nil {
			t.Fatal(err)
		}
		if answer.AsOf.Positions[0] == 0 {
			t.Error("an answer does not say what it includes")
		}
		return answer.New[0]
	}
	at := weir.MicrosOf(time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC))
	event := func(seq uint64, identity uint32) *eventstore.Batch {
		return &eventstore.Batch{Events: []weir.Event{{Position: weir.At(0, seq), Time: at, Name: "a", Identity: identity, Person: identity}}}
	}
	write("one", 1, event(1, 1))
	write("two", 1, event(1, 1))
	if n := people("one"); n != 1 || kept() != 0 {
		t.Fatalf("%d people, %v kept answers", n, kept())
	}
	if n := people("one"); n != 1 || kept() != 1 {
		t.Fatalf("asked again: %d people, %v kept answers", n, kept())
	}
	write("two", 2, event(2, 2)) // of no concern to the other
	if n := people("one"); n != 1 || kept() != 2 {
		t.Fatalf("after another workspace's write: %d people, %v kept answers", n, kept())
	}
	if n := people("two"); n != 2 || kept() != 2 {
		t.Fatalf("the other workspace: %d people, %v kept answers", n, kept())
	}
	write("one", 2, event(2, 2))
	if n := people("one"); n != 2 || kept() != 2 {
		t.Fatalf("after a write: %d people, %v kept answers", n, kept())
	}
	write("one", 3, &eventstore.Batch{Moves: []eventstore.Move{{Identity: 2, Person: 1, From: query.TimeMin, To: query.TimeMax}}})
	if n := people("one"); n != 1 || kept() != 2 {
		t.Fatalf("after a merge: %d people, %v kept answers", n, kept())
	}
	if err := s.Drop(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	write("one", 1, event(1, 1))
	if n := people("one"); n != 1 || kept() != 2 {
		t.Fatalf("made anew: %d people, %v kept answers", n, kept())
	}
}
