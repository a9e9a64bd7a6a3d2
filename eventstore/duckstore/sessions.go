package duckstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

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
	if len(moves) == 0 {
		return nil
	}
	first, last := weir.Micros(1<<62), weir.Micros(-1<<62)
	q := newList("UPDATE " + w.schema + ".events SET session = s FROM (VALUES ")
	for _, list := range moves {
		for _, m := range list {
			q.item("(%d::UINTEGER, %d::UTINYINT, (%d)::BIGINT, (%d)::BIGINT, %d::UINTEGER)", m.Identity, uint8(m.Origin), m.From, m.To, m.Session)
			first, last = min(first, m.From), max(last, m.To)
		}
	}
	text := q.end(fmt.Sprintf(") moved(i, o, a, z, s) WHERE identity = i AND origin = o AND ts BETWEEN a AND z AND ts BETWEEN (%d) AND (%d) AND session <> s", first, last))
	if err := w.exec(ctx, text); err != nil {
		return fmt.Errorf("move events to other sessions: %w", err)
	}
	return nil
}
