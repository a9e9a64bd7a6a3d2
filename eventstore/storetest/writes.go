package storetest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

func testEmpty(t *testing.T, h *Harness) {
	answer, err := h.Store.Ask(t.Context(), Workspace, trends(
		query.Series{Name: "A", Match: about("nobody sent this", is(query.OnEvent, "x", "y")), Measure: query.Total},
		query.Series{Name: "B", Match: about(query.AnyEvent, is(query.OnUser, "x", "y")), Measure: query.Users},
	))
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Series) != 2 || answer.Series[0].Total != 0 || answer.Series[1].Total != 0 {
		t.Errorf("an empty workspace answers %+v, want two series of 0", answer.Series)
	}
	if len(answer.AsOf.Positions) != 0 || answer.AsOf.Time != 0 {
		t.Errorf("as of is %+v, want nothing", answer.AsOf)
	}
	applied, err := h.Store.Applied(t.Context(), Workspace)
	if err != nil || len(applied) != 0 {
		t.Errorf("Applied is %v, %v; want none", applied, err)
	}
	log, err := h.Store.Log(t.Context(), Workspace, eventstore.LogFilter{})
	if err != nil || len(log) != 0 {
		t.Errorf("Log is %v, %v; want none", log, err)
	}
	values, err := h.Store.Values(t.Context(), Workspace, query.Ref{On: query.OnUser, Name: "x"}, "", 10)
	if err != nil || len(values) != 0 {
		t.Errorf("Values are %v, %v; want none", values, err)
	}
	if _, err := h.Store.Applied(t.Context(), "Not/An id"); err == nil {
		t.Error("a workspace id that is none was taken")
	}
}

func testWritingAgain(t *testing.T, h *Harness) {
	writeAll(t, h.Store)
	n := total(t, h.Store, query.AnyEvent, nil)
	for _, b := range Batches() { // as after a crash: from an older batch on
		write(t, h.Store, b)
	}
	if again := total(t, h.Store, query.AnyEvent, nil); n != autumnEvents+springEvents || again != n {
		t.Errorf("there are %v events, and %v after writing them again, want %d", n, again, autumnEvents+springEvents)
	}
}

// Rows are skipped by the position of their own partition, and positions never
// go back.
func testPartitions(t *testing.T, h *Harness) {
	event := func(partition int, seq uint64) weir.Event {
		return weir.Event{Position: weir.At(partition, seq), Time: 1, Name: "a", Identity: 1, Person: 1}
	}
	outcome := func(partition int, seq uint64) weir.Outcome {
		return weir.Outcome{Position: weir.At(partition, seq), ReceivedAt: 1, Status: weir.Stored}
	}
	write(t, h.Store, &eventstore.Batch{Applied: map[int]uint64{0: 10, 7: 3}, AsOf: 5, Events: []weir.Event{event(0, 10), event(7, 2)}})
	write(t, h.Store, &eventstore.Batch{
		Applied: map[int]uint64{0: 9, 7: 5, 32767: 1 << 47}, AsOf: 6,
		Events: []weir.Event{event(0, 9), event(7, 3), event(7, 4), event(32767, 1<<47)},
		Log:    []weir.Outcome{outcome(0, 9), outcome(7, 3), outcome(7, 4), outcome(32767, 1<<47)},
	})
	answer, err := h.Store.Ask(t.Context(), Workspace, trends(query.Series{Match: about("a", nil), Measure: query.Total}))
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]uint64{0: 10, 7: 5, 32767: 1 << 47}
	if answer.Series[0].Total != 4 || !maps.Equal(answer.AsOf.Positions, want) || answer.AsOf.Time != 6 {
		t.Errorf("%v events as of %+v, want 4 at %v, time 6", answer.Series[0].Total, answer.AsOf, want)
	}
	applied, err := h.Store.Applied(t.Context(), Workspace)
	if err != nil || !maps.Equal(applied, want) {
		t.Errorf("Applied is %v, %v; want %v", applied, err, want)
	}
	log, err := h.Store.Log(t.Context(), Workspace, eventstore.LogFilter{})
	if err != nil || len(log) != 2 {
		t.Errorf("the log has %v, %v; want two rows", log, err)
	}
}

