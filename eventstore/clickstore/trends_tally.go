package clickstore

import (
	"context"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir/query"
)

// sums measures what is made of parts.
func (q *series) sums(ctx context.Context) (query.Tally, error) {
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
	all := map[query.Groups]query.Parts{}
	err := q.query(ctx, statement, r.into, func() error {
		for row, b := range bucket {
			g, _ := r.of(row)
			if all[g] == nil {
				if (len(all)+1)*q.slots.Count() > query.MostCells/2 {
					return query.TooManyCells()
				}
				all[g] = make(query.Parts, q.slots.Count())
			}
			all[g][b].Add(q.Measure, query.Part{X: xs[row], N: ns[row]})
		}
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

// percentiles measures quantiles: each row counts in its bucket and in the total.
func (q *series) percentiles(ctx context.Context) (query.Tally, error) {
	quantile, _ := q.Measure.Quantile()
	aggregate := fmt.Sprintf("arrayMap(a -> %s, [arraySort(groupArray(v))])[1]", quantileOf("a", quantile))
	return q.rollup(ctx, aggregate)
}

// uniques counts what is different, in buckets that have no row in common.
func (q *series) uniques(ctx context.Context) (query.Tally, error) {
	return q.rollup(ctx, "uniqExact(v)")
}

// rollup measures by an aggregate of the column v in each bucket, and over all: the
// engine joins what it has of the buckets for the total.
func (q *series) rollup(ctx context.Context, aggregate string) (query.Tally, error) {
	in := q.groupColumns()
	statement := fmt.Sprintf("SELECT %[1]sb, toFloat64(%[2]s) FROM (SELECT %[3]s%[4]s + 1 AS b, %[5]s AS v%[6]s) GROUP BY %[1]sb WITH ROLLUP",
		q.groupNames(), aggregate, in, q.bucket, q.value, q.from())
	return q.readCells(ctx, statement, func(b int64) (bucket int, isTotal bool) { return int(b - 1), b == rolledUp })
}

// readCells reads rows of groups, a number that stands for a bucket or the total, and what
// is counted there.
func (q *series) readCells(ctx context.Context, statement string, place func(int64) (int, bool)) (query.Tally, error) {
	var bucket proto.ColUInt64
	var xs proto.ColFloat64
	r := q.readGroups(&bucket, &xs)
	out := query.Tally{}
	err := q.query(ctx, statement, r.into, func() error {
		for row, b := range bucket {
			g, ok := r.of(row)
			if !ok {
				continue
			}
			c, err := out.At(g, q.Measure, len(q.slots.First))
			if err != nil {
				return err
			}
			if i, isTotal := place(int64(b)); isTotal {
				c.Total = query.Real(xs[row])
			} else {
				c.Values[i] = query.Real(xs[row])
			}
		}
		return nil
	})
	return out, err
}

// uniquesOfSpans counts what is different in buckets that have slots in common. What is
// seen in a slot counts in a span of buckets; of each, the spans are made to have no
// bucket twice, so that it is enough to know how many begin and end at each.
func (q *series) uniquesOfSpans(ctx context.Context) (query.Tally, error) {
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
	out := query.Tally{}
	err := q.query(ctx, statement, r.into, func() error {
		for row, i := range at {
			g, _ := r.of(row)
			c, err := out.At(g, q.Measure, len(q.slots.First))
			switch {
			case err != nil:
				return err
			case i < 0:
				c.Total = query.Real(change[row])
			case int(i) < len(c.Values):
				c.Values[i] += query.Real(change[row])
			}
		}
		return nil
	})
	for _, c := range out {
		for i := 1; i < len(c.Values); i++ {
			c.Values[i] += c.Values[i-1]
		}
	}
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
	users, err := q.count(ctx)
	if err != nil {
		return nil, err
	}
	q.Measure = query.PerUser
	return out, out.PerUser(users)
}
