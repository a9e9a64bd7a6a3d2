package duckstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// keptValues are those of a breakdown that are groups of their own.
type keptValues struct {
	groups []query.Group
	all    bool // the range has no others
}

// groupColumn is how a statement groups by a breakdown.
type groupColumn struct {
	expr groupExpr
	kept *keptValues // nil: rows are grouped by the key, of which the text is made at the end
	join string
}

// groupBy adds a breakdown to the statement. Where others are left over, rows are
// grouped by the number of the kept group, null for the others.
func (q *series) groupBy(c *compiler, dim int, previous bool) {
	by := q.Breakdowns[dim].By
	q.people = q.people || by.On == query.OnUser
	g := groupColumn{expr: c.group(by)}
	if dim < len(q.kept) && (previous || !q.kept[dim].all) {
		g.kept = &q.kept[dim]
		var values []string
		for i, group := range g.kept.groups {
			if key := g.expr.literal(group, q.args); key != "" {
				values = append(values, fmt.Sprintf("(%s, %d)", key, i))
			}
		}
		table := "(SELECT " + g.expr.literal(query.Group{}, q.args) + " g, 0 i WHERE false)"
		if len(values) > 0 {
			table = "(SELECT * FROM (VALUES " + strings.Join(values, ", ") + ") t(g, i))"
		}
		name := fmt.Sprint("k", len(q.groups))
		g.join = fmt.Sprintf(" LEFT JOIN %s %s ON (%s) IS NOT DISTINCT FROM %[2]s.g", table, name, g.expr.key)
	}
	q.groups = append(q.groups, g)
}

// literal is the key of a group; "" if no key has its text.
func (e groupExpr) literal(g query.Group, args *arguments) string {
	sqlType := "VARCHAR"
	switch e.typ {
	case weir.Number:
		sqlType = "DOUBLE"
	case weir.Bool:
		sqlType = "BOOLEAN"
	}
	if !g.Set {
		return "CAST(NULL AS " + sqlType + ")"
	}
	switch e.typ {
	case weir.Number:
		if f, err := strconv.ParseFloat(g.Text, 64); err == nil && weir.FormatNumber(f) == g.Text {
			return literal(f)
		}
		return ""
	case weir.Bool:
		if g.Text == "true" || g.Text == "false" {
			return g.Text
		}
		return ""
	}
	return "CAST(" + args.bind(g.Text) + " AS VARCHAR)"
}

// in are the columns of groups in the innermost SELECT, each with a comma behind it,
// names what they are called, and out what is read of them.
func (q *series) in() string {
	text := ""
	for i, g := range q.groups {
		key := g.expr.key
		if g.kept != nil {
			key = fmt.Sprintf("k%d.i", i)
		}
		text += fmt.Sprintf("%s g%d, ", key, i)
	}
	return text
}

func (q *series) names() string {
	text := ""
	for i := range q.groups {
		text += fmt.Sprintf("g%d, ", i)
	}
	return text
}

func (q *series) out() string {
	text := ""
	for i, g := range q.groups {
		name := fmt.Sprint("g", i)
		if g.kept == nil {
			name = g.expr.text(name)
		}
		text += name + ", "
	}
	return text
}

// groupClause groups by the groups and more columns.
func (q *series) groupClause(more ...string) string {
	all := q.names() + strings.Join(more, ", ")
	if all = strings.TrimSuffix(all, ", "); all == "" {
		return ""
	}
	return " GROUP BY " + all
}

// read runs a statement whose columns are those of out and then others, and calls fn
// for each row, with the others in their places.
func (q *series) read(ctx context.Context, text string, others []any, fn func(query.Groups) error) error {
	texts, numbers := make([]sql.NullString, len(q.groups)), make([]sql.NullInt64, len(q.groups))
	var into []any
	for i, g := range q.groups {
		if g.kept == nil {
			into = append(into, &texts[i])
		} else {
			into = append(into, &numbers[i])
		}
	}
	into = append(into, others...)
	return q.rows(ctx, text, *q.args, func(rows *sql.Rows) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		var groups query.Groups
		for i, g := range q.groups {
			switch {
			case g.kept == nil:
				groups[i] = groupOf(texts[i])
			case numbers[i].Valid:
				groups[i] = g.kept.groups[numbers[i].Int64]
			default:
				groups[i] = query.Others
			}
		}
		return fn(groups)
	})
}

func groupOf(text sql.NullString) query.Group {
	if !text.Valid {
		return query.Group{}
	}
	return query.GroupOf(text.String)
}

