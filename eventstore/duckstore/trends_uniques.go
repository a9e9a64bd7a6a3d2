package duckstore

import (
	"context"
	"database/sql"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/weirhq/weir/query"
)

// uniques counts what is different: with sets where they fit into the memory, else
// with pairs of a slot and what is in it.
func (q *series) uniques(ctx context.Context) (tally, error) {
	groups, err := q.most(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case q.bitsFit(groups, q.slots.Count()):
		return q.joinSets(ctx)
	case q.slots.Single:
		return q.readCells(ctx, q.countPairs())
	}
	return q.countSpans(ctx)
}

// most bounds the number of groups. Few of the possible ones may be there, so they
// are counted if they would not fit.
func (q *series) most(ctx context.Context) (int, error) {
	groups := 1
	for i, g := range q.groups {
		n := len(q.kept[i].groups)
		if g.kept != nil {
			n++ // the others
		}
		groups *= max(n, 1)
	}
	if len(q.groups) < 2 || q.column == "" || q.bitsFit(groups, q.slots.Count()) {
		return groups, nil
	}
	text := fmt.Sprintf("SELECT count(*) FROM (SELECT DISTINCT %s%s)", strings.TrimSuffix(q.in(), ", "), q.from())
	err := q.rows(ctx, text, *q.args, func(rows *sql.Rows) error { return rows.Scan(&groups) })
	return groups, err
}

// countPairs counts in each bucket, and over all, by what is different there.
func (q *series) countPairs() string {
	return fmt.Sprintf("WITH pairs AS MATERIALIZED (%s) SELECT %sb, n::DOUBLE FROM (SELECT %sb, count(*) n FROM pairs%s"+
		" UNION ALL SELECT %sNULL, count(DISTINCT id) FROM pairs%s)",
		q.pairs(), q.out(), q.names(), q.groupClause("b"), q.names(), q.groupClause())
}

func (q *series) pairs() string {
	return fmt.Sprintf("SELECT DISTINCT %s%s b, %s id%s", q.in(), q.bucket, q.unique, q.fromUnique())
}

// joinSets counts with sets. The engine makes one for each slot; those of a bucket are
// joined here.
func (q *series) joinSets(ctx context.Context) (tally, error) {
	sets, err := q.readSets(ctx)
	if err != nil {
		return nil, err
	}
	out := tally{}
	for g, by := range sets {
		c, err := q.at(out, g)
		if err != nil {
			return nil, err
		}
		err = q.slots.unions(by, func(bucket int, union []byte) error {
			n, err := q.sizeOf(union)
			c.values[bucket] = query.Real(n)
			return err
		})
		if err != nil {
			return nil, err
		}
		var all []byte
		for _, set := range by[q.slots.From:] {
			all = join(all, set)
		}
		n, err := q.sizeOf(all)
		if err != nil {
			return nil, err
		}
		c.total = query.Real(n)
		delete(sets, g)
	}
	return out, nil
}

// readSets reads the set of each slot in each group.
func (q *series) readSets(ctx context.Context) (map[query.Groups][][]byte, error) {
	text := fmt.Sprintf("SELECT %sb::UINTEGER, ids FROM (SELECT %s%s b, %s ids%s%s)", q.out(), q.in(), q.bucket, q.set(q.column), q.from(), q.groupClause("b"))
	sets, n := map[query.Groups][][]byte{}, len(q.groups)
	err := q.chunks(ctx, text, *q.args, func(c *chunk) error {
		slots, ids := column[uint32](c, n), column[engineText](c, n+1)
		for row := range c.rows {
			var g query.Groups
			for i := range q.groups {
				g[i] = q.groupAt(c, i, row)
			}
			if sets[g] == nil {
				sets[g] = make([][]byte, q.slots.Count())
			}
			sets[g][slots[row]] = slices.Clone(ids[row].bytes())
		}
		return nil
	})
	return sets, err
}

// groupAt is the group that the i-th column of out has in a row.
func (q *series) groupAt(c *chunk, i, row int) query.Group {
	kept, set := q.groups[i].kept, isSet(c.valid(i), row)
	switch {
	case kept == nil && !set:
		return query.Group{}
	case kept == nil:
		return query.GroupOf(string(column[engineText](c, i)[row].bytes()))
	case !set:
		return query.Others
	}
	return kept.groups[column[int32](c, i)[row]]
}

// sizeOf counts what is unique in a set that was read.
func (q *series) sizeOf(set []byte) (n int64, err error) {
	switch {
	case len(set) == 0:
		return 0, nil
	case q.unique != q.column:
		return q.persons.count(set)
	}
	for _, b := range set[1:] { // the first says how many bits of the second are none
		n += int64(bits.OnesCount8(b))
	}
	return n, nil
}

// countSpans counts in buckets that have slots in common, without sets. What is seen
// in a slot counts in a span of buckets; of each, the spans are made to have no
// bucket twice, so that it is enough to know how many begin and end at each.
func (q *series) countSpans(ctx context.Context) (tally, error) {
	first, last := q.slots.Buckets()
	values := make([]string, len(first))
	for slot := range first {
		values[slot] = fmt.Sprintf("(%d, %d, %d)", slot, first[slot], last[slot])
	}
	text := fmt.Sprintf("WITH pairs AS MATERIALIZED (%[1]s), w(b, lo, hi) AS (VALUES %[2]s),"+
		" spans AS MATERIALIZED (SELECT %[3]sgreatest(lo, coalesce(lag(hi) OVER (PARTITION BY %[3]sid ORDER BY pairs.b), 0)) lo, hi FROM pairs JOIN w ON w.b = pairs.b)"+
		" SELECT %[4]sb, n::DOUBLE FROM (SELECT %[3]slo b, count(*) n FROM spans WHERE lo < hi%[5]s"+
		" UNION ALL SELECT %[3]shi, -count(*) FROM spans WHERE lo < hi%[6]s"+
		" UNION ALL SELECT %[3]sNULL, count(DISTINCT id) FROM pairs WHERE b >= %[7]d%[8]s)",
		q.pairs(), strings.Join(values, ", "), q.names(), q.out(), q.groupClause("lo"), q.groupClause("hi"), q.slots.From, q.groupClause())
	out := tally{}
	var bucket sql.NullInt64
	var n query.Real
	err := q.read(ctx, text, []any{&bucket, (*float64)(&n)}, func(g query.Groups) error {
		c, err := q.at(out, g)
		switch {
		case err != nil:
			return err
		case !bucket.Valid:
			c.total = n
		case int(bucket.Int64) < len(c.values):
			c.values[bucket.Int64] += n
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