func testReplaced(t *testing.T, h *Harness) {
	writeAll(t, h.Store)
	events := Events()
	// Event 0, a Purchase, gets a newer version with another name; 3 and a position
	// without a row are replaced too, and 5 says something else in its own place.
	newer, other := events[0], events[5]
	newer.Position, newer.Name = weir.At(0, 1000), "Refund"
	other.Name = "Refund"
	b := BatchOf(newer, other)
	b.Replaced = []weir.Position{events[0].Position, events[3].Position, weir.At(3, 999), other.Position}
	for range 2 {
		write(t, h.Store, b)
		for name, want := range map[string]float64{"Purchase": 138, "Refund": 2, query.AnyEvent: 419} {
			if got := total(t, h.Store, name, nil); got != want {
				t.Errorf("%q counts %v, want %v", name, got, want)
			}
		}
	}
}

func testMoves(t *testing.T, h *Harness) {
	writeAll(t, h.Store)
	last := Events()[autumnEvents-1]
	// Identity 2 and a new one, 11, become part of person 1; identity 9 leaves it.
	e := weir.Event{Position: weir.At(0, 1000), Time: last.Time, Name: "late", Identity: 2, Person: 2}
	stranger := weir.Event{Position: weir.At(0, 1001), Time: last.Time, Name: "late", Identity: 11, Person: 11}
	b := BatchOf(e, stranger)
	b.Gone = []uint32{2, 11}
	move := func(identity, person uint32) {
		b.Moves = append(b.Moves, eventstore.Move{Identity: identity, Person: person, From: Events()[autumnEvents].Time, To: last.Time})
	}
	move(2, 1)
	move(11, 1)
	move(9, 9)
	for range 2 {
		write(t, h.Store, b)
		if got := measure(t, h.Store, query.Users, query.AnyEvent, nil); got != 9 { // 1, 3 to 10
			t.Errorf("%v users, want 9", got)
		}
		if got := measure(t, h.Store, query.Users, "late", nil); got != 1 {
			t.Errorf("%v users of the late events, want 1", got)
		}
		// Person 1 is all that identities 1 and 2 did, and the late events.
		if got := total(t, h.Store, query.AnyEvent, is(query.OnUser, "age", "21")); got != 42+42+2 {
			t.Errorf("%v events of person 1, want 86", got)
		}
		if got := total(t, h.Store, query.AnyEvent, is(query.OnUser, "age", "22")); got != 0 {
			t.Errorf("%v events of person 2, who is gone, want 0", got)
		}
	}
}

// Identities go from person to person in several batches, and back, with rows that
// come before, between and after. A batch that comes again, as after a crash, does
// no harm.
func testMovesInTurn(t *testing.T, h *Harness) {
	seq := uint64(0)
	event := func(at weir.Micros, identity, person uint32) weir.Event {
		seq++
		return weir.Event{Position: weir.At(0, seq), Time: at, Name: "a", Identity: identity, Person: person}
	}
	move := func(identity, person uint32) eventstore.Move {
		return eventstore.Move{Identity: identity, Person: person, From: 1, To: 100}
	}
	person := func(number uint32) weir.Person {
		return weir.Person{Number: number, Traits: []weir.Property{{Name: "n", Value: weir.Num(float64(number))}}}
	}
	s := h.Store
	for i, step := range []struct {
		events []weir.Event
		moves  []eventstore.Move
		users  float64
		of     map[string]float64 // events by person
	}{
		{[]weir.Event{event(1, 1, 1), event(2, 2, 2), event(3, 3, 3), event(4, 2, 2)}, nil, 3, map[string]float64{"1": 1, "2": 2, "3": 1}},
		// 2 joins 1; its row in the batch still says 2.
		{[]weir.Event{event(5, 2, 2)}, []eventstore.Move{move(2, 1)}, 2, map[string]float64{"1": 4, "2": 0, "3": 1}},
		// A row that comes later knows it.
		{[]weir.Event{event(6, 2, 1), event(7, 3, 3)}, nil, 2, map[string]float64{"1": 5, "2": 0, "3": 2}},
		// 3 joins 1, too, and 2 leaves for 4, of whom nothing was known.
		{[]weir.Event{event(8, 4, 4)}, []eventstore.Move{move(3, 1), move(2, 4)}, 2, map[string]float64{"1": 3, "3": 0, "4": 5}},
		// It is all taken back.
		{nil, []eventstore.Move{move(3, 3), move(2, 2)}, 4, map[string]float64{"1": 1, "2": 4, "3": 2, "4": 1}},
		// Of two moves of an identity in a batch the last holds.
		{[]weir.Event{event(9, 1, 1)}, []eventstore.Move{move(1, 4), move(1, 2)}, 3, map[string]float64{"1": 0, "2": 6, "3": 2, "4": 1}},
	} {
		b := BatchOf(step.events...)
		b.AsOf, b.Moves = weir.Micros(i+1), step.moves
		if i == 0 {
			b.People = []weir.Person{person(1), person(2), person(3), person(4)}
		}
		for _, again := range []bool{false, true} {
			if again && h.Reopen != nil && i%2 == 1 {
				s = h.Reopen(t)
			}
			write(t, s, b)
			if got := measure(t, s, query.Users, query.AnyEvent, nil); got != step.users {
				t.Errorf("step %d (again: %v): %v users, want %v", i, again, got, step.users)
			}
			for number, want := range step.of {
				if got := total(t, s, query.AnyEvent, is(query.OnUser, "n", number)); got != want {
					t.Errorf("step %d (again: %v): %v events of person %s, want %v", i, again, got, number, want)
				}
			}
			plan := trends(query.Series{Match: about(query.AnyEvent, nil), Measure: query.Total})
			plan.Trends.Breakdowns = []query.Breakdown{{By: query.Ref{On: query.OnUser, Name: "n"}, Limit: 10}}
			answer, err := s.Ask(t.Context(), Workspace, plan)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range answer.Series {
				if number := *line.Breakdown[0]; float64(line.Total) != step.of[number] {
					t.Errorf("step %d (again: %v): %v events in the group of person %s, want %v", i, again, line.Total, number, step.of[number])
				}
			}
		}
	}
}

