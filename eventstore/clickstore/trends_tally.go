package clickstore

import (
	"context"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

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

// sums measures what is made of parts.
func (q *series) sums(ctx context.Context) (tally, error) {
	x := "count()"
	switch q.Measure {
	case query.Sum, query.Avg:
		x = "sum(" + q.value + ")"
	case query.Min, query.Max:
		x = string(q.Measure) + "(" + q.value + ")"
	}
	in := q.groupColumns()
	statement := fmt.Sprintf("SELECT %s%s AS b, toFloat64(%s), toInt64(count())%s GROUP BY %sb", in, q.bucket, x, q.from(), q.groupNames())
	var bucket proto.ColUInt32
	var xs proto.ColFloat64
	var ns proto.ColInt64
	r := q.readGroups(&bucket, &xs, &ns)
	all := map[query.Groups][]part{}
	err := q.query(ctx, statement, r.into, func() error {
		for row, b := range bucket {
			g, _ := r.of(row)
			if all[g] == nil {
				if (len(all)+1)*q.slots.Count() > mostCells/2 {
					return tooManyCells()
				}
				all[g] = make([]part, q.slots.Count())
			}
			all[g][b].add(q.Measure, part{xs[row], ns[row]})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return q.tallyOf(all)
}

// tallyOf makes numbers of parts.
func (q *series) tallyOf(all map[query.Groups][]part) (tally, error) {
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

// percentiles measures quantiles: each row counts in its bucket and in the total.
func (q *series) percentiles(ctx context.Context) (tally, error) {
	quantile, _ := q.Measure.Quantile()
	aggregate := fmt.Sprintf("arrayMap(a -> %s, [arraySort(groupArray(v))])[1]", quantileOf("a", quantile))
	return q.rollup(ctx, aggregate)
}

// uniques counts what is different, in buckets that have no row in common.
func (q *series) uniques(ctx context.Context) (tally, error) { return q.rollup(ctx, "uniqExact(v)") }

// rollup measures by an aggregate of the column v in each bucket, and over all: the
// engine joins what it has of the buckets for the total.
func (q *series) rollup(ctx context.Context, aggregate string) (tally, error) {
	in := q.groupColumns()
	statement := fmt.Sprintf("SELECT %[1]sb, toFloat64(%[2]s) FROM (SELECT %[3]s%[4]s + 1 AS b, %[5]s AS v%[6]s) GROUP BY %[1]sb WITH ROLLUP",
		q.groupNames(), aggregate, in, q.bucket, q.value, q.from())
	return q.readCells(ctx, statement, func(b int64) (bucket int, isTotal bool) { return int(b - 1), b == rolledUp })
}

// readCells reads rows of groups, a number that stands for a bucket or the total, and what
// is counted there.
func (q *series) readCells(ctx context.Context, statement string, place func(int64) (int, bool)) (tally, error) {
	var bucket proto.ColUInt64
	var xs proto.ColFloat64
	r := q.readGroups(&bucket, &xs)
	out := tally{}
	err := q.query(ctx, statement, r.into, func() error {
		for row, b := range bucket {
			g, ok := r.of(row)
			if !ok {
				continue
			}
			c, err := q.at(out, g)
			if err != nil {
				return err
			}
			if i, isTotal := place(int64(b)); isTotal {
				c.total = query.Real(xs[row])
			} else {
				c.values[i] = query.Real(xs[row])
			}
		}
		return nil
	})
	return out, err
}

// uniquesOfSpans counts what is different in buckets that have slots in common. What is
// seen in a slot counts in a span of buckets; of each, the spans are made to have no
// bucket twice, so that it is enough to know how many begin and end at each.
func (q *series) uniquesOfSpans(ctx context.Context) (tally, error) {
	first, last := q.slots.Buckets()
	in := q.groupColumns()
	slots := fmt.Sprintf("SELECT %[1]sarraySort(groupUniqArray(b)) AS s FROM (SELECT %[2]s%[3]s AS b, %[4]s AS v%[5]s) GROUP BY %[1]sv", q.groupNames(), in, q.bucket, q.value, q.from())
	lists := fmt.Sprintf("[%s] AS firsts, [%s] AS lasts", list(first, number[int]), list(last, number[int]))
	// Of the slots s[i] the spans from lo to hi, the end not included.
	const spans = "arrayFilter(x -> x.1 < x.2, arrayMap(i -> (greatest(firsts[s[i] + 1], if(i = 1, 0, lasts[s[i - 1] + 1])), lasts[s[i] + 1]), arrayEnumerate(s)))"
	points := fmt.Sprintf("arrayConcat(arrayMap(x -> (toInt64(x.1), toInt64(1)), spans), arrayMap(x -> (toInt64(x.2), toInt64(-1)), spans), if(s[-1] >= %d, [(toInt64(-1), toInt64(1))], []))", q.slots.From)
	statement := fmt.Sprintf("SELECT %[1]sp.1 AS at, toInt64(sum(p.2)) FROM (WITH %[2]s SELECT %[1]s%[3]s AS spans, arrayJoin(%[4]s) AS p FROM (%[5]s)) GROUP BY %[1]sat",
		q.groupNames(), lists, spans, points, slots)
	var at, change proto.ColInt64
	r := q.readGroups(&at, &change)
	out := tally{}
	err := q.query(ctx, statement, r.into, func() error {
		for row, i := range at {
			g, _ := r.of(row)
			c, err := q.at(out, g)
			switch {
			case err != nil:
				return err
			case i < 0:
				c.total = query.Real(change[row])
			case int(i) < len(c.values):
				c.values[i] += query.Real(change[row])
			}
		}
		return nil
	})
	for _, c := range out {
		for i := 1; i < len(c.values); i++ {
			c.values[i] += c.values[i-1]
		}
	}
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
	users, err := q.count(ctx)
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
