package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// outcomes is a log: outcome i, from 0 to 299, has
//
//	position  partition i mod 3, sequence number i div 3 + 1
//	received  1,000,000 + i div 4, in seconds: four at a time
//	kind      order if i mod 5 = 0, else pageview
//	status    rejected if i mod 10 = 3, with code, field and message; else
//	          duplicate if i mod 10 = 4, with warnings; else stored
//	user      u0 to u6, by i mod 7; person i mod 7 + 1
//	item      item-<i div 2>: every item comes twice
//	receipt   rcp_<i div 6>, index i mod 6
//	source    key-<i mod 2>
func outcomes() []weir.Outcome {
	var out []weir.Outcome
	for i := range 300 {
		o := weir.Outcome{
			Position: weir.At(i%3, uint64(i/3+1)), ReceivedAt: weir.Micros(1_000_000+i/4) * 1e6, Time: weir.Micros(i + 1),
			Kind: weir.KindPageview, Status: weir.Stored, Name: "pageview",
			UserID: fmt.Sprint("u", i%7), Person: uint32(i%7 + 1), ItemID: fmt.Sprint("item-", i/2),
			Receipt: fmt.Sprint("rcp_", i/6), Index: i % 6, Source: weir.SourceID(fmt.Sprint("key-", i%2)), Size: 100 + i,
		}
		if i%5 == 0 {
			o.Kind = weir.KindOrder
		}
		switch i % 10 {
		case 3:
			o.Status, o.Code, o.Field, o.Message = weir.Rejected, "missing", "order.external_id", "Say which order it is."
			o.Time, o.Person = 0, 0
		case 4:
			o.Status = weir.Duplicate
			o.Warnings = []weir.Rejection{{Code: "odd", Field: "a.b", Message: `"It" is odd.`}, {Code: "odder"}}
		}
		out = append(out, o)
	}
	return out
}

func writeLog(t *testing.T, s eventstore.Store) *Model {
	t.Helper()
	model := NewModel()
	log := outcomes()
	for i := 0; i < len(log); i += 60 {
		b := &eventstore.Batch{Applied: map[int]uint64{}, Log: log[i : i+60]}
		for _, o := range b.Log {
			b.Applied[o.Position.Partition()] = o.Position.Seq()
		}
		write(t, s, b)
		write(t, model, b)
	}
	return model
}

func testLog(t *testing.T, h *Harness) {
	model := writeLog(t, h.Store)
	at := func(i int) weir.Micros { return weir.Micros(1_000_000+i/4) * 1e6 }
	for name, c := range map[string]struct {
		filter eventstore.LogFilter
		want   int
	}{
		"none":                {eventstore.LogFilter{}, 100},
		"many":                {eventstore.LogFilter{Limit: 5000}, 300},
		"position":            {eventstore.LogFilter{Position: weir.At(2, 7)}, 1},
		"position without":    {eventstore.LogFilter{Position: weir.At(2, 7000)}, 0},
		"receipt":             {eventstore.LogFilter{Receipt: "rcp_3"}, 6},
		"item":                {eventstore.LogFilter{ItemID: "item-10"}, 2},
		"item, newest":        {eventstore.LogFilter{ItemID: "item-10", Limit: 1}, 1},
		"user":                {eventstore.LogFilter{UserID: "u3"}, 43},
		"person":              {eventstore.LogFilter{Person: 4}, 38},
		"kind":                {eventstore.LogFilter{Kind: weir.KindOrder}, 60},
		"status":              {eventstore.LogFilter{Status: weir.Rejected}, 30},
		"source":              {eventstore.LogFilter{Source: "key-1", Limit: 1000}, 150},
		"from":                {eventstore.LogFilter{From: at(280)}, 20},
		"to":                  {eventstore.LogFilter{To: at(20)}, 20},
		"from and to":         {eventstore.LogFilter{From: at(100), To: at(120)}, 20},
		"empty range":         {eventstore.LogFilter{From: at(100), To: at(100)}, 0},
		"all at once":         {eventstore.LogFilter{Status: weir.Duplicate, Source: "key-0", Kind: weir.KindPageview, UserID: "u0", From: at(100)}, 3},
		"nothing like it":     {eventstore.LogFilter{UserID: "nobody"}, 0},
		"not an SQL sentence": {eventstore.LogFilter{UserID: "' OR '1' = '1"}, 0},
	} {
		got, err := h.Store.Log(t.Context(), Workspace, c.filter)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, _ := model.Log(t.Context(), Workspace, c.filter)
		if len(got) != c.want || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d rows, want these %d:\n%.2000v\n%.2000v", name, len(got), c.want, fmt.Sprint(got), fmt.Sprint(want))
		}
	}
}

