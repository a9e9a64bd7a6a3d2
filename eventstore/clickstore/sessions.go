package clickstore

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
)

// sessionKey is what a session move chooses rows by, besides their time.
type sessionKey struct {
	identity uint32
	origin   weir.Origin
}

// sessionMoves are moves in their order, by what they choose rows by.
type sessionMoves map[sessionKey][]eventstore.SessionMove

func sessionsOf(moves []eventstore.SessionMove) sessionMoves {
	out := sessionMoves{}
	for _, m := range moves {
		key := sessionKey{m.Identity, m.Origin}
		out[key] = append(out[key], m)
	}
	return out
}

// of is the session of an event after the moves: the last holds that reaches it.
func (s sessionMoves) of(e *weir.Event) uint32 {
	for _, m := range slices.Backward(s[sessionKey{e.Identity, e.Origin}]) {
		if m.From <= e.Time && e.Time <= m.To {
			return m.Session
		}
	}
	return e.Session
}

// moveSessions gives rows that are there another session: it writes them again, as they
// are but for that. First it looks which they are, for mostly there are few; prepare did
// it for those of the batch.
func (w *workspace) moveSessions(ctx context.Context, b *rows) error {
	if len(b.batch.Sessions) == 0 {
		return nil
	}
	touched := map[rowKey]bool{}
	for _, p := range b.batch.Replaced {
		touched[rowKey{p.Seq(), uint32(p.Partition())}] = true
	}
	moves := sessionsOf(b.batch.Sessions)
	from, to := weir.Micros(math.MaxInt64), weir.Micros(math.MinInt64)
	identities := make([]uint32, 0, len(moves))
	for _, m := range b.batch.Sessions {
		identities = append(identities, m.Identity)
		from, to = min(from, m.From), max(to, m.To)
	}
	slices.Sort(identities)
	identities = slices.Compact(identities)
	moved := map[rowKey]uint32{}
	for part := range slices.Chunk(identities, longList) {
		if err := w.findMoved(ctx, b, part, from, to, moves, func(key rowKey, session uint32) {
			if !touched[key] {
				moved[key] = session
			}
		}); err != nil {
			return fmt.Errorf("find events to move to other sessions: %w", err)
		}
	}
	keys := make([]rowKey, 0, len(moved))
	for key := range moved {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, rowKey.compare)
	for part := range slices.Chunk(keys, movedAtOnce) {
		if err := w.rewriteSessions(ctx, b, part, moved); err != nil {
			return fmt.Errorf("move events to other sessions: %w", err)
		}
	}
	return nil
}

// movedAtOnce is how many rows one statement moves.
const movedAtOnce = 5_000

// rowKey is the key of a row of events.
type rowKey struct {
	seq  uint64
	part uint32
}

func (k rowKey) compare(o rowKey) int {
	switch {
	case k.seq != o.seq && k.seq < o.seq, k.seq == o.seq && k.part < o.part:
		return -1
	case k == o:
		return 0
	}
	return 1
}

// findMoved calls fn for the rows of some identities that have another session after the
// moves.
func (w *workspace) findMoved(ctx context.Context, b *rows, identities []uint32, from, to weir.Micros, moves sessionMoves, fn func(rowKey, uint32)) error {
	var seq proto.ColUInt64
	var part, identity, session proto.ColUInt32
	var at proto.ColInt64
	var origin proto.ColUInt8
	statement := fmt.Sprintf("SELECT e.seq, e.part, e.ts, e.identity, e.session, e.origin FROM %s AS e FINAL WHERE e.identity IN (%s) AND e.ts >= %s AND e.ts <= %s AND %s",
		w.name("events"), list(identities, number[uint32]), instant(from), instant(to), b.before.rows("e"))
	into := proto.Results{{Data: &seq}, {Data: &part}, {Data: &at}, {Data: &identity}, {Data: &session}, {Data: &origin}}
	return w.store.client.query(ctx, statement, finals(), into, func() error {
		for i := range seq {
			e := weir.Event{Time: weir.Micros(at[i]), Identity: identity[i], Session: session[i], Origin: weir.Origin(origin[i])}
			if now := moves.of(&e); now != e.Session {
				fn(rowKey{seq[i], part[i]}, now)
			}
		}
		return nil
	})
}

// rewriteSessions writes rows again with other sessions.
func (w *workspace) rewriteSessions(ctx context.Context, b *rows, keys []rowKey, session map[rowKey]uint32) error {
	places, packed, to := make([]string, len(keys)), make([]string, len(keys)), make([]string, len(keys))
	for i, key := range keys {
		places[i] = fmt.Sprintf("(%d, %d)", key.seq, key.part)
		packed[i] = fmt.Sprint(key.seq<<16 | uint64(key.part)) // partitions have 15 bits, sequence numbers 48
		to[i] = fmt.Sprint(session[key])
	}
	names := []string{}
	for _, t := range tables() {
		if t.name == "events" {
			for _, column := range t.columns {
				name, _, _ := strings.Cut(column, " ")
				names = append(names, name)
			}
		}
	}
	values := list(names, func(name string) string {
		switch name {
		case "version":
			return fmt.Sprintf("toUInt64(%d)", b.version)
		case "session":
			return fmt.Sprintf("transform(e.seq * 65536 + e.part, [%s], [%s], toUInt32(0))",
				list(packed, func(n string) string { return "toUInt64(" + n + ")" }), list(to, func(n string) string { return "toUInt32(" + n + ")" }))
		}
		return "e." + name
	})
	statement := fmt.Sprintf("INSERT INTO %[1]s (%[2]s) SELECT %[3]s FROM %[1]s AS e FINAL WHERE (e.seq, e.part) IN (%[4]s) AND e.version < %[5]d",
		w.name("events"), strings.Join(names, ", "), values, strings.Join(places, ", "), b.version)
	return w.store.client.exec(ctx, statement, finals())
}

// finals are settings of statements that look at the newest versions of rows.
func finals() settings {
	return settings{"do_not_merge_across_partitions_select_final": "1", "use_skip_indexes_if_final": "1", "use_skip_indexes_if_final_exact_mode": "1"}
}
