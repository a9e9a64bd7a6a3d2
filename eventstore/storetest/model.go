package storetest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/query/oracle"
)

// Model is an event store in plain Go, as simple as it can be: slices, and the
// oracle for questions. The suite is itself tested with it, and stores are held
// against it.
type Model struct {
	mu         sync.Mutex
	workspaces map[weir.WorkspaceID]*modelWorkspace
	closed     bool
}

type modelWorkspace struct {
	applied    map[int]uint64
	asOf       weir.Micros
	events     map[weir.Position]weir.Event
	persons    map[uint32]uint32 // by identity
	people     map[uint32]weir.Person
	visits     map[uint32]eventstore.Visit
	log        []weir.Outcome
	properties map[query.Ref]map[weir.Type]bool // ever seen
}

// NewModel makes an empty model.
func NewModel() *Model { return &Model{workspaces: map[weir.WorkspaceID]*modelWorkspace{}} }

// in runs fn on a workspace.
func (m *Model) in(ctx context.Context, ws weir.WorkspaceID, fn func(*modelWorkspace)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errors.New("model is closed")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !ws.Valid() {
		return errors.New("workspace id is not valid")
	}
	w := m.workspaces[ws]
	if w == nil {
		w = &modelWorkspace{
			applied: map[int]uint64{}, events: map[weir.Position]weir.Event{}, persons: map[uint32]uint32{}, people: map[uint32]weir.Person{},
			visits:     map[uint32]eventstore.Visit{},
			properties: map[query.Ref]map[weir.Type]bool{},
		}
		m.workspaces[ws] = w
	}
	fn(w)
	return nil
}

// Write implements eventstore.Store.
func (m *Model) Write(ctx context.Context, ws weir.WorkspaceID, b *eventstore.Batch) error {
	return m.in(ctx, ws, func(w *modelWorkspace) { w.write(b) })
}

func (w *modelWorkspace) write(b *eventstore.Batch) {
	isNew := func(p weir.Position) bool { return p.Seq() > w.applied[p.Partition()] }
	for _, p := range b.Replaced {
		delete(w.events, p)
	}
	for _, move := range b.Moves {
		w.persons[move.Identity] = move.Person
	}
	for _, e := range b.Events {
		if isNew(e.Position) || slices.Contains(b.Replaced, e.Position) {
			if _, known := w.persons[e.Identity]; !known {
				w.persons[e.Identity] = e.Person
			}
			w.events[e.Position] = e
			w.see(query.OnEvent, e.Properties)
		}
	}
	for _, o := range b.Log {
		if isNew(o.Position) {
			w.log = append(w.log, o)
		}
	}
	for _, move := range b.Sessions {
		for p, e := range w.events {
			if e.Identity == move.Identity && e.Origin == move.Origin && move.From <= e.Time && e.Time <= move.To {
				e.Session = move.Session
				w.events[p] = e
			}
		}
	}
	for _, number := range b.Gone {
		delete(w.people, number)
	}
	for _, p := range b.People {
		w.people[p.Number] = p
		w.see(query.OnUser, p.Traits)
	}
	w.writeVisits(b)
	for p, seq := range b.Applied {
		w.applied[p] = max(w.applied[p], seq)
	}
	w.asOf = max(w.asOf, b.AsOf)
}

func (w *modelWorkspace) writeVisits(b *eventstore.Batch) {
	arrive := func(identity, person uint32) {
		if _, known := w.persons[identity]; !known {
			w.persons[identity] = person
		}
	}
	maps.DeleteFunc(w.visits, func(number uint32, v eventstore.Visit) bool {
		return slices.Contains(b.VisitsGone, number) || slices.Contains(b.VisitsOf, v.Identity)
	})
	for _, v := range b.Visits {
		arrive(v.Identity, v.Person)
		w.visits[v.Number] = v
	}
}

func (w *modelWorkspace) see(on query.Scope, properties []weir.Property) {
	for _, p := range properties {
		ref := query.Ref{On: on, Name: p.Name}
		if p.Value.Type == weir.Null {
			continue
		}
		if w.properties[ref] == nil {
			w.properties[ref] = map[weir.Type]bool{}
		}
		w.properties[ref][p.Value.Type] = true
	}
}

// rows are the events with the persons that they belong to.
func (w *modelWorkspace) rows() []weir.Event {
	var out []weir.Event
	for _, e := range w.events {
		e.Person = w.persons[e.Identity]
		out = append(out, e)
	}
	return out
}

// visitRows are the visits, in order of number, with the persons that they belong to.
func (w *modelWorkspace) visitRows() []eventstore.Visit {
	var out []eventstore.Visit
	for _, number := range slices.Sorted(maps.Keys(w.visits)) {
		v := w.visits[number]
		v.Person = w.persons[v.Identity]
		out = append(out, v)
	}
	return out
}

// Ask implements eventstore.Store.
func (m *Model) Ask(ctx context.Context, ws weir.WorkspaceID, plan *query.Plan) (*query.Answer, error) {
	var answer *query.Answer
	err := m.in(ctx, ws, func(w *modelWorkspace) {
		answer = oracle.Ask(plan, w.rows(), slices.Collect(maps.Values(w.people)), w.visitRows()...)
		answer.AsOf = query.AsOf{Time: w.asOf, Positions: maps.Clone(w.applied)}
	})
	return answer, err
}

