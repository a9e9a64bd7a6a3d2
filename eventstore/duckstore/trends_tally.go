package duckstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/weirhq/weir/query"
)

// addable reports whether the measure is made of parts.
func addable(m query.Measure) bool {
	switch m {
	case query.Total, query.Sum, query.Avg, query.Min, query.Max:
		return true
	}
	return false
}

// aggregates are what a part is made of, over rows.
func (q *series) aggregates() string {
	x := "count(*)"
	switch q.Measure {
	case query.Sum, query.Avg:
		x = "sum(" + q.value + ")"
	case query.Min, query.Max:
		x = string(q.Measure) + "(" + q.value + ")"
	}
	return x + "::DOUBLE x, count(*) n"
}

// sums measures what is made of parts.
func (q *series) sums(ctx context.Context) (query.Tally, error) {
	text := fmt.Sprintf("SELECT %sb, x, n FROM (SELECT %s%s b, %s%s%s)", q.out(), q.in(), q.bucket, q.aggregates(), q.from(), q.groupClause("b"))
	all := map[query.Groups]query.Parts{}
	var bucket int
	var p query.Part
	err := q.read(ctx, text, []any{&bucket, &p.X, &p.N}, func(g query.Groups) error {
		if all[g] == nil {
			if (len(all)+1)*q.slots.Count() > query.MostCells/2 {
				return query.TooManyCells()
			}
			all[g] = make(query.Parts, q.slots.Count())
		}
		all[g][bucket].Add(q.Measure, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return q.tallyOf(all)
}

// tallyOf makes numbers of parts.
func (q *series) tallyOf(all map[query.Groups]query.Parts) (query.Tally, error) {
	return query.TallyOf(all, q.Measure, q.Cumulative, len(q.slots.First))
}

// percentiles measures quantiles, which cannot be made of parts: the engine counts
// each row in its bucket and in the total.
func (q *series) percentiles(ctx context.Context) (query.Tally, error) {
	quantile, _ := q.Measure.Quantile()
	// Without breakdowns the second set is empty: all rows.
	sets := fmt.Sprintf(" GROUP BY GROUPING SETS ((%sb), (%s))", q.names(), strings.TrimSuffix(q.names(), ", "))
	text := fmt.Sprintf("SELECT %sb, x FROM (SELECT %sb, quantile_cont(v, %v) x FROM (SELECT %s%s b, %s v%s)%s)",
		q.out(), q.names(), quantile, q.in(), q.bucket, q.value, q.from(), sets)
	return q.readCells(ctx, text)
}

// readCells reads rows of groups, a bucket or null for the total, and a number or
// null.
func (q *series) readCells(ctx context.Context, text string) (query.Tally, error) {
	out := query.Tally{}
	var bucket sql.NullInt64
	var x sql.NullFloat64
	err := q.read(ctx, text, []any{&bucket, &x}, func(g query.Groups) error {
		if !x.Valid {
			return nil
		}
		c, err := out.At(g, q.Measure, len(q.slots.First))
		switch {
		case err != nil:
			return err
		case bucket.Valid:
			c.Values[bucket.Int64] = query.Real(x.Float64)
		default:
			c.Total = query.Real(x.Float64)
		}
		return nil
	})
	return out, err
}

// perUser divides what two other measures are.
func (q *series) perUser(ctx context.Context) (query.Tally, error) {
	q.Measure = query.Total
	out, err := q.sums(ctx)
	if err != nil {
		return nil, err
	}
	q.Measure = query.Users
	users, err := q.uniques(ctx)
	if err != nil {
		return nil, err
	}
	q.Measure = query.PerUser
	return out, out.PerUser(users)
}