func testLogPages(t *testing.T, h *Harness) {
	model := writeLog(t, h.Store)
	want, _ := model.Log(t.Context(), Workspace, eventstore.LogFilter{Kind: weir.KindPageview, Limit: 1000})
	filter := eventstore.LogFilter{Kind: weir.KindPageview, Limit: 7}
	var got []weir.Outcome
	for {
		page, err := h.Store.Log(t.Context(), Workspace, filter)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page...)
		if len(page) < filter.Limit {
			break
		}
		last := page[len(page)-1]
		filter.Before, filter.BeforeAt = last.Position, last.ReceivedAt
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("pages have %d rows, want the %d of the whole log, in their order", len(got), len(want))
	}
}

func testCatalogue(t *testing.T, h *Harness) {
	model := NewModel()
	for _, b := range Batches() {
		write(t, h.Store, b)
		write(t, model, b)
	}
	compare := func(when string, s eventstore.Store) {
		t.Helper()
		got, err := s.Catalogue(t.Context(), Workspace)
		if err != nil {
			t.Fatal(err)
		}
		if want, _ := model.Catalogue(t.Context(), Workspace); !reflect.DeepEqual(got, want) {
			t.Errorf("%s the catalogue is\n%+v, want\n%+v", when, got, want)
		}
	}
	compare("at first", h.Store)
	// The first Purchase and the last event of all are replaced.
	events := Events()
	e := events[400]
	e.Position = weir.At(0, 2000)
	b := BatchOf(e)
	b.Replaced = []weir.Position{events[360].Position, events[359].Position}
	write(t, h.Store, b)
	write(t, model, b)
	compare("after a replacement", h.Store)
	if h.Reopen != nil {
		compare("after reopening", h.Reopen(t))
	}
}

func testValues(t *testing.T, h *Harness) {
	writeAll(t, h.Store)
	event := func(name string) query.Ref { return query.Ref{On: query.OnEvent, Name: name} }
	for _, c := range []struct {
		of       query.Ref
		contains string
		limit    int
		want     []string
	}{
		// mod 4 is 0 for 105 events and 1 for as many; TEAM is but every eighth.
		{event("plan"), "", 10, []string{"Pro", "free", "TEAM"}},
		{event("plan"), "E", 10, []string{"free", "TEAM"}},
		{event("plan"), "", 1, []string{"Pro"}},
		{event("plan"), "", 0, []string{}},
		{event("n"), "", 2, []string{"0", "1"}},
		{event("flag"), "AL", 9, []string{"false"}},
		{event("mixed"), "5", 9, []string{"5", `["5",5,null,{"a":1}]`}},
		{event("word"), "%", 9, []string{"%"}},
		{event("nothing"), "", 9, []string{}},
		{query.Ref{On: query.OnUser, Name: "country"}, "", 9, []string{"FR", "DE"}},
		{query.Ref{On: query.OnUser, Name: "age"}, "2", 3, []string{"21", "22", "23"}},
		{query.Ref{On: query.OnUser, Name: "plan"}, "", 3, []string{}},
	} {
		got, err := h.Store.Values(t.Context(), Workspace, c.of, c.contains, c.limit)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("values of %v containing %q are %q, %v; want %q", c.of, c.contains, got, err, c.want)
		}
	}
}

func testReopen(t *testing.T, h *Harness) {
	if h.Reopen == nil {
		t.Skip("this store does not outlive itself")
	}
	model := NewModel()
	s := h.Store
	for _, b := range Batches() {
		write(t, s, b)
		write(t, model, b)
		s = h.Reopen(t)
		write(t, s, b) // nothing new
		applied, err := s.Applied(t.Context(), Workspace)
		want, _ := model.Applied(t.Context(), Workspace)
		if err != nil || !reflect.DeepEqual(applied, want) {
			t.Fatalf("Applied is %v, %v after reopening, want %v", applied, err, want)
		}
	}
	question := []byte(`{"kind": "trends", "from": "2026-03-01", "to": "2026-11-30", "interval": "month", "filters": [{"property": "mixed", "op": "eq", "value": 5}],
		"series": [{"event": "*", "measure": "users"}], "breakdowns": [{"property": "edge"}]}`)
	if got, want := Answer(t, s, question), Answer(t, model, question); string(got) != string(want) {
		t.Errorf("after reopening:\n%swant:\n%s", got, want)
	}
}

func testDrop(t *testing.T, h *Harness) {
	writeAll(t, h.Store)
	writeOther := func() error { return h.Store.Write(t.Context(), "other", Batches()[0]) }
	if err := writeOther(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // also if there is nothing
		if err := h.Store.Drop(t.Context(), Workspace); err != nil {
			t.Fatal(err)
		}
	}
	if applied, err := h.Store.Applied(t.Context(), Workspace); err != nil || len(applied) > 0 {
		t.Errorf("Applied is %v, %v after Drop, want nothing", applied, err)
	}
	if other, err := h.Store.Applied(t.Context(), "other"); err != nil || len(other) == 0 {
		t.Errorf("Applied of the other workspace is %v, %v, want its positions", other, err)
	}
	testWritingAgain(t, h)
}