// The rows of an identity are of one person: before its first move of the one that
// its first row names, then of the one that the last move names, whatever rows that
// come later say.
func testMovesHold(t *testing.T, h *Harness) {
	seq := uint64(0)
	event := func(identity, person uint32) weir.Event {
		seq++
		return weir.Event{Position: weir.At(0, seq), Time: 1, Name: "a", Identity: identity, Person: person}
	}
	move := func(identity, person uint32) *eventstore.Batch {
		return &eventstore.Batch{Moves: []eventstore.Move{{Identity: identity, Person: person, From: 1, To: 1}}}
	}
	persons := func() (out []uint32) {
		t.Helper()
		rows, err := scanAll(t, h.Store, Workspace, eventstore.ScanFilter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			out = append(out, row.Person)
		}
		return out
	}
	for _, c := range []struct {
		name  string
		batch *eventstore.Batch
		want  []uint32
		users float64
	}{
		{"the first row says it", BatchOf(event(5000, 3), event(5000, 9), event(3, 3)), []uint32{3, 3, 3}, 1},
		{"a later one does not", BatchOf(event(5000, 5000)), []uint32{3, 3, 3, 3}, 1},
		{"a move does", move(5000, 7), []uint32{7, 7, 3, 7}, 2},
		{"also of rows that come later", BatchOf(event(5000, 3)), []uint32{7, 7, 3, 7, 7}, 2},
		{"back to itself", move(5000, 5000), []uint32{5000, 5000, 3, 5000, 5000}, 2},
		{"before there are rows", move(6, 3), []uint32{5000, 5000, 3, 5000, 5000}, 2},
		{"which come then", BatchOf(event(6, 6)), []uint32{5000, 5000, 3, 5000, 5000, 3}, 2},
		{"of whom others go", move(3, 6), []uint32{5000, 5000, 6, 5000, 5000, 3}, 3},
	} {
		for range 2 {
			write(t, h.Store, c.batch)
			if got := persons(); !slices.Equal(got, c.want) {
				t.Errorf("%s: persons %v, want %v", c.name, got, c.want)
			}
			if got := measure(t, h.Store, query.Users, "a", nil); got != c.users {
				t.Errorf("%s: %v users, want %v", c.name, got, c.users)
			}
		}
		if h.Reopen != nil {
			h.Store = h.Reopen(t)
		}
	}
}

