package duckstore

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
)

// sessionKey is what a session move chooses rows by, besides their time.
type sessionKey struct {
	identity uint32
	origin   weir.Origin
}

// sessionMoves are moves of which no two concern the same row, sorted by time, by
// what they choose rows by.
type sessionMoves map[sessionKey][]eventstore.SessionMove

// disjoint cuts moves, which are applied in order, so that of those that overlap
// the last holds.
func disjoint(moves []eventstore.SessionMove) sessionMoves {
	out := sessionMoves{}
	for _, m := range moves {
		if m.From > m.To {
			continue
		}
		key := sessionKey{m.Identity, m.Origin}
		var kept []eventstore.SessionMove
		for _, old := range out[key] {
			if old.To < m.From || old.From > m.To {
				kept = append(kept, old)
				continue
			}
			if old.From < m.From {
				left := old
				left.To = m.From - 1
				kept = append(kept, left)
			}
			if old.To > m.To {
				right := old
				right.From = m.To + 1
				kept = append(kept, right)
			}
		}
		out[key] = append(kept, m)
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b eventstore.SessionMove) int { return cmp.Compare(a.From, b.From) })
	}
	return out
}

// of is the session of an event after the moves.
func (s sessionMoves) of(e *weir.Event) uint32 {
	for _, m := range s[sessionKey{e.Identity, e.Origin}] {
		if m.From <= e.Time && e.Time <= m.To {
			return m.Session
		}
	}
	return e.Session
}

// moveSessions rewrites the session of rows that are there; prepare did it for
// those of the batch.
func (w *workspace) moveSessions(ctx context.Context, moves sessionMoves) error {
	var all []eventstore.SessionMove
	for _, list := range moves {
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b eventstore.SessionMove) int { return cmp.Compare(a.From, b.From) })
	span := func(m eventstore.SessionMove) (from, to int64) { return int64(m.From), int64(m.To) }
	for _, near := range cut(all, span, w.timeWorth()) {
		if err := ctx.Err(); err != nil {
			return err
		}
		last := near[0].To
		for _, m := range near {
			last = max(last, m.To)
		}
		// The engine skips what lies outside the bounds of all moves together.
		statement := fmt.Sprintf("UPDATE %s.events SET session = m.e FROM moved m WHERE identity = m.a AND origin = m.b"+
			" AND ts BETWEEN m.c AND m.d AND ts BETWEEN (%d) AND (%d) AND session <> m.e", w.schema, near[0].From, last)
		types := []duckdb.Type{duckdb.TYPE_UINTEGER, duckdb.TYPE_UTINYINT, duckdb.TYPE_BIGINT, duckdb.TYPE_BIGINT, duckdb.TYPE_UINTEGER}
		err := w.run(statement, "moved", types, len(near), func(i int, s *sheet) {
			m := near[i]
			put(s, 0, m.Identity)
			put(s, 1, uint8(m.Origin))
			put(s, 2, int64(m.From))
			put(s, 3, int64(m.To))
			put(s, 4, m.Session)
		})
		if err != nil {
			return fmt.Errorf("move events to other sessions: %w", err)
		}
	}
	return nil
}

// scanWorth is about how many rows the engine looks at while it begins another
// statement, and mostStatements how many are made of a batch's changes at most.
const (
	scanWorth      = 100_000
	mostStatements = 48
)

// timeWorth is in how much time about scanWorth rows lie.
func (w *workspace) timeWorth() int64 {
	var count int64
	first, last := weir.Micros(math.MaxInt64), weir.Micros(math.MinInt64)
	for _, n := range w.catalogue.counts {
		if n.count > 0 {
			count, first, last = count+n.count, min(first, n.first), max(last, n.last)
		}
	}
	if count <= scanWorth {
		return math.MaxInt64
	}
	return int64(float64(last-first) / float64(count) * scanWorth)
}

// cut divides what is sorted by where it begins, where nothing is for longer than
// the gap.
func cut[T any](all []T, span func(T) (from, to int64), gap int64) [][]T {
	if len(all) == 0 {
		return nil
	}
	for {
		var out [][]T
		start := 0
		_, end := span(all[0])
		for i, one := range all {
			from, to := span(one)
			if from > end && from-end > gap {
				out, start = append(out, all[start:i]), i
			}
			end = max(end, to)
		}
		if out = append(out, all[start:]); len(out) <= mostStatements {
			return out
		}
		gap *= 2
	}
}
