package clickstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// Scan implements eventstore.Store. It is one statement, whose rows the server sorts, on
// its disk if they are many, and sends as fn takes them.
func (s *Store) Scan(ctx context.Context, ws weir.WorkspaceID, filter eventstore.ScanFilter, fn func(eventstore.Row) error) error {
	return s.with(ctx, ws, "scan", func(w *workspace) error {
		r, err := w.look(ctx)
		if err != nil {
			return err
		}
		r.patient = true
		// The log may be larger than the memory.
		r.settings["join_algorithm"] = "grace_hash"
		return r.scan(ctx, filter, fn)
	})
}

func (r *reader) scan(ctx context.Context, filter eventstore.ScanFilter, fn func(eventstore.Row) error) error {
	c := &compiler{reader: r}
	columns := []string{"e.seq AS s", "e.part AS f", "e.ts AS t", plainText("e.name"), "e.identity", c.personOfRow(), "e.session", "e.origin", plainText("l.kind") + " AS k", "l.item_id AS i", "e.types"}
	for i := range groups {
		columns = append(columns, fmt.Sprint("e.text", i))
	}
	where := append([]string{r.rows("e")}, c.match(query.Match{Events: filter.Names})...)
	if filter.From != 0 {
		where = append(where, "e.ts >= "+instant(filter.From))
	}
	if filter.To != 0 {
		where = append(where, "e.ts < "+instant(filter.To))
	}
	log := fmt.Sprintf("(SELECT seq, part, kind, item_id FROM %s AS l FINAL WHERE %s)", r.name("log"), r.rows("l"))
	statement := fmt.Sprintf("SELECT %s FROM %s LEFT JOIN %s AS l ON l.seq = e.seq AND l.part = e.part WHERE %s ORDER BY t, k, i, f, s",
		strings.Join(columns, ", "), c.events(), log, strings.Join(where, " AND "))

	var seq proto.ColUInt64
	var partition, identity, person, session proto.ColUInt32
	var at proto.ColInt64
	var origin proto.ColUInt8
	var name, kind, item, types proto.ColStr
	texts := make([]*proto.ColMap[string, string], groups)
	into := proto.Results{
		{Data: &seq}, {Data: &partition}, {Data: &at}, {Data: &name}, {Data: &identity}, {Data: &person}, {Data: &session}, {Data: &origin}, {Data: &kind}, {Data: &item}, {Data: &types},
	}
	for i := range texts {
		texts[i] = newMap[string](new(proto.ColStr)).ColMap
		into = append(into, proto.ResultColumn{Data: texts[i]})
	}
	return r.query(ctx, statement, into, func() error {
		for i := range seq {
			row := eventstore.Row{Kind: weir.Kind(kind.Row(i)), ItemID: item.Row(i)}
			row.Position, row.Time, row.Name = weir.At(int(partition[i]), seq[i]), weir.Micros(at[i]), name.Row(i)
			row.Identity, row.Person, row.Session, row.Origin = identity[i], person[i], session[i], weir.Origin(origin[i])
			var err error
			if row.Properties, err = readProperties(types.Row(i), texts, i); err != nil {
				return fmt.Errorf("read properties of %s: %w", row.Position, err)
			}
			if err := fn(row); err != nil {
				return err
			}
		}
		return nil
	})
}