// An answer says which positions it includes, and includes exactly these, while
// others write; and so does a scan. Batch i brings rows of as many persons, and makes
// those of the batch before one.
func testOneMoment(t *testing.T, h *Harness) {
	const batches, each = 60, 20
	var wait sync.WaitGroup
	done := make(chan struct{})
	wait.Go(func() {
		defer close(done)
		for i := range batches {
			b := &eventstore.Batch{Applied: map[int]uint64{0: uint64((i + 1) * each)}, AsOf: weir.Micros(i + 1)}
			for k := range each {
				n := i*each + k
				b.Events = append(b.Events, weir.Event{
					Position: weir.At(0, uint64(n+1)), Time: 1, Name: "a", Identity: uint32(n + 1), Person: uint32(n + 1),
					Properties: []weir.Property{{Name: fmt.Sprint("p", i%50), Value: weir.Num(1)}},
				})
				if i > 0 {
					b.Moves = append(b.Moves, eventstore.Move{Identity: uint32(n + 1 - each), Person: uint32((i-1)*each + 1), From: 1, To: 1})
				}
			}
			if err := h.Store.Write(t.Context(), Workspace, b); err != nil {
				t.Error(err)
				return
			}
		}
	})
	users := func(n int) int { return max(n/each-1, 0) + min(n, each) }
	look := func(fn func() error) {
		wait.Go(func() {
			for {
				if err := fn(); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for range 2 {
		look(func() error {
			answer, err := h.Store.Ask(t.Context(), Workspace, trends(
				query.Series{Match: about("a", nil), Measure: query.Total}, query.Series{Match: about("a", nil), Measure: query.Users},
				query.Series{Match: about("a", is(query.OnEvent, "p0", "1")), Measure: query.Total},
			))
			if err != nil {
				return err
			}
			n := int(answer.AsOf.Positions[0])
			first := int(answer.AsOf.Time+49) / 50
			if answer.Series[0].Total != query.Real(n) || answer.Series[1].Total != query.Real(users(n)) || answer.Series[2].Total != query.Real(each*first) {
				return fmt.Errorf("as of %d of %v there are %v events, %v users (want %d), %v with p0",
					n, answer.AsOf.Time, answer.Series[0].Total, answer.Series[1].Total, users(n), answer.Series[2].Total)
			}
			return nil
		})
	}
	look(func() error {
		n, persons := 0, map[uint32]bool{}
		err := h.Store.Scan(t.Context(), Workspace, eventstore.ScanFilter{}, func(row eventstore.Row) error {
			n++
			persons[row.Person] = true
			return nil
		})
		if err == nil && (n%each != 0 || len(persons) != users(n)) {
			err = fmt.Errorf("a scan gives %d rows of %d persons, want %d", n, len(persons), users(n))
		}
		return err
	})
	wait.Wait()
	if n := total(t, h.Store, "a", nil); n != batches*each {
		t.Errorf("there are %v events, want %d", n, batches*each)
	}
}

func testCancel(t *testing.T, h *Harness) {
	writeAll(t, h.Store)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Store.Ask(ctx, Workspace, trends(query.Series{Match: about(query.AnyEvent, nil), Measure: query.Total})); !errors.Is(err, context.Canceled) {
		t.Errorf("Ask with a context that has ended: %v, want context.Canceled", err)
	}
	b := BatchOf(weir.Event{Position: weir.At(0, 5000), Time: 1, Name: "a", Identity: 1, Person: 1, Properties: []weir.Property{{Name: "brand new", Value: weir.Text("x")}}})
	if err := h.Store.Write(ctx, Workspace, b); !errors.Is(err, context.Canceled) {
		t.Errorf("Write with a context that has ended: %v, want context.Canceled", err)
	}
	if n := total(t, h.Store, query.AnyEvent, nil); n != 420 {
		t.Errorf("there are %v events after a Write that failed, want 420", n)
	}
	write(t, h.Store, b)
	if n := total(t, h.Store, "a", is(query.OnEvent, "brand new", "x")); n != 1 {
		t.Errorf("there are %v events after writing again, want 1", n)
	}
}

func testClosed(t *testing.T, h *Harness) {
	writeAll(t, h.Store)
	for range 2 {
		if err := h.Store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Store.Write(t.Context(), Workspace, Batches()[0]); err == nil {
		t.Error("a closed store takes batches")
	}
	if _, err := h.Store.Applied(t.Context(), Workspace); err == nil {
		t.Error("a closed store has positions")
	}
}