func testSessionMoves(t *testing.T, h *Harness) {
	seq := uint64(0)
	event := func(at weir.Micros, identity uint32, origin weir.Origin, session uint32) weir.Event {
		seq++
		return weir.Event{Position: weir.At(0, seq), Time: at, Name: "a", Identity: identity, Person: 1, Origin: origin, Session: session}
	}
	move := func(identity uint32, origin weir.Origin, from, to weir.Micros, session uint32) eventstore.SessionMove {
		return eventstore.SessionMove{Identity: identity, Origin: origin, From: from, To: to, Session: session}
	}
	sessions := func() (out []uint32) {
		t.Helper()
		rows, err := scanAll(t, h.Store, Workspace, eventstore.ScanFilter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			out = append(out, row.Session)
		}
		return out
	}
	first := BatchOf(
		event(10, 1, weir.Derived, 1), event(11, 1, weir.Sent, 2), event(12, 1, weir.Derived, 1), event(13, 2, weir.Derived, 3),
		event(14, 1, weir.Attended, 1), event(15, 1, weir.Derived, 1),
	)
	for _, c := range []struct {
		name  string
		batch *eventstore.Batch
		want  []uint32
	}{
		{"at first", first, []uint32{1, 2, 1, 3, 1, 1}},
		{"a range, its ends included", &eventstore.Batch{Sessions: []eventstore.SessionMove{move(1, weir.Derived, 10, 12, 4)}}, []uint32{4, 2, 4, 3, 1, 1}},
		{"another origin", &eventstore.Batch{Sessions: []eventstore.SessionMove{move(1, weir.Attended, 0, 100, 4)}}, []uint32{4, 2, 4, 3, 4, 1}},
		{"in order", &eventstore.Batch{Sessions: []eventstore.SessionMove{move(1, weir.Derived, 0, 100, 5), move(1, weir.Derived, 12, 12, 6), move(2, weir.Derived, 13, 13, 0)}}, []uint32{5, 2, 6, 0, 4, 5}},
		{"an earlier one holds where a later one does not reach", &eventstore.Batch{Sessions: []eventstore.SessionMove{move(1, weir.Derived, 12, 12, 7), move(1, weir.Derived, 15, 20, 8), move(1, weir.Derived, 15, 14, 9)}}, []uint32{5, 2, 7, 0, 4, 8}},
		{"with rows", func() *eventstore.Batch {
			b := BatchOf(event(16, 1, weir.Derived, 9), event(17, 1, weir.Derived, 9), event(18, 1, weir.Sent, 9))
			b.Sessions = []eventstore.SessionMove{move(1, weir.Derived, 15, 16, 10)}
			return b
		}(), []uint32{5, 2, 7, 0, 4, 10, 10, 9, 9}},
		{"not rows that come later", BatchOf(event(19, 1, weir.Derived, 11)), []uint32{5, 2, 7, 0, 4, 10, 10, 9, 9, 11}},
	} {
		for range 2 {
			write(t, h.Store, c.batch)
			if got := sessions(); !slices.Equal(got, c.want) {
				t.Errorf("%s: sessions %v, want %v", c.name, got, c.want)
			}
		}
	}
	if got := measure(t, h.Store, query.Sessions, query.AnyEvent, nil); got != 7 { // 2, 4, 5, 7, 9, 10, 11
		t.Errorf("%v sessions, want 7", got)
	}
}

func testPeople(t *testing.T, h *Harness) {
	writeAll(t, h.Store)
	// Person 3 changes country and loses the rest; 4 is gone; 10 becomes known, also
	// with numbers that order as numbers do. Of two rows for one person in a batch the
	// last holds, and a row stays of whom the batch also says that they are gone.
	b := &eventstore.Batch{
		People: []weir.Person{
			{Number: 3, Traits: []weir.Property{{Name: "country", Value: weir.Text("never")}}},
			{Number: 10, Traits: []weir.Property{{Name: "$orders_count", Value: weir.Num(10)}, {Name: "country", Value: weir.Text("FR")}}},
			{Number: 3, Traits: []weir.Property{{Name: "country", Value: weir.Text("FR")}, {Name: "age", Value: weir.Value{}}}},
		},
		Gone: []uint32{4, 3},
	}
	for range 2 {
		write(t, h.Store, b)
		for _, c := range []struct {
			where query.Predicate
			want  float64
		}{
			{is(query.OnUser, "country", "never"), 0},
			{is(query.OnUser, "country", "FR"), 5 * 42}, // 1 with identity 9, 3, 7, 10; 4 no more
			{is(query.OnUser, "age", "23"), 0},
			{&query.Compare{Property: query.Ref{On: query.OnUser, Name: "$orders_count"}, Op: query.Range, Low: 9, High: math.Inf(1)}, 42},
			{&query.Compare{Property: query.Ref{On: query.OnUser, Name: "age"}, Op: query.IsSet}, 7 * 42}, // 1 with 9, 2, 5 to 8
			{query.Not{Of: is(query.OnUser, "vip", "true")}, 7 * 42},                                      // 2 to 6, 8, 10
		} {
			if got := total(t, h.Store, query.AnyEvent, c.where); got != c.want {
				t.Errorf("%+v counts %v, want %v", c.where, got, c.want)
			}
		}
	}
}

