package duckstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// tally is what a series has in its groups.
type tally map[query.Groups]*counted

// counted are the numbers of a group, with the measure's empty value where nothing
// counts.
type counted struct {
	values []query.Real // by bucket
	total  query.Real
}

// mostCells bounds the numbers that a question may have in the memory.
const mostCells = 20_000_000

// at finds or makes the numbers of a group.
func (q *series) at(t tally, g query.Groups) (*counted, error) {
	c := t[g]
	if c != nil {
		return c, nil
	}
	n := len(q.slots.First)
	if (len(t)+1)*n > mostCells {
		return nil, tooManyCells()
	}
	c = &counted{values: make([]query.Real, n), total: q.Measure.Empty()}
	for i := range c.values {
		c.values[i] = c.total
	}
	t[g] = c
	return c, nil
}

func tooManyCells() error {
	return &weir.Error{Code: query.CodeTooLarge, Field: "breakdowns",
		Message: "The question has more groups and buckets than fit into the memory. Ask for a shorter range, a longer interval, or with smaller limits."}
}

func (t tally) tell(a *query.Assembler, series int, previous bool) {
	for g, c := range t {
		line := query.Line{Series: series, Previous: previous, Groups: g}
		a.Total(line, c.total)
		for i, v := range c.values {
			a.Value(line, i, v)
		}
	}
}

// part is what can be added up of some rows: a sum, a lowest or a highest number,
// and how many rows there are.
type part struct {
	x float64
	n int64
}

func (p *part) add(m query.Measure, o part) {
	switch {
	case o.n == 0:
	case p.n == 0:
		*p = o
	default:
		switch m {
		case query.Min:
			p.x = min(p.x, o.x)
		case query.Max:
			p.x = max(p.x, o.x)
		default:
			p.x += o.x
		}
		p.n += o.n
	}
}

func (p part) value(m query.Measure) query.Real {
	switch {
	case p.n == 0:
		return m.Empty()
	case m == query.Avg:
		return query.Real(p.x / float64(p.n))
	}
	return query.Real(p.x)
}

// parts are those of a group by bucket.
type parts []part

func (p parts) total(m query.Measure) part {
	var all part
	for _, one := range p {
		all.add(m, one)
	}
	return all
}

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
func (q *series) sums(ctx context.Context) (tally, error) {
	text := fmt.Sprintf("SELECT %sb, x, n FROM (SELECT %s%s b, %s%s%s)", q.out(), q.in(), q.bucket, q.aggregates(), q.from(), q.groupClause("b"))
	all := map[query.Groups]parts{}
	var bucket int
	var p part
	err := q.read(ctx, text, []any{&bucket, &p.x, &p.n}, func(g query.Groups) error {
		if all[g] == nil {
			if (len(all)+1)*q.slots.Count() > mostCells/2 {
				return tooManyCells()
			}
			all[g] = make(parts, q.slots.Count())
		}
		all[g][bucket].add(q.Measure, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return q.tallyOf(all)
}

// tallyOf makes numbers of parts.
func (q *series) tallyOf(all map[query.Groups]parts) (tally, error) {
	out := tally{}
	for g, by := range all {
		c, err := q.at(out, g)
		if err != nil {
			return nil, err
		}
		var sum part
		for i, p := range by {
			sum.add(q.Measure, p)
			if q.Cumulative {
				p = sum
			}
			c.values[i] = p.value(q.Measure)
		}
		c.total = sum.value(q.Measure)
		delete(all, g)
	}
	return out, nil
}

// percentiles measures quantiles, which cannot be made of parts: the engine counts
// each row in its bucket and in the total.
func (q *series) percentiles(ctx context.Context) (tally, error) {
	quantile, _ := q.Measure.Quantile()
	// Without breakdowns the second set is empty: all rows.
	sets := fmt.Sprintf(" GROUP BY GROUPING SETS ((%sb), (%s))", q.names(), strings.TrimSuffix(q.names(), ", "))
	text := fmt.Sprintf("SELECT %sb, x FROM (SELECT %sb, quantile_cont(v, %v) x FROM (SELECT %s%s b, %s v%s)%s)",
		q.out(), q.names(), quantile, q.in(), q.bucket, q.value, q.from(), sets)
	return q.readCells(ctx, text)
}

// readCells reads rows of groups, a bucket or null for the total, and a number or
// null.
func (q *series) readCells(ctx context.Context, text string) (tally, error) {
	out := tally{}
	var bucket sql.NullInt64
	var x sql.NullFloat64
	err := q.read(ctx, text, []any{&bucket, &x}, func(g query.Groups) error {
		if !x.Valid {
			return nil
		}
		c, err := q.at(out, g)
		switch {
		case err != nil:
			return err
		case bucket.Valid:
			c.values[bucket.Int64] = query.Real(x.Float64)
		default:
			c.total = query.Real(x.Float64)
		}
		return nil
	})
	return out, err
}

// perUser divides what two other measures are.
func (q *series) perUser(ctx context.Context) (tally, error) {
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
	for g, c := range out {
		by := users[g]
		if by == nil {
			return nil, fmt.Errorf("events of nobody in %+v", g)
		}
		c.total /= by.total
		for i := range c.values {
			if c.values[i] == 0 {
				c.values[i] = query.None
			} else {
				c.values[i] /= by.values[i]
			}
		}
	}
	return out, nil
}
