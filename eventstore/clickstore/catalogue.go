package clickstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// The scopes of the table seen.
const (
	scopeEvent = string(query.OnEvent)
	scopeUser  = string(query.OnUser)
)

// readSeen reads the catalogue of properties.
func (w *workspace) readSeen(ctx context.Context) (map[seenProperty]bool, error) {
	out := map[seenProperty]bool{}
	var scope, event, name proto.ColStr
	var typ proto.ColUInt8
	err := w.store.client.query(ctx, "SELECT DISTINCT scope, event, property, type FROM "+w.name("seen"), nil, proto.Results{{Data: &scope}, {Data: &event}, {Data: &name}, {Data: &typ}}, func() error {
		for i := range typ {
			out[seenProperty{scope.Row(i), event.Row(i), name.Row(i), weir.Type(typ[i])}] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read catalogue of properties: %w", err)
	}
	return out, nil
}

// Catalogue implements eventstore.Store. An event is listed while it has rows, which are
// counted each time; a property for ever.
func (s *Store) Catalogue(ctx context.Context, ws weir.WorkspaceID) (*eventstore.Catalogue, error) {
	out := &eventstore.Catalogue{}
	err := s.with(ctx, ws, "read catalogue of", func(w *workspace) error {
		r, err := w.look(ctx)
		if err != nil {
			return err
		}
		if out.Events, err = r.eventNames(ctx); err != nil {
			return err
		}
		seen, err := w.readSeen(ctx)
		out.Properties = propertyNames(seen)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// eventNames counts events, most first.
func (r *reader) eventNames(ctx context.Context) ([]eventstore.EventName, error) {
	out := []eventstore.EventName{}
	var name proto.ColStr
	var count, first, last proto.ColInt64
	statement := fmt.Sprintf("SELECT CAST(e.name, 'String'), toInt64(count()) AS n, min(e.ts), max(e.ts) FROM %s AS e FINAL WHERE %s GROUP BY e.name ORDER BY n DESC, e.name", r.name("events"), r.rows("e"))
	err := r.query(ctx, statement, proto.Results{{Data: &name}, {Data: &count}, {Data: &first}, {Data: &last}}, func() error {
		for i := range count {
			out = append(out, eventstore.EventName{Name: name.Row(i), Count: count[i], First: weir.Micros(first[i]), Last: weir.Micros(last[i])})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count events: %w", err)
	}
	return out, nil
}

// propertyNames are properties by name, with their types.
func propertyNames(seen map[seenProperty]bool) []eventstore.PropertyName {
	types := map[query.Ref]map[weir.Type]bool{}
	for p := range seen {
		ref := query.Ref{On: query.Scope(p.scope), Name: p.property}
		if types[ref] == nil {
			types[ref] = map[weir.Type]bool{}
		}
		types[ref][p.typ] = true
	}
	out := []eventstore.PropertyName{}
	for ref, of := range types {
		p := eventstore.PropertyName{Name: ref.Name, On: ref.On}
		for i, name := range []string{"string", "number", "boolean", "json"} {
			if of[weir.Type(i+1)] {
				p.Types = append(p.Types, name)
			}
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b eventstore.PropertyName) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.On, b.On))
	})
	return out
}

// Values implements eventstore.Store. A list counts as its JSON text, as it does
// in a breakdown.
func (s *Store) Values(ctx context.Context, ws weir.WorkspaceID, of query.Ref, contains string, limit int) ([]string, error) {
	out := []string{}
	if limit <= 0 {
		return out, nil
	}
	err := s.with(ctx, ws, "read values of", func(w *workspace) error {
		r, err := w.look(ctx)
		if err != nil {
			return err
		}
		o, table, where := property("e", of.Name), "events", r.rows("e")
		if of.On == query.OnUser {
			table, where = "people", "1"
		}
		if contains != "" {
			where += " AND " + matches("v", containing(strings.ToLower(contains)))
		}
		out = out[:0]
		var text proto.ColStr
		statement := fmt.Sprintf("SELECT %s AS v FROM %s AS e FINAL WHERE %s AND %s GROUP BY v ORDER BY count() DESC, v LIMIT %d", o.text, r.name(table), o.has, where, limit)
		return r.query(ctx, statement, proto.Results{{Data: &text}}, func() error {
			for i := range text.Rows() {
				out = append(out, text.Row(i))
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
