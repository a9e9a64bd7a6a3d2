package storetest

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

func drawPlan(r *rapid.T) *query.Plan {
	t := &query.Trends{Period: drawPeriod(r)}
	if rapid.IntRange(0, 7).Draw(r, "table") == 0 {
		t.Rows = rapid.IntRange(1, 6).Draw(r, "rows")
		t.Buckets.Edges, t.Buckets.Labels = []weir.Micros{t.Buckets.Edges[0], t.Buckets.Edges[len(t.Buckets.Labels)]}, []string{"all"}
	}
	t.Cumulative = t.Rows == 0 && rapid.IntRange(0, 4).Draw(r, "cumulative") == 0
	for i := range rapid.IntRange(1, 3).Draw(r, "series") {
		t.Series = append(t.Series, drawSeries(r, t, i))
	}
	for range rapid.SampledFrom([]int{0, 0, 1, 1, 1, 2, 3}).Draw(r, "breakdowns") {
		t.Breakdowns = append(t.Breakdowns, query.Breakdown{By: ref(r), Limit: rapid.IntRange(1, 5).Draw(r, "limit")})
	}
	plan := &query.Plan{Trends: t}
	if t.Rows == 0 {
		if rapid.IntRange(0, 3).Draw(r, "compared") == 0 {
			previous := drawPeriod(r)
			t.Previous = &previous
		}
		if rapid.IntRange(0, 3).Draw(r, "rolling") == 0 {
			t.Rolling = rapid.IntRange(2, 5).Draw(r, "rolling over")
		}
		for i := range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(r, "formulas") {
			t.Formulas = append(t.Formulas, query.Formula{Name: fmt.Sprint("formula ", i), Of: expression(r, len(t.Series), 3)})
		}
	}
	if rapid.IntRange(0, 4).Draw(r, "explained") == 0 {
		plan.Explain = drawExplain(r, t)
	}
	return plan
}

func drawSeries(r *rapid.T, t *query.Trends, i int) query.Series {
	s := query.Series{
		Name:    fmt.Sprint(i),
		Match:   query.Match{Events: rapid.SampledFrom([][]string{{"a"}, {"b"}, nil, nil, {"unknown"}, {"a", "c", "unknown"}}).Draw(r, "events")},
		Measure: rapid.SampledFrom(measures(t)).Draw(r, "measure"),
		Hidden:  t.Rows == 0 && rapid.IntRange(0, 9).Draw(r, "hidden") == 0,
	}
	if rapid.IntRange(0, 2).Draw(r, "filtered") == 0 {
		s.Where = predicate(r, 2)
	}
	switch {
	case s.Measure == query.Distinct:
		s.Property = ref(r)
	case s.Measure.OfProperty():
		s.Property = query.Ref{On: rapid.SampledFrom([]query.Scope{query.OnEvent, query.OnEvent, query.OnUser}).Draw(r, "on"), Name: amount}
	}
	return s
}

// measures are those that a question may have.
func measures(t *query.Trends) []query.Measure {
	all := []query.Measure{query.Total, query.Users, query.Sessions, query.PerUser, query.Sum, query.Avg, query.Min, query.Max, query.Distinct}
	if !t.Cumulative {
		all = append(all, query.Median, query.P75, query.P90, query.P95, query.P99)
	}
	if !t.Cumulative && t.Rows == 0 {
		all = append(all, query.WeeklyActive, query.WeeklyActive, query.MonthlyActive)
	}
	return all
}

// drawExplain asks for a number, also of groups that are not there.
func drawExplain(r *rapid.T, t *query.Trends) *query.Explain {
	x := &query.Explain{Series: rapid.IntRange(0, len(t.Series)-1).Draw(r, "explained series"), Bucket: -1}
	if t.Rows == 0 {
		x.Bucket = rapid.IntRange(-1, len(t.Buckets.Labels)-1).Draw(r, "explained bucket")
	}
	for range t.Breakdowns {
		text := rapid.SampledFrom([]string{query.OtherGroup, "", "a", "5", "true", "1000"}).Draw(r, "explained group")
		group := &text
		if rapid.IntRange(0, 2).Draw(r, "explained null") == 0 {
			group = nil
		}
		x.Group = append(x.Group, group)
	}
	return x
}

func expression(r *rapid.T, series, depth int) *query.Expression {
	kind := rapid.IntRange(0, 5).Draw(r, "expression")
	switch {
	case kind == 0 || depth == 0 && kind < 3:
		return &query.Expression{Op: 'n', Number: rapid.SampledFrom([]float64{0, 1, 100, 0.5}).Draw(r, "constant")}
	case kind == 1 || depth == 0:
		return &query.Expression{Op: 's', Series: rapid.IntRange(0, series-1).Draw(r, "operand")}
	}
	return &query.Expression{Op: rapid.SampledFrom([]byte("+-*/")).Draw(r, "operator"), Left: expression(r, series, depth-1), Right: expression(r, series, depth-1)}
}

// drawPeriod draws buckets, and what they look back to: so many hours from each
// bucket's end, or less where the calendar says so, or nothing.
func drawPeriod(r *rapid.T) query.Period {
	p := query.Period{Buckets: drawBuckets(r)}
	since := func(least int64) []weir.Micros {
		edges := p.Buckets.Edges
		back := weir.Micros(rapid.Int64Range(least, 80).Draw(r, "back")) * hour
		out := slices.Clone(edges[:len(edges)-1])
		for i := range out {
			if back > 0 {
				out[i] = min(out[i], edges[i+1]-back+weir.Micros(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(r, "change"))*hour/2)
			}
			if i > 0 {
				out[i] = max(out[i], out[i-1])
			}
		}
		return out
	}
	p.Week, p.Month = since(0), since(24)
	return p
}

// show is a plan for people to read: rapid's own output lacks what is behind
// pointers.
func show(p *query.Plan) string {
	t := p.Trends
	out := fmt.Sprintf("buckets %v, week %v, month %v, cumulative %v, rolling %d, rows %d", t.Buckets.Edges, t.Week, t.Month, t.Cumulative, t.Rolling, t.Rows)
	if t.Previous != nil {
		out += fmt.Sprintf("\n  and before %+v", *t.Previous)
	}
	for _, s := range t.Series {
		out += fmt.Sprintf("\n  %s of %+v of %q where %s, hidden %v", s.Measure, s.Property, s.Events, showPredicate(s.Where), s.Hidden)
	}
	for _, f := range t.Formulas {
		out += fmt.Sprintf("\n  %s: %s", f.Name, showExpression(f.Of))
	}
	for _, b := range t.Breakdowns {
		out += fmt.Sprintf("\n  by %+v", b)
	}
	if x := p.Explain; x != nil {
		out += fmt.Sprintf("\n  explain series %d, bucket %d", x.Series, x.Bucket)
		for _, g := range x.Group {
			if g == nil {
				out += ", null"
			} else {
				out += fmt.Sprintf(", %q", *g)
			}
		}
	}
	return out
}

func showExpression(e *query.Expression) string {
	switch e.Op {
	case 'n':
		return fmt.Sprint(e.Number)
	case 's':
		return fmt.Sprint("series ", e.Series)
	}
	return fmt.Sprintf("(%s %c %s)", showExpression(e.Left), e.Op, showExpression(e.Right))
}
