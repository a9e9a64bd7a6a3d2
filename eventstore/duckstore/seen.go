package duckstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// Applied implements eventstore.Store.
func (s *Store) Applied(ctx context.Context, ws weir.WorkspaceID) (map[int]uint64, error) {
	var out map[int]uint64
	err := s.with(ctx, ws, "read positions of", func(w *workspace) error {
		w.mu.RLock()
		defer w.mu.RUnlock()
		out = maps.Clone(w.applied)
		return nil
	})
	return out, err
}

// Catalogue implements eventstore.Store. It is in memory. An event is listed
// while it has rows, a property for ever.
func (s *Store) Catalogue(ctx context.Context, ws weir.WorkspaceID) (*eventstore.Catalogue, error) {
	out := &eventstore.Catalogue{Events: []eventstore.EventName{}, Properties: []eventstore.PropertyName{}}
	err := s.with(ctx, ws, "read catalogue of", func(w *workspace) error {
		if err := w.refreshCounts(ctx); err != nil {
			return err
		}
		w.mu.RLock()
		defer w.mu.RUnlock()
		for i, n := range w.catalogue.counts {
			if n.count > 0 {
				out.Events = append(out.Events, eventstore.EventName{Name: w.catalogue.names[i], Count: n.count, First: n.first, Last: n.last})
			}
		}
		out.Properties = append(w.catalogue.events.properties(query.OnEvent), w.catalogue.people.properties(query.OnUser)...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out.Events, func(a, b eventstore.EventName) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	slices.SortStableFunc(out.Properties, func(a, b eventstore.PropertyName) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.On, b.On))
	})
	return out, nil
}

// properties lists the layout's properties with their types.
func (l *layout) properties(on query.Scope) []eventstore.PropertyName {
	var out []eventstore.PropertyName
	for name, places := range l.byName {
		p := eventstore.PropertyName{Name: name, On: on}
		for _, k := range []struct {
			typ  weir.Type
			name string
		}{{weir.String, "string"}, {weir.Number, "number"}, {weir.Bool, "boolean"}, {weir.JSON, "json"}} {
			if slices.ContainsFunc(places, func(p place) bool { return p.typ == k.typ }) {
				p.Types = append(p.Types, k.name)
			}
		}
		out = append(out, p)
	}
	return out
}

// refreshCounts finds again when events were first and last seen, where the row
// that said so was replaced.
func (w *workspace) refreshCounts(ctx context.Context) error {
	w.mu.RLock()
	var stale []uint32
	for i, n := range w.catalogue.counts {
		if n.stale && n.count > 0 {
			stale = append(stale, uint32(i+1))
		}
	}
	w.mu.RUnlock()
	if len(stale) == 0 {
		return nil
	}
	// No write may come between looking and noting.
	w.writer.Lock()
	defer w.writer.Unlock()
	q := fmt.Sprintf("SELECT name, count(*), min(ts), max(ts) FROM %s.events WHERE %s GROUP BY name", w.schema, inList("name", stale))
	rows, err := w.conn.QueryContext(ctx, q)
	if err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return scan(rows, func() error {
		var code uint32
		var n nameCount
		if err := rows.Scan(&code, &n.count, &n.first, &n.last); err != nil {
			return fmt.Errorf("count events: %w", err)
		}
		w.catalogue.counts[code-1] = n
		return nil
	})
}

// Values implements eventstore.Store. A list counts as its JSON text, as it does
// in a breakdown.
func (s *Store) Values(ctx context.Context, ws weir.WorkspaceID, of query.Ref, contains string, limit int) ([]string, error) {
	out := []string{}
	if limit <= 0 {
		return out, nil
	}
	err := s.with(ctx, ws, "read values of", func(w *workspace) error {
		return w.look(ctx, func(r *reader) error {
			q, args := r.valuesQuery(of, contains, limit)
			return r.rows(ctx, q, args, func(rows *sql.Rows) error {
				var text string
				err := rows.Scan(&text)
				out = append(out, text)
				return err
			})
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (r *reader) valuesQuery(of query.Ref, contains string, limit int) (string, arguments) {
	var args arguments
	r.workspace.mu.RLock()
	defer r.workspace.mu.RUnlock()
	c := &compiler{catalogue: r.catalogue, schema: r.schema, args: &args}
	group := c.group(of)
	from := "events e"
	if of.On == query.OnUser {
		from = "people p"
	}
	condition := "v IS NOT NULL"
	if contains != "" {
		condition += fmt.Sprintf(" AND contains(lower(v), lower(%s))", args.bind(contains))
	}
	q := fmt.Sprintf("SELECT v FROM (SELECT %s v, n FROM (SELECT %s g, count(*) n FROM %s.%s GROUP BY g)) WHERE %s ORDER BY n DESC, v LIMIT %d",
		group.text("g"), group.key, r.schema, from, condition, limit)
	return q, args
}
