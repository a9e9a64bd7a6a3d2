package clickstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
)

// Log implements eventstore.Store. Order is by time of receipt, then position,
// newest first.
//
// The log's rows are sorted by time of receipt: Log looks at the newest minute first and
// then further and further back, until it has enough rows. A page of a busy status is
// read at once; an item that is a year old, or that does not exist, costs a scan of the
// column that it is looked for in.
func (s *Store) Log(ctx context.Context, ws weir.WorkspaceID, filter eventstore.LogFilter) ([]weir.Outcome, error) {
	switch {
	case filter.Limit <= 0:
		filter.Limit = 100
	case filter.Limit > 1000:
		filter.Limit = 1000
	}
	out := []weir.Outcome{}
	err := s.with(ctx, ws, "read log of", func(w *workspace) error {
		out = out[:0]
		r, err := w.look(ctx)
		if err != nil {
			return err
		}
		if filter.Before != 0 && filter.BeforeAt == 0 {
			if err := r.findBefore(ctx, &filter); err != nil {
				return err
			}
		}
		return r.log(ctx, filter, &out)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// findBefore fills BeforeAt in from the row at Before.
func (r *reader) findBefore(ctx context.Context, f *eventstore.LogFilter) error {
	var at proto.ColInt64
	err := r.query(ctx, fmt.Sprintf("SELECT received_at FROM %s AS l FINAL WHERE %s", r.name("log"), atPosition(f.Before)), proto.Results{{Data: &at}}, func() error {
		f.BeforeAt = weir.Micros(at[0])
		return nil
	})
	if err == nil && f.BeforeAt == 0 {
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
	var low, high weir.Micros
	var first, last proto.ColInt64
	err := r.query(ctx, "SELECT min(received_at), max(received_at) FROM "+r.name("log"), proto.Results{{Data: &first}, {Data: &last}}, func() error {
		low, high = weir.Micros(first[0]), weir.Micros(last[0])+1
		return nil
	})
	if err != nil {
		return err
	}
	if f.From != 0 {
		low = max(low, f.From)
	}
	if f.To != 0 {
		high = min(high, f.To)
	}
	if f.BeforeAt != 0 {
		high = min(high, f.BeforeAt+1)
	}
	for window := firstWindow; high > low && len(*out) < f.Limit; window *= windowGrowth {
		start := max(low, high-window)
		if f.Position != 0 { // which an index finds
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
	parts := []string{r.rows("l"), fmt.Sprintf("received_at >= %s AND received_at < %s", instant(from), instant(to))}
	equal := func(column, value string) {
		if value != "" {
			parts = append(parts, column+" = "+quoteText(value))
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
		parts = append(parts, fmt.Sprintf("(received_at, part, seq) < (%s, %d, %d)", instant(f.BeforeAt), f.Before.Partition(), f.Before.Seq()))
	}
	var received, at proto.ColInt64
	var partition, index, person, size proto.ColUInt32
	var seq proto.ColUInt64
	texts := make([]proto.ColStr, len(logTexts))
	into := proto.Results{{Data: &received}, {Data: &at}, {Data: &partition}, {Data: &seq}, {Data: &index}, {Data: &person}, {Data: &size}}
	for i := range texts {
		into = append(into, proto.ResultColumn{Data: &texts[i]})
	}
	statement := fmt.Sprintf("SELECT received_at, time, part, seq, idx, person, size, %s FROM %s AS l FINAL WHERE %s ORDER BY received_at DESC, part DESC, seq DESC LIMIT %d",
		list(logTexts, plainText), r.name("log"), strings.Join(parts, " AND "), f.Limit-len(*out))
	return r.query(ctx, statement, into, func() error {
		for i := range received {
			text := func(n int) string { return texts[n].Row(i) }
			o := weir.Outcome{
				Position: weir.At(int(partition[i]), seq[i]), ReceivedAt: weir.Micros(received[i]), Time: weir.Micros(at[i]), Index: int(index[i]), Person: person[i], Size: int(size[i]),
				Receipt: text(0), Kind: weir.Kind(text(1)), ItemID: text(2), Name: text(3), UserID: text(4), Source: weir.SourceID(text(5)), Status: weir.Status(text(6)),
				Code: text(7), Field: text(8), Message: text(9),
			}
			if warnings := texts[10].RowBytes(i); len(warnings) > 0 {
				if err := json.Unmarshal(warnings, &o.Warnings); err != nil {
					return fmt.Errorf("read warnings of %s: %w", o.Position, err)
				}
			}
			*out = append(*out, o)
		}
		return nil
	})
}

var logTexts = []string{"receipt", "kind", "item_id", "name", "user_id", "source", "status", "code", "field", "message", "warnings"}

func atPosition(p weir.Position) string {
	return fmt.Sprintf("part = %d AND seq = %d", p.Partition(), p.Seq())
}
