package duckstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"

	"github.com/weirhq/weir/query"
)

// uniques counts what is different: with sets where they fit into the memory, else
// with pairs of a slot and what is in it.
func (q *series) uniques(ctx context.Context) (query.Tally, error) {
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

// joinSets counts with sets: there is one for each slot; those of a bucket are joined.
func (q *series) joinSets(ctx context.Context) (query.Tally, error) {
	read := q.readSets
	if len(q.groups) == 0 {
		read = q.streamSets
	}
	sets, err := read(ctx)
	if err != nil {
		return nil, err
	}
	out := query.Tally{}
	for g, by := range sets {
		c, err := out.At(g, q.Measure, len(q.slots.First))
		if err != nil {
			return nil, err
		}
		q.slots.unions(by, func(bucket int, union set) { c.Values[bucket] = query.Real(union.size()) })
		var all set
		for _, one := range by[q.slots.From:] {
			all = all.join(one)
		}
		c.Total = query.Real(all.size())
		delete(sets, g)
	}
	return out, nil
}

// streamSets makes the set of each slot of rows as the engine reads them, in each
// of its threads. Without groups that is twice as fast as readSets.
func (q *series) streamSets(ctx context.Context) (map[query.Groups][]set, error) {
	var mu sync.Mutex
	var made [][]set
	err := q.stream(ctx, []string{"e.ts", q.column}, strings.TrimSpace(q.from()), *q.args, func() func(*chunk) error {
		sets := make([]set, q.slots.Count())
		mu.Lock()
		made = append(made, sets)
		mu.Unlock()
		finder := query.NewFinder(q.slots.Edges)
		var places []int32
		var people []uint32
		return func(c *chunk) error {
			places = finder.All(column[int64](c, 0), places)
			numbers := column[uint32](c, 1)
			if q.unique != q.column {
				people = q.persons.ofAll(numbers, people)
				numbers = people
			}
			for i, place := range places {
				if sets[place] == nil {
					sets[place] = newSet(q.highest)
				}
				sets[place][numbers[i]/64] |= 1 << (numbers[i] % 64)
			}
			return nil
		}
	})
	if err != nil || len(made) == 0 {
		return nil, err
	}
	for _, sets := range made[1:] {
		for slot, s := range sets {
			made[0][slot] = made[0][slot].join(s)
		}
	}
	return map[query.Groups][]set{{}: made[0]}, nil
}

// readSets reads the set of each slot in each group, which the engine makes.
func (q *series) readSets(ctx context.Context) (map[query.Groups][]set, error) {
	text := fmt.Sprintf("SELECT %sb::UINTEGER, ids FROM (SELECT %s%s b, %s ids%s%s)", q.out(), q.in(), q.bucket, q.set(q.column), q.from(), q.groupClause("b"))
	sets, n := map[query.Groups][]set{}, len(q.groups)
	err := q.chunks(ctx, text, *q.args, func(c *chunk) error {
		slots, ids := column[uint32](c, n), column[engineText](c, n+1)
		for row := range c.rows {
			var g query.Groups
			for i := range q.groups {
				g[i] = q.groupAt(c, i, row)
			}
			if sets[g] == nil {
				sets[g] = make([]set, q.slots.Count())
			}
			of := newSet(q.highest)
			if err := q.joinInto(of, ids[row].bytes()); err != nil {
				return err
			}
			sets[g][slots[row]] = of
		}
		return nil
	})
	return sets, err
}

// joinInto adds what is unique in a bit string of the engine to a set.
func (q *series) joinInto(to set, bitstring []byte) error {
	if q.unique != q.column {
		return q.persons.join(to, bitstring)
	}
	return readSet(bitstring, func(word int, those uint64) { to[word] |= those })
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

// countSpans counts in buckets that have slots in common, without sets. What is seen
// in a slot counts in a span of buckets; of each, the spans are made to have no
// bucket twice, so that it is enough to know how many begin and end at each.
func (q *series) countSpans(ctx context.Context) (query.Tally, error) {
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
	out := query.Tally{}
	var bucket sql.NullInt64
	var n query.Real
	err := q.read(ctx, text, []any{&bucket, (*float64)(&n)}, func(g query.Groups) error {
		c, err := out.At(g, q.Measure, len(q.slots.First))
		switch {
		case err != nil:
			return err
		case !bucket.Valid:
			c.Total = n
		case int(bucket.Int64) < len(c.Values):
			c.Values[bucket.Int64] += n
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
