package duckstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/weirhq/weir/query"
)

// explain lists the persons whom one number counts, or whose events it counts.
func (t *trends) explain(ctx context.Context, x *query.Explain) (*query.Answer, error) {
	answer := &query.Answer{Persons: []uint32{}}
	dims := make([]int, len(t.Breakdowns))
	for i := range dims {
		dims[i] = i
	}
	q := t.compile(x.Series, false, &arguments{}, dims...)
	if q == nil {
		return answer, nil
	}
	from, to := t.explained(q.Measure, x.Bucket)
	parts := []string{q.where, fmt.Sprintf("e.ts >= (%d) AND e.ts < (%d)", from, to)}
	for i, asked := range x.Group {
		condition, err := t.isIn(ctx, q, i, asked)
		if err != nil {
			return nil, fmt.Errorf("rank groups: %w", err)
		}
		parts = append(parts, condition)
	}
	q.where = strings.Join(parts, " AND ")
	q.unique = "i.person"
	err := q.rows(ctx, "SELECT DISTINCT i.person"+q.fromUnique()+" ORDER BY 1", *q.args, func(rows *sql.Rows) error {
		var person uint32
		err := rows.Scan(&person)
		answer.Persons = append(answer.Persons, person)
		return err
	})
	return answer, err
}

// explained is the time of the rows that a number is of: of a bucket, or below 0 of
// the whole range.
func (t *trends) explained(m query.Measure, bucket int) (from, to int64) {
	edges := t.Buckets.Edges
	if bucket < 0 {
		return int64(edges[0]), int64(edges[len(edges)-1])
	}
	first := bucket
	if t.Rolling > 0 {
		first = max(0, bucket-t.Rolling+1)
	}
	begin := edges[first]
	switch since := t.Since(m); {
	case t.Cumulative:
		begin = edges[0]
	case since != nil:
		begin = since[first]
	}
	return int64(begin), int64(edges[bucket+1])
}

// isIn is the condition of rows in a group as an answer names it.
func (t *trends) isIn(ctx context.Context, q *series, dim int, asked *string) (string, error) {
	expr := q.groups[dim].expr
	var group query.Group
	if asked != nil {
		group = query.GroupOf(*asked)
	}
	if asked != nil && *asked == query.OtherGroup {
		k, err := t.keepOf(ctx, dim)
		if err != nil {
			return "", err
		}
		if !k.all {
			conditions := []string{"true"}
			for _, g := range k.groups {
				if key := expr.literal(g, q.args); key != "" {
					conditions = append(conditions, fmt.Sprintf("(%s) IS DISTINCT FROM %s", expr.key, key))
				}
			}
			return strings.Join(conditions, " AND "), nil
		}
	}
	key := expr.literal(group, q.args)
	if key == "" {
		return "false", nil
	}
	return fmt.Sprintf("(%s) IS NOT DISTINCT FROM %s", expr.key, key), nil
}