// Log implements eventstore.Store.
func (m *Model) Log(ctx context.Context, ws weir.WorkspaceID, f eventstore.LogFilter) ([]weir.Outcome, error) {
	out := []weir.Outcome{}
	err := m.in(ctx, ws, func(w *modelWorkspace) {
		newer := func(a, b weir.Outcome) int {
			return cmp.Or(cmp.Compare(b.ReceivedAt, a.ReceivedAt), cmp.Compare(b.Position, a.Position))
		}
		before := weir.Outcome{Position: f.Before, ReceivedAt: f.BeforeAt}
		for _, o := range w.log {
			if chosen(o, f) && (f.Before == 0 || newer(before, o) < 0) {
				out = append(out, o)
			}
		}
		slices.SortFunc(out, newer)
	})
	limit := cmp.Or(min(max(f.Limit, 0), 1000), 100)
	return out[:min(limit, len(out))], err
}

func chosen(o weir.Outcome, f eventstore.LogFilter) bool {
	return (f.Position == 0 || f.Position == o.Position) && (f.Receipt == "" || f.Receipt == o.Receipt) &&
		(f.ItemID == "" || f.ItemID == o.ItemID) && (f.UserID == "" || f.UserID == o.UserID) &&
		(f.Person == 0 || f.Person == o.Person) && (f.Kind == "" || f.Kind == o.Kind) &&
		(f.Status == "" || f.Status == o.Status) && (f.Source == "" || f.Source == o.Source) &&
		(f.From == 0 || f.From <= o.ReceivedAt) && (f.To == 0 || o.ReceivedAt < f.To)
}

// Visits implements eventstore.Store.
func (m *Model) Visits(ctx context.Context, ws weir.WorkspaceID, fn func(eventstore.Visit) error) error {
	var list []eventstore.Visit
	err := m.in(ctx, ws, func(w *modelWorkspace) { list = w.visitRows() })
	for _, v := range list {
		if err == nil {
			err = fn(v)
		}
	}
	return err
}

// Scan implements eventstore.Store.
func (m *Model) Scan(ctx context.Context, ws weir.WorkspaceID, f eventstore.ScanFilter, fn func(eventstore.Row) error) error {
	var rows []eventstore.Row
	err := m.in(ctx, ws, func(w *modelWorkspace) {
		items := map[weir.Position]weir.Outcome{}
		for _, o := range w.log {
			items[o.Position] = o
		}
		for _, e := range w.rows() {
			if len(f.Names) > 0 && !slices.Contains(f.Names, e.Name) || f.From != 0 && e.Time < f.From || f.To != 0 && e.Time >= f.To {
				continue
			}
			e.Properties = slices.DeleteFunc(slices.Clone(e.Properties), func(p weir.Property) bool { return p.Value.Type == weir.Null })
			slices.SortFunc(e.Properties, func(a, b weir.Property) int { return cmp.Compare(a.Name, b.Name) })
			rows = append(rows, eventstore.Row{Event: e, Kind: items[e.Position].Kind, ItemID: items[e.Position].ItemID})
		}
	})
	slices.SortFunc(rows, func(a, b eventstore.Row) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ItemID, b.ItemID), cmp.Compare(a.Position, b.Position))
	})
	for _, row := range rows {
		if err == nil {
			err = fn(row)
		}
	}
	return err
}

// Catalogue implements eventstore.Store.
func (m *Model) Catalogue(ctx context.Context, ws weir.WorkspaceID) (*eventstore.Catalogue, error) {
	out := &eventstore.Catalogue{Events: []eventstore.EventName{}, Properties: []eventstore.PropertyName{}}
	err := m.in(ctx, ws, func(w *modelWorkspace) {
		names := map[string]*eventstore.EventName{}
		for _, e := range w.events {
			n := names[e.Name]
			if n == nil {
				n = &eventstore.EventName{Name: e.Name, First: e.Time, Last: e.Time}
				names[e.Name] = n
			}
			n.Count++
			n.First, n.Last = min(n.First, e.Time), max(n.Last, e.Time)
		}
		for _, n := range names {
			out.Events = append(out.Events, *n)
		}
		for ref, types := range w.properties {
			p := eventstore.PropertyName{Name: ref.Name, On: ref.On}
			for i, name := range []string{"string", "number", "boolean", "json"} {
				if types[weir.Type(i+1)] {
					p.Types = append(p.Types, name)
				}
			}
			out.Properties = append(out.Properties, p)
		}
	})
	slices.SortFunc(out.Events, func(a, b eventstore.EventName) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(out.Properties, func(a, b eventstore.PropertyName) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.On, b.On))
	})
	return out, err
}

// Values implements eventstore.Store.
func (m *Model) Values(ctx context.Context, ws weir.WorkspaceID, of query.Ref, contains string, limit int) ([]string, error) {
	counts := map[string]int{}
	err := m.in(ctx, ws, func(w *modelWorkspace) {
		count := func(properties []weir.Property) {
			for _, p := range properties {
				if p.Name == of.Name && p.Value.Type != weir.Null && strings.Contains(strings.ToLower(p.Value.String()), strings.ToLower(contains)) {
					counts[p.Value.String()]++
				}
			}
		}
		for _, e := range w.events {
			if of.On != query.OnUser {
				count(e.Properties)
			}
		}
		for _, p := range w.people {
			if of.On == query.OnUser {
				count(p.Traits)
			}
		}
	})
	out := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	return out[:min(max(limit, 0), len(out))], err
}

// Applied implements eventstore.Store.
func (m *Model) Applied(ctx context.Context, ws weir.WorkspaceID) (map[int]uint64, error) {
	var out map[int]uint64
	err := m.in(ctx, ws, func(w *modelWorkspace) { out = maps.Clone(w.applied) })
	return out, err
}

// Drop implements eventstore.Store.
func (m *Model) Drop(ctx context.Context, ws weir.WorkspaceID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.workspaces, ws)
	return ctx.Err()
}

// Close implements eventstore.Store.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
