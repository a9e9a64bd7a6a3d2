package duckstore

import (
	"context"
	"fmt"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
)

// lastOf leaves of rows with the same key the last.
func lastOf[K comparable, T any](all []T, key func(T) K) []T {
	last := make(map[K]int, len(all))
	for i, one := range all {
		last[key(one)] = i
	}
	if len(last) == len(all) {
		return all
	}
	out := make([]T, 0, len(last))
	for i, one := range all {
		if last[key(one)] == i {
			out = append(out, one)
		}
	}
	return out
}

// eraseVisits deletes the rows of visits that are replaced or gone.
func (w *workspace) eraseVisits(b *rows) error {
	numbers := make([]uint32, 0, len(b.visits)+len(b.batch.VisitsGone))
	for _, v := range b.visits {
		numbers = append(numbers, v.Number)
	}
	numbers = append(numbers, b.batch.VisitsGone...)
	err := w.erase("visits", "number", numbers)
	if err != nil {
		return err
	}
	return w.erase("visits", "identity", b.batch.VisitsOf)
}

// erase deletes the rows of a table whose column has one of some numbers.
func (w *workspace) erase(table, column string, numbers []uint32) error {
	q := fmt.Sprintf("DELETE FROM %s.%s USING gone WHERE %s = gone.a", w.schema, table, column)
	err := w.run(q, "gone", []duckdb.Type{duckdb.TYPE_UINTEGER}, len(numbers), func(i int, s *sheet) { put(s, 0, numbers[i]) })
	if err != nil {
		return fmt.Errorf("delete from %s: %w", table, err)
	}
	return nil
}

func (w *workspace) appendVisits(visits []eventstore.Visit) error {
	return w.append("visits", len(visits), func(i int, s *sheet) {
		v := &visits[i]
		put(s, 0, v.Number)
		s.text(1, v.ID)
		put(s, 2, v.Identity)
		put(s, 3, uint8(v.Origin))
		put(s, 4, int64(v.StartedAt))
		put(s, 5, v.Seconds)
		put(s, 6, v.Pageviews)
		put(s, 7, v.Interactions)
		put(s, 8, v.Bounced)
		for n, text := range []string{
			v.Source.Source, v.Source.Medium, v.Source.Campaign, v.Source.Content, v.Source.Term, v.Source.ClickID, v.Source.Referrer, v.Source.LandingPage, v.Channel,
		} {
			if text != "" {
				s.text(9+n, text)
			}
		}
	})
}

// Visits implements eventstore.Store.
func (s *Store) Visits(ctx context.Context, ws weir.WorkspaceID, fn func(eventstore.Visit) error) error {
	return s.with(ctx, ws, "list visits of", func(w *workspace) error {
		return w.look(ctx, func(r *reader) error { return r.visits(ctx, " ORDER BY number", fn) })
	})
}

// visits calls fn for the visits that a condition, or an order, chooses.
func (r *reader) visits(ctx context.Context, rest string, fn func(eventstore.Visit) error) error {
	statement := "SELECT number, identity, origin, started_at, seconds, pageviews, interactions, bounced, id, coalesce(source, ''), coalesce(medium, '')," +
		" coalesce(campaign, ''), coalesce(content, ''), coalesce(term, ''), coalesce(click_id, ''), coalesce(referrer, ''), coalesce(landing_page, '')," +
		" coalesce(channel, '') FROM " + r.schema + ".visits" + rest
	return r.chunks(ctx, statement, nil, func(c *chunk) error {
		var texts [10][]engineText
		for i := range texts {
			texts[i] = column[engineText](c, 8+i)
		}
		numbers, identities, origins, starts := column[uint32](c, 0), column[uint32](c, 1), column[uint8](c, 2), column[int64](c, 3)
		seconds, pageviews, interactions, bounced := column[float64](c, 4), column[int64](c, 5), column[int64](c, 6), column[bool](c, 7)
		for i := range c.rows {
			text := func(n int) string { return string(texts[n][i].bytes()) }
			v := eventstore.Visit{
				Number: numbers[i], ID: text(0), Identity: identities[i], Origin: weir.Origin(origins[i]), StartedAt: weir.Micros(starts[i]),
				Seconds: seconds[i], Pageviews: pageviews[i], Interactions: interactions[i], Bounced: bounced[i], Channel: text(9),
			}
			v.Person, _ = r.persons.of(v.Identity)
			v.Source.Source, v.Source.Medium, v.Source.Campaign, v.Source.Content = text(1), text(2), text(3), text(4)
			v.Source.Term, v.Source.ClickID, v.Source.Referrer, v.Source.LandingPage = text(5), text(6), text(7), text(8)
			v.Source.Impression = v.Origin == weir.Impression
			if err := fn(v); err != nil {
				return err
			}
		}
		return nil
	})
}