func testWorkspacesApart(t *testing.T, h *Harness) {
	writeAll(t, h.Store)
	e := Events()[0]
	if err := h.Store.Write(t.Context(), "other-1", BatchOf(e)); err != nil {
		t.Fatal(err)
	}
	plan := trends(query.Series{Name: "A", Match: about(query.AnyEvent, nil), Measure: query.Total})
	answer, err := h.Store.Ask(t.Context(), "other-1", plan)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Series[0].Total != 1 {
		t.Errorf("the other workspace counts %v, want its own 1", answer.Series[0].Total)
	}
	if n := total(t, h.Store, query.AnyEvent, nil); n != 420 {
		t.Errorf("the first workspace counts %v, want 420", n)
	}
}

// Whatever a store's bound is, and wherever it keeps what exceeds it, questions
// do not show it.
func testManyProperties(t *testing.T, h *Harness) {
	const properties, events = 300, 6
	value := func(i, k int) weir.Value {
		switch i % 5 {
		case 0:
			return weir.Num(float64(k))
		case 1:
			return weir.Boolean(k%2 == 0)
		case 2:
			return weir.Raw(fmt.Sprintf(`["t%d",%d]`, k, k))
		}
		return weir.Text(fmt.Sprint("t", k))
	}
	var batch []weir.Event
	for k := range events {
		e := weir.Event{Position: weir.At(0, uint64(k+1)), Time: 1, Name: fmt.Sprint("wide", k%2), Identity: 1, Person: 1}
		for i := range properties {
			e.Properties = append(e.Properties, weir.Property{Name: fmt.Sprintf("p%03d", i), Value: value(i, k)})
		}
		batch = append(batch, e)
	}
	write(t, h.Store, BatchOf(batch...))
	for i := range properties {
		name := fmt.Sprintf("p%03d", i)
		texts, want := "t3", 1.0
		switch i % 5 {
		case 0:
			texts = "3"
		case 1:
			texts, want = "true", events/2
		}
		if got := total(t, h.Store, query.AnyEvent, is(query.OnEvent, name, texts)); got != want {
			t.Fatalf("%s = %s counts %v, want %v", name, texts, got, want)
		}
		if i%20 > 4 {
			continue // the rest is slow and nothing new
		}
		for event, want := range map[string]float64{"wide0": 3, query.AnyEvent: events} {
			set := &query.Compare{Property: query.Ref{On: query.OnEvent, Name: name}, Op: query.IsSet}
			if got := total(t, h.Store, event, set); got != want {
				t.Fatalf("%s of %s is set on %v events, want %v", name, event, got, want)
			}
		}
		plan := trends(query.Series{Match: about(query.AnyEvent, nil), Measure: query.Total})
		plan.Trends.Breakdowns = []query.Breakdown{{By: query.Ref{On: query.OnEvent, Name: name}, Limit: 10}}
		answer, err := h.Store.Ask(t.Context(), Workspace, plan)
		if err != nil {
			t.Fatal(err)
		}
		var groups []string
		for _, s := range answer.Series {
			groups = append(groups, *s.Breakdown[0])
		}
		seen := map[string]bool{}
		for k := range events {
			seen[value(i, k).String()] = true
		}
		if !slices.Equal(groups, slices.Sorted(maps.Keys(seen))) {
			t.Fatalf("groups of %s are %q, want %q", name, groups, slices.Sorted(maps.Keys(seen)))
		}
	}
}

// Names are whatever a sender likes.
func testStrangeNames(t *testing.T, h *Harness) {
	names := []string{
		`"; DROP TABLE events; --`, `'`, `a.b`, `a/b~1`, `$.x`, "", " ", "\x00", "日本", "S00", "s00", "rest", "name", "ts", "[0]", `\`, "%", "?", "$1",
	}
	var batch []weir.Event
	for i, name := range names {
		batch = append(batch, weir.Event{
			Position: weir.At(0, uint64(i+1)), Time: 1, Name: name, Identity: 1, Person: 1,
			Properties: []weir.Property{{Name: name, Value: weir.Text(name)}, {Name: name + "#", Value: weir.Raw(`["x"]`)}},
		})
	}
	write(t, h.Store, BatchOf(batch...))
	for _, name := range names {
		if name != query.AnyEvent {
			if got := total(t, h.Store, name, nil); got != 1 {
				t.Errorf("event %q counts %v, want 1", name, got)
			}
		}
		if got := total(t, h.Store, query.AnyEvent, is(query.OnEvent, name, name)); got != 1 {
			t.Errorf("property %q counts %v, want 1", name, got)
		}
	}
}
