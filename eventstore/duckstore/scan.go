package duckstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
)

// scanRows is about how many rows Scan holds at once.
const scanRows = 100_000

// Scan implements eventstore.Store.
//
// The driver keeps the whole result of a statement in memory, so rows are read in
// stretches of time that hold about scanRows each, and in pages where more lie at
// one instant; all in one transaction. No columns can be added meanwhile: fn must
// not wait for a Write.
func (s *Store) Scan(ctx context.Context, ws weir.WorkspaceID, filter eventstore.ScanFilter, fn func(eventstore.Row) error) error {
	return s.with(ctx, ws, "scan", func(w *workspace) error {
		return w.look(ctx, func(r *reader) error {
			sc := r.newScanner(filter)
			if sc == nil {
				return nil // nobody has sent such events
			}
			all := stretch{from: cmp.Or(filter.From, -1<<62), to: cmp.Or(filter.To, 1<<62)}
			stretches, err := sc.divide(ctx, all)
			if err != nil {
				return err
			}
			for _, st := range stretches {
				if err := sc.read(ctx, st, fn); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// scanner reads the rows of some events.
type scanner struct {
	*reader
	most    int64 // rows that it holds at once
	names   []string
	where   string             // without the time
	columns []string           // property columns that the events use
	fields  map[uint32][]field // by event: what its columns hold
}

// field is a property of an event in a column of the scanner.
type field struct {
	name   string
	typ    weir.Type
	column int // among scanner.columns
}

// newScanner is nil if the events were never seen.
func (r *reader) newScanner(filter eventstore.ScanFilter) *scanner {
	r.mu.RLock()
	defer r.mu.RUnlock()
	sc := &scanner{reader: r, most: r.store.scanRows, names: slices.Clone(r.catalogue.names), where: "true", fields: map[uint32][]field{}}
	chosen := map[uint32]bool{}
	for _, name := range filter.Names {
		if code := r.catalogue.codes[name]; code != 0 {
			chosen[code] = true
		}
	}
	if len(filter.Names) > 0 {
		if len(chosen) == 0 {
			return nil
		}
		var codes []uint32
		for code := range chosen {
			codes = append(codes, code)
		}
		sc.where = inList("e.name", codes)
	}
	index := map[string]int{}
	for key, slot := range r.catalogue.events.places {
		if slot == "" || !r.catalogue.events.has(slot) || len(chosen) > 0 && !chosen[key.event] {
			continue
		}
		at, ok := index[slot]
		if !ok {
			at = len(sc.columns)
			index[slot] = at
			sc.columns = append(sc.columns, slot)
		}
		sc.fields[key.event] = append(sc.fields[key.event], field{key.property, key.typ, at})
	}
	return sc
}

// stretch is a half-open range of time.
type stretch struct {
	from, to weir.Micros
	paged    bool // it has too many rows, and cannot be cut
}

// cells is into how many parts divide cuts a range at once.
const cells = 4096

// divide cuts a range of time so that no part has many more rows than are held at
// once, if it can.
func (sc *scanner) divide(ctx context.Context, whole stretch) ([]stretch, error) {
	where := fmt.Sprintf("%s AND e.ts >= (%d) AND e.ts < (%d)", sc.where, whole.from, whole.to)
	var count int64
	var first, last sql.NullInt64
	q := fmt.Sprintf("SELECT count(*), min(e.ts), max(e.ts) FROM %s.events e WHERE %s", sc.schema, where)
	if err := sc.conn.QueryRowContext(ctx, q).Scan(&count, &first, &last); err != nil || count == 0 {
		return nil, err
	}
	low, high := weir.Micros(first.Int64), weir.Micros(last.Int64)+1
	if count <= sc.most || high-low == 1 {
		return []stretch{{low, high, count > sc.most}}, nil
	}
	width := (high-low)/cells + 1
	q = fmt.Sprintf("SELECT (e.ts - (%d)) // %d c, count(*) FROM %s.events e WHERE %s GROUP BY c ORDER BY c", low, width, sc.schema, where)
	var out []stretch
	var crowded []int // of out: they must be cut again
	held := int64(math.MaxInt64)
	err := sc.rows(ctx, q, nil, func(rows *sql.Rows) error {
		var cell, n int64
		if err := rows.Scan(&cell, &n); err != nil {
			return err
		}
		start := low + weir.Micros(cell)*width
		if held > sc.most-min(n, sc.most) {
			out, held = append(out, stretch{from: start}), 0
		}
		held += n
		out[len(out)-1].to = start + width
		if n > sc.most {
			crowded = append(crowded, len(out)-1)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, i := range slices.Backward(crowded) {
		parts, err := sc.divide(ctx, out[i])
		if err != nil {
			return nil, err
		}
		out = slices.Replace(out, i, i+1, parts...)
	}
	return out, nil
}

// rowPlace is where a row stands among those of its instant.
type rowPlace struct {
	kind, item string
	part       int
	seq        uint64
}

// read calls fn for the rows of a stretch.
func (sc *scanner) read(ctx context.Context, st stretch, fn func(eventstore.Row) error) error {
	var first, last sql.NullInt64
	where := fmt.Sprintf("%s AND e.ts >= (%d) AND e.ts < (%d)", sc.where, st.from, st.to)
	q := fmt.Sprintf("SELECT min(e.seq), max(e.seq) FROM %s.events e WHERE %s", sc.schema, where)
	if err := sc.conn.QueryRowContext(ctx, q).Scan(&first, &last); err != nil {
		return err
	}
	var columns strings.Builder
	for _, column := range sc.columns {
		columns.WriteString(", e." + quoteName(column))
	}
	// The bounds of seq keep the engine from reading all of the log.
	q = fmt.Sprintf("SELECT e.part, e.seq, e.ts, e.name, e.identity, e.session, e.origin, e.types, e.rest,"+
		" coalesce(l.kind, '') k, coalesce(l.item_id, '') i%s FROM %s.events e"+
		" LEFT JOIN (SELECT part, seq, kind, item_id FROM %s.log WHERE seq BETWEEN %d AND %d) l ON l.part = e.part AND l.seq = e.seq WHERE %s",
		columns.String(), sc.schema, sc.schema, first.Int64, last.Int64, where)
	const order = " ORDER BY e.ts, k, i, e.part, e.seq"
	if !st.paged {
		_, _, err := sc.page(ctx, q+order, nil, fn)
		return err
	}
	var args arguments
	after := ""
	for {
		n, at, err := sc.page(ctx, fmt.Sprintf("%s%s%s LIMIT %d", q, after, order, sc.most), args, fn)
		if err != nil || n < sc.most {
			return err
		}
		args = nil
		after = fmt.Sprintf(" AND (coalesce(l.kind, ''), coalesce(l.item_id, ''), e.part, e.seq) > (%s, %s, %d::USMALLINT, %d::BIGINT)",
			args.bind(at.kind), args.bind(at.item), at.part, at.seq)
	}
}

// page calls fn for the rows of a statement, and returns how many there were and
// where the last one stands.
func (sc *scanner) page(ctx context.Context, q string, args arguments, fn func(eventstore.Row) error) (n int64, at rowPlace, err error) {
	var (
		row         eventstore.Row
		code        uint32
		types, rest sql.NullString
	)
	into := []any{&at.part, &at.seq, &row.Time, &code, &row.Identity, &row.Session, &row.Origin, &types, &rest, &at.kind, &at.item}
	values := make([]any, len(sc.columns))
	for i := range values {
		into = append(into, &values[i])
	}
	err = sc.rows(ctx, q, args, func(rows *sql.Rows) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if code == 0 || int(code) > len(sc.names) {
			return fmt.Errorf("event code %d of %d", code, len(sc.names))
		}
		n++
		row.Position, row.Name, row.Kind, row.ItemID = weir.At(at.part, at.seq), sc.names[code-1], weir.Kind(at.kind), at.item
		row.Person, _ = sc.persons.of(row.Identity)
		var err error
		if row.Properties, err = sc.properties(code, values, types.String, rest.String); err != nil {
			return fmt.Errorf("read properties of %s: %w", row.Position, err)
		}
		return fn(row)
	})
	return n, at, err
}

// properties puts an event's properties together again.
func (sc *scanner) properties(event uint32, values []any, types, rest string) ([]weir.Property, error) {
	var out []weir.Property
	for _, f := range sc.fields[event] {
		v, err := valueOf(f.typ, values[f.column])
		if err != nil {
			return nil, err
		}
		if v.Type != weir.Null {
			out = append(out, weir.Property{Name: f.name, Value: v})
		}
	}
	if rest != "" {
		more, err := restProperties(types, rest)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	slices.SortFunc(out, func(a, b weir.Property) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// valueOf undoes columnValue.
func valueOf(t weir.Type, column any) (weir.Value, error) {
	switch v := column.(type) {
	case nil:
		return weir.Value{}, nil
	case string:
		return weir.Text(v), nil
	case float64:
		return weir.Num(v), nil
	case bool:
		return weir.Boolean(v), nil
	case []any:
		if len(v) > 0 {
			if text, ok := v[0].(string); ok {
				return weir.Raw(text), nil
			}
		}
	}
	return weir.Value{}, fmt.Errorf("a value of type %d is a %T", t, column)
}

// restProperties undoes what fill did with properties that have no column.
func restProperties(types, rest string) ([]weir.Property, error) {
	var typed map[string]weir.Type
	if types != "" {
		if err := json.Unmarshal([]byte(types), &typed); err != nil {
			return nil, err
		}
	}
	var values map[string]any
	if err := json.Unmarshal([]byte(rest), &values); err != nil {
		return nil, err
	}
	var out []weir.Property
	for name, v := range values {
		value, err := valueOf(weir.Null, v)
		if err != nil {
			return nil, err
		}
		switch typed[name] {
		case weir.Number:
			if err := value.UnmarshalJSON([]byte(value.Str)); err != nil {
				return nil, err
			}
		case weir.Bool:
			value = weir.Boolean(value.Str == "true")
		}
		out = append(out, weir.Property{Name: name, Value: value})
	}
	return out, nil
}