// keep finds the kept values of each breakdown. If that was the work of counting the
// first series, it returns what it has counted.
func (t *trends) keep(ctx context.Context) (lead query.Tally, err error) {
	if len(t.Breakdowns) == 1 && addable(t.Series[0].Measure) {
		counted, decided, ok, err := t.keepByTraits(ctx)
		if !ok && err == nil {
			counted, decided, err = t.keepByCells(ctx)
		}
		if err != nil || decided {
			return counted, err
		}
		lead = counted
	}
	var all []keptValues
	for dim := range t.Breakdowns {
		k, err := t.keepOf(ctx, dim)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	t.kept = all
	return lead, nil
}

// order is that of groups: by total, then text, null last.
const order = "ORDER BY total DESC NULLS LAST, grp ASC NULLS LAST"

// keepByCells counts the first series by groups and buckets, and the buckets of the
// highest groups, in one statement. decided says that what is kept follows from this
// series alone; else lead is what it counts, or nil if it cannot be known yet.
func (t *trends) keepByCells(ctx context.Context) (lead query.Tally, decided bool, err error) {
	q := t.compile(0, false, &arguments{}, 0)
	limit := t.Breakdowns[0].Limit
	if q == nil {
		return nil, false, nil
	}
	x, total := "sum(cells.x)", "sum(x)"
	switch q.Measure {
	case query.Avg:
		total = "sum(x) / sum(n)"
	case query.Min, query.Max:
		x, total = string(q.Measure)+"(cells.x)", string(q.Measure)+"(x)"
	}
	text := fmt.Sprintf("WITH cells AS MATERIALIZED (SELECT %s%s b, %s%s GROUP BY g0, b),"+
		" top AS (SELECT g0, %s total, %s grp, true found FROM cells GROUP BY g0 %s LIMIT %d)"+
		" SELECT top.grp, coalesce(top.found, false) f, cells.b, %s, sum(cells.n)::BIGINT FROM cells LEFT JOIN top ON cells.g0 IS NOT DISTINCT FROM top.g0 GROUP BY ALL",
		q.in(), q.bucket, q.aggregates(), q.from(), total, q.groups[0].expr.text("g0"), order, limit+1, x)
	all := map[query.Groups]query.Parts{}
	var group sql.NullString
	var found bool
	var bucket int
	var p query.Part
	err = q.rows(ctx, text, *q.args, func(rows *sql.Rows) error {
		if err := rows.Scan(&group, &found, &bucket, &p.X, &p.N); err != nil {
			return err
		}
		g := query.Groups{query.Others}
		if found {
			g[0] = groupOf(group)
		}
		if all[g] == nil {
			all[g] = make(query.Parts, q.slots.Count())
		}
		all[g][bucket].Add(q.Measure, p)
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return t.leading(q, all)
}

// leading says what of the first series' cells can be used: the highest groups, one
// more than the limit if there are so many, and the rest.
func (t *trends) leading(q *series, all map[query.Groups]query.Parts) (lead query.Tally, decided bool, err error) {
	limit := t.Breakdowns[0].Limit
	groups := make([]query.Groups, 0, limit+1)
	totals := map[query.Groups]query.Real{}
	for g, by := range all {
		if g[0] != query.Others {
			groups = append(groups, g)
			totals[g] = by.Total(q.Measure).Value(q.Measure)
		}
	}
	slices.SortFunc(groups, func(x, y query.Groups) int {
		return cmp.Or(cmp.Compare(totals[y], totals[x]), x[0].Compare(y[0]))
	})
	alone := len(t.Series) == 1
	if len(groups) <= limit {
		// All are kept, whatever the other series have.
		if alone {
			t.kept = []keptValues{{groups: firstGroups(groups), all: true}}
		}
		lead, err = q.tallyOf(all)
		return lead, alone, err
	}
	last := groups[limit]
	if !alone && totals[groups[limit-1]] == totals[last] {
		return nil, false, nil
	}
	t.kept = []keptValues{{groups: firstGroups(groups[:limit])}}
	others := query.Groups{query.Others}
	if all[others] == nil {
		all[others] = make(query.Parts, q.slots.Count())
	}
	for b, p := range all[last] {
		all[others][b].Add(q.Measure, p)
	}
	delete(all, last)
	lead, err = q.tallyOf(all)
	return lead, true, err
}

func firstGroups(groups []query.Groups) []query.Group {
	out := make([]query.Group, 0, len(groups))
	for _, g := range groups {
		out = append(out, g[0])
	}
	return out
}

// keepOf finds the kept values of one breakdown.
func (t *trends) keepOf(ctx context.Context, dim int) (keptValues, error) {
	limit := t.Breakdowns[dim].Limit
	args := &arguments{}
	var texts []string
	var live []int
	for i := range t.Series {
		if q := t.compile(i, false, args, dim); q != nil {
			live = append(live, i)
			texts = append(texts, fmt.Sprintf("SELECT %s grp FROM (SELECT DISTINCT %s g0%s)", q.groups[0].expr.text("g0"), q.groups[0].expr.key, q.from()))
		}
	}
	if len(live) == 0 {
		return keptValues{all: true}, nil
	}
	statement := fmt.Sprintf("SELECT grp, count(*) OVER () FROM (SELECT DISTINCT grp FROM (%s)) LIMIT %d", strings.Join(texts, " UNION ALL "), limit+1)
	groups, values, err := t.readGroups(ctx, statement, *args)
	if err != nil || len(groups) <= limit {
		return keptValues{groups: groups, all: true}, err
	}
	groups, err = t.highest(ctx, dim, live, values)
	return keptValues{groups: groups}, err
}

// readGroups reads groups, each with a number.
func (t *trends) readGroups(ctx context.Context, statement string, args arguments) (groups []query.Group, number int, err error) {
	err = t.rows(ctx, statement, args, func(rows *sql.Rows) error {
		var text sql.NullString
		err := rows.Scan(&text, &number)
		groups = append(groups, groupOf(text))
		return err
	})
	return groups, number, err
}

// highest ranks the values of a breakdown, of which there are so many, by the totals
// of the live series. Mostly the first of them is enough.
func (t *trends) highest(ctx context.Context, dim int, live []int, values int) ([]query.Group, error) {
	limit := t.Breakdowns[dim].Limit
	args := &arguments{}
	statement := fmt.Sprintf("SELECT grp, total FROM (%s) %s LIMIT %d", t.totals(live[0], dim, values, args), order, limit+1)
	var groups []query.Group
	var totals []float64
	err := t.rows(ctx, statement, *args, func(rows *sql.Rows) error {
		var text sql.NullString
		var total float64
		err := rows.Scan(&text, &total)
		groups, totals = append(groups, groupOf(text)), append(totals, total)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(live) == 1 || len(groups) > limit && totals[limit-1] > totals[limit] {
		return groups[:min(limit, len(groups))], nil
	}
	args = &arguments{}
	var all, columns, by []string
	for n, i := range live {
		all = append(all, fmt.Sprintf("SELECT %d s, * FROM (%s)", n, t.totals(i, dim, values, args)))
		columns = append(columns, fmt.Sprintf("max(total) FILTER (WHERE s = %d) t%[1]d", n))
		by = append(by, fmt.Sprintf("t%d DESC NULLS LAST", n))
	}
	statement = fmt.Sprintf("SELECT grp, 0 FROM (SELECT grp, %s FROM (%s) GROUP BY grp) ORDER BY %s, grp ASC NULLS LAST LIMIT %d",
		strings.Join(columns, ", "), strings.Join(all, " UNION ALL "), strings.Join(by, ", "), limit)
	groups, _, err = t.readGroups(ctx, statement, *args)
	return groups, err
}

// totals selects the values of a breakdown, as grp, and a series' total in each.
func (t *trends) totals(index, dim, values int, args *arguments) string {
	q := t.compile(index, false, args, dim)
	q.groups[0].kept, q.groups[0].join = nil, ""
	from := q.from()
	bits := q.bitsFit(values, 1)
	if q.unique != "" && !bits {
		from = q.fromUnique()
	}
	return fmt.Sprintf("SELECT %s grp, total FROM (SELECT %s g0, %s total%s GROUP BY g0)",
		q.groups[0].expr.text("g0"), q.groups[0].expr.key, q.overall(bits), from)
}

// overall is an aggregate: the measure over the range.
func (q *series) overall(bits bool) string {
	quantile, percentile := q.Measure.Quantile()
	unique := fmt.Sprintf("count(DISTINCT %s) FILTER (WHERE %s)::DOUBLE", q.unique, q.inRange)
	if bits {
		unique = fmt.Sprintf("coalesce(%s, 0)::DOUBLE", q.size(fmt.Sprintf("%s FILTER (WHERE %s)", q.set(q.column), q.inRange)))
	}
	switch {
	case percentile:
		return fmt.Sprintf("quantile_cont(%s, %v)", q.value, quantile)
	case q.Measure == query.Total:
		return "count(*)::DOUBLE"
	case q.Measure == query.PerUser:
		return "count(*)::DOUBLE / " + unique
	case q.unique != "":
		return unique
	}
	return fmt.Sprintf("%s(%s)", q.Measure, q.value) // sum, avg, min and max
}
