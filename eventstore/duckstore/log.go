package duckstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
)

// Log implements eventstore.Store. Order is by time of receipt, then position,
// newest first.
//
// The log has no index. Its rows lie in order of receipt, so that a range of
// receipt is found quickly: Log looks at the newest minute first and then
// further and further back, until it has enough rows. A page of a busy status is
// read at once; an item that is a year old, or that does not exist, costs a scan
// of the column that it is looked for in.
func (s *Store) Log(ctx context.Context, ws weir.WorkspaceID, filter eventstore.LogFilter) ([]weir.Outcome, error) {
	switch {
	case filter.Limit <= 0:
		filter.Limit = 100
	case filter.Limit > 1000:
		filter.Limit = 1000
	}
	out := []weir.Outcome{}
	err := s.with(ctx, ws, "read log of", func(w *workspace) error {
		return w.look(ctx, func(r *reader) error {
			if filter.Before != 0 && filter.BeforeAt == 0 {
				if err := r.findBefore(ctx, &filter); err != nil {
					return err
				}
			}
			return r.log(ctx, filter, &out)
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// findBefore fills BeforeAt in from the row at Before.
func (r *reader) findBefore(ctx context.Context, f *eventstore.LogFilter) error {
	q := fmt.Sprintf("SELECT received_at FROM %s.log WHERE %s", r.schema, atPosition(f.Before))
	err := r.conn.QueryRowContext(ctx, q).Scan(&f.BeforeAt)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("the log has no row %s to continue from", f.Before)
	}
	return err
}

// firstWindow is how far back Log looks first, and windowGrowth how many times
// further at each next try: together the tries cost little more than the last.
const (
	firstWindow  = weir.Micros(time.Minute / time.Microsecond)
	windowGrowth = 16
)

func (r *reader) log(ctx context.Context, f eventstore.LogFilter, out *[]weir.Outcome) error {
	r.mu.RLock()
	low, high := r.oldestReceived, r.lastReceived+1
	r.mu.RUnlock()
	if f.From != 0 {
		low = max(low, f.From)
	}
	if f.To != 0 {
		high = min(high, f.To)
	}
	if f.BeforeAt != 0 {
		high = min(high, f.BeforeAt+1)
	}
	// A row is found by its position as quickly as by its time.
	all := f.Position != 0
	for window := firstWindow; high > low && len(*out) < f.Limit; window *= windowGrowth {
		start := max(low, high-window)
		if all {
			start = low
		}
		if err := r.logBetween(ctx, f, start, high, out); err != nil {
			return err
		}
		high = start
	}
	return nil
}

// logBetween adds rows received in [from, to), as many as are wanted.
func (r *reader) logBetween(ctx context.Context, f eventstore.LogFilter, from, to weir.Micros, out *[]weir.Outcome) error {
	var args arguments
	parts := []string{fmt.Sprintf("received_at >= (%d) AND received_at < (%d)", from, to)}
	equal := func(column, value string) {
		if value != "" {
			parts = append(parts, column+" = "+args.bind(value))
		}
	}
	equal("receipt", f.Receipt)
	equal("item_id", f.ItemID)
	equal("user_id", f.UserID)
	equal("kind", string(f.Kind))
	equal("status", string(f.Status))
	equal("source", string(f.Source))
	if f.Person != 0 {
		parts = append(parts, fmt.Sprintf("person = %d", f.Person))
	}
	if f.Position != 0 {
		parts = append(parts, atPosition(f.Position))
	}
	if f.BeforeAt != 0 {
		parts = append(parts, fmt.Sprintf("(received_at, part, seq) < (%d::BIGINT, %d::USMALLINT, %d::BIGINT)", f.BeforeAt, f.Before.Partition(), f.Before.Seq()))
	}
	q := fmt.Sprintf("SELECT part, seq, received_at, time, coalesce(receipt, ''), idx, coalesce(kind, ''), coalesce(item_id, ''),"+
		" coalesce(name, ''), coalesce(user_id, ''), person, coalesce(source, ''), coalesce(status, ''), coalesce(code, ''),"+
		" coalesce(field, ''), coalesce(message, ''), coalesce(warnings, ''), size"+
		" FROM %s.log WHERE %s ORDER BY received_at DESC, part DESC, seq DESC LIMIT %d",
		r.schema, strings.Join(parts, " AND "), f.Limit-len(*out))
	return r.rows(ctx, q, args, func(rows *sql.Rows) error {
		o, err := scanOutcome(rows)
		*out = append(*out, o)
		return err
	})
}

func scanOutcome(rows *sql.Rows) (weir.Outcome, error) {
	var o weir.Outcome
	var partition int
	var seq uint64
	var warnings string
	err := rows.Scan(&partition, &seq, &o.ReceivedAt, &o.Time, &o.Receipt, &o.Index, &o.Kind, &o.ItemID,
		&o.Name, &o.UserID, &o.Person, &o.Source, &o.Status, &o.Code, &o.Field, &o.Message, &warnings, &o.Size)
	if err != nil {
		return o, err
	}
	o.Position = weir.At(partition, seq)
	if warnings != "" {
		if err := json.Unmarshal([]byte(warnings), &o.Warnings); err != nil {
			return o, fmt.Errorf("read warnings of %s: %w", o.Position, err)
		}
	}
	return o, nil
}

func atPosition(p weir.Position) string {
	return fmt.Sprintf("part = %d AND seq = %d", p.Partition(), p.Seq())
}
