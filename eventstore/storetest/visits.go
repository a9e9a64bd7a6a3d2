package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/eventstore"
)

// visitsOf lists the visits of a workspace.
func visitsOf(t *testing.T, s eventstore.Store, ws weir.WorkspaceID) []eventstore.Visit {
	t.Helper()
	var out []eventstore.Visit
	err := s.Visits(t.Context(), ws, func(v eventstore.Visit) error {
		out = append(out, v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wantVisits(t *testing.T, s eventstore.Store, what string, want ...eventstore.Visit) {
	t.Helper()
	if got := visitsOf(t, s, Workspace); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: visits\n%+v, want\n%+v", what, got, want)
	}
}

// visit is one about which not much is known.
func visit(number, identity, person uint32) eventstore.Visit {
	return eventstore.Visit{
		Number: number, ID: fmt.Sprint("v", number), Identity: identity, Person: person, StartedAt: weir.Micros(number) * hour,
		Source: attribution.Source{Source: "direct"}, Channel: "direct",
	}
}

// fullVisit is one about which everything is known.
func fullVisit(number, identity, person uint32) eventstore.Visit {
	return eventstore.Visit{
		Number: number, ID: "an id that is longer than a few bytes, with ü", Identity: identity, Person: person, Origin: weir.Derived,
		StartedAt: 1_790_000_000_123_456, Seconds: 10.25, Pageviews: 3, Interactions: 1 << 40, Bounced: true,
		Source: attribution.Source{
			Source: "news \"letter\"", Medium: "email", Campaign: "autumn", Content: "top", Term: "shoes", ClickID: "gclid",
			Referrer: "https://a.example/?q=1", LandingPage: "https://b.example/é",
		},
		Channel: "email",
	}
}

func testVisits(t *testing.T, h *Harness) {
	wantVisits(t, h.Store, "of a workspace that has none")
	bare := eventstore.Visit{Number: 4, ID: "bare", Identity: 9, Person: 9}
	impression := visit(2, 8, 5)
	impression.Origin, impression.Source.Impression = weir.Impression, true
	full := fullVisit(7, 8, 5)
	write(t, h.Store, &eventstore.Batch{Applied: map[int]uint64{0: 1}, Visits: []eventstore.Visit{full, bare, impression}})
	want := []eventstore.Visit{impression, bare, full}
	wantVisits(t, h.Store, "in order of number", want...)
	if other := visitsOf(t, h.Store, "other"); len(other) != 0 {
		t.Errorf("another workspace has visits %+v", other)
	}

	stop, calls := errors.New("stop"), 0
	err := h.Store.Visits(t.Context(), Workspace, func(eventstore.Visit) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("after %d calls: %v, want the error of the first", calls, err)
	}
	if h.Reopen != nil {
		h.Store = h.Reopen(t)
		wantVisits(t, h.Store, "opened again", want...)
	}
	if err := h.Store.Drop(t.Context(), Workspace); err != nil {
		t.Fatal(err)
	}
	wantVisits(t, h.Store, "of a workspace that was dropped")
}

func testVisitsReplacedAndGone(t *testing.T, h *Harness) {
	put := func(gone []uint32, visits ...eventstore.Visit) {
		write(t, h.Store, &eventstore.Batch{Visits: visits, VisitsGone: gone})
	}
	first := visit(1, 3, 3)
	put(nil, fullVisit(1, 3, 3), visit(2, 3, 3), visit(3, 3, 3))
	put(nil, first)
	wantVisits(t, h.Store, "a replaced visit keeps nothing", first, visit(2, 3, 3), visit(3, 3, 3))
	last := fullVisit(2, 3, 3)
	put(nil, visit(2, 3, 3), last)
	wantVisits(t, h.Store, "of two in one batch the last", first, last, visit(3, 3, 3))
	put([]uint32{1, 99}, visit(4, 3, 3))
	wantVisits(t, h.Store, "one is gone", last, visit(3, 3, 3), visit(4, 3, 3))
	put([]uint32{2, 4}, visit(4, 3, 3))
	wantVisits(t, h.Store, "gone and there in one batch", visit(3, 3, 3), visit(4, 3, 3))
	again := &eventstore.Batch{Applied: map[int]uint64{0: 5}, Visits: []eventstore.Visit{visit(5, 3, 3)}, VisitsGone: []uint32{3}}
	write(t, h.Store, again)
	write(t, h.Store, again)
	wantVisits(t, h.Store, "written twice", visit(4, 3, 3), visit(5, 3, 3))
}

// A batch may say all visits of an identity: what it does not name goes.
func testVisitsOf(t *testing.T, h *Harness) {
	write(t, h.Store, &eventstore.Batch{Visits: []eventstore.Visit{visit(1, 3, 3), visit(2, 3, 3), visit(3, 4, 4), visit(4, 5, 5)}})
	moved := fullVisit(4, 3, 3) // it was of another identity
	write(t, h.Store, &eventstore.Batch{VisitsOf: []uint32{3, 77}, Visits: []eventstore.Visit{visit(2, 3, 3), moved}})
	wantVisits(t, h.Store, "of identity 3 those that were said", visit(2, 3, 3), visit(3, 4, 4), moved)
	write(t, h.Store, &eventstore.Batch{VisitsOf: []uint32{3, 4}})
	wantVisits(t, h.Store, "nobody has any")
}

// Whose a visit is follows from its identity, whoever said it first or last.
func testVisitsFollow(t *testing.T, h *Harness) {
	of := func(v eventstore.Visit, person uint32) eventstore.Visit {
		v.Person = person
		return v
	}
	always := func(identity, person uint32) eventstore.Move {
		return eventstore.Move{Identity: identity, Person: person, From: math.MinInt64, To: math.MaxInt64}
	}
	event := weir.Event{Position: weir.At(0, 1), Time: 1, Name: "a", Identity: 3, Person: 30}
	write(t, h.Store, BatchOf(event))
	one, two, three := visit(1, 3, 99), visit(2, 4, 40), visit(3, 4, 99)
	write(t, h.Store, &eventstore.Batch{Visits: []eventstore.Visit{one, two}})
	wantVisits(t, h.Store, "the event said it first, or else the visit", of(one, 30), of(two, 40))
	write(t, h.Store, &eventstore.Batch{Visits: []eventstore.Visit{three}})
	wantVisits(t, h.Store, "a visit of a known identity", of(one, 30), of(two, 40), of(three, 40))
	write(t, h.Store, &eventstore.Batch{Moves: []eventstore.Move{always(4, 30)}})
	wantVisits(t, h.Store, "moved", of(one, 30), of(two, 30), of(three, 30))
	four := visit(4, 5, 50)
	write(t, h.Store, &eventstore.Batch{Moves: []eventstore.Move{always(5, 30), always(3, 31)}, Visits: []eventstore.Visit{four, of(two, 40)}})
	wantVisits(t, h.Store, "moved with the batch", of(one, 31), of(two, 30), of(three, 30), of(four, 30))
	write(t, h.Store, &eventstore.Batch{Moves: []eventstore.Move{always(4, 40)}})
	wantVisits(t, h.Store, "and back", of(one, 31), of(two, 40), of(three, 40), of(four, 30))
}

// Random batches of visits, moves and events of a few identities.
func testVisitsLikeTheModel(t *testing.T, h *Harness) {
	checkPrograms(t, 4*cmp.Or(h.Programs, 10), func(r *rapid.T, run int) {
		ws, model := weir.WorkspaceID(fmt.Sprint("visits-", run)), NewModel()
		number := func(label string) uint32 { return uint32(rapid.IntRange(1, 4).Draw(r, label)) }
		numbers := func(label string, most int) []uint32 {
			return rapid.SliceOfNDistinct(rapid.Uint32Range(1, 4), 0, most, rapid.ID[uint32]).Draw(r, label)
		}
		for seq := range rapid.IntRange(1, 6).Draw(r, "batches") {
			b := &eventstore.Batch{Applied: map[int]uint64{0: uint64(seq + 1)}, VisitsGone: numbers("gone", 2), VisitsOf: numbers("all of", 2)}
			for _, n := range numbers("visits", 3) {
				v := visit(n, number("identity"), number("person"))
				if rapid.Bool().Draw(r, "full") {
					v = fullVisit(v.Number, v.Identity, v.Person)
				}
				b.Visits = append(b.Visits, v)
			}
			if rapid.Bool().Draw(r, "moves") {
				b.Moves = append(b.Moves, eventstore.Move{Identity: number("moved"), Person: number("to"), From: math.MinInt64, To: math.MaxInt64})
			}
			if rapid.Bool().Draw(r, "event") {
				b.Events = append(b.Events, weir.Event{Position: weir.At(0, uint64(seq+1)), Time: 1, Name: "a", Identity: number("who"), Person: number("of")})
			}
			for _, s := range []eventstore.Store{model, h.Store} {
				if err := s.Write(t.Context(), ws, b); err != nil {
					r.Fatal(err)
				}
			}
			if got, want := visitsOf(t, h.Store, ws), visitsOf(t, model, ws); !slices.Equal(got, want) {
				r.Fatalf("visits\n%+v, want\n%+v", got, want)
			}
		}
	})
}
