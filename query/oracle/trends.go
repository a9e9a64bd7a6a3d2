package oracle

import (
	"cmp"
	"math"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// trends measures series over time, or makes a table of them, or says whom a number
// counts.
func (w *world) trends(plan *query.Plan) *query.Answer {
	t := plan.Trends
	if t.Visits {
		t = countsBounces(t)
	}
	if plan.Explain != nil {
		return w.explainTrends(t, plan.Explain)
	}
	kept := w.keptValues(t)
	now := w.measured(t, &t.Period, kept)
	answer := &query.Answer{}
	for _, s := range now {
		for _, l := range s.lines {
			answer.Truncated = answer.Truncated || l.hasOther()
		}
	}
	if t.Rows > 0 {
		tableOf(t, now, answer)
		return answer
	}
	answer.Buckets, answer.Series = t.Buckets.Labels, []query.SeriesAnswer{}
	addPeriod(t, &t.Period, now, "current", answer)
	if t.Previous != nil {
		before := w.measured(t, t.Previous, kept)
		for _, s := range before {
			for _, l := range s.lines {
				answer.Truncated = answer.Truncated || l.hasOther()
			}
		}
		addPeriod(t, t.Previous, before, "previous", answer)
	}
	return answer
}

// counted are the rows that a series looks at in a span: those that it matches, and
// that have what it measures.
func (w *world) counted(t *query.Trends, s query.Series, in query.Span) []row {
	matching := w.matching
	if t.Visits {
		matching = w.matchingVisits
	}
	var rows []row
	for _, r := range matching(s.Match, in) {
		has := true
		switch {
		case s.Measure == query.Sessions:
			has = r.event.Session != 0
		case s.Measure == query.Distinct:
			has = r.value(s.Property).Type != weir.Null
		case s.Measure.OfProperty():
			_, has = numberOf(r.value(s.Property))
		}
		if has {
			rows = append(rows, r)
		}
	}
	return rows
}

// numberOf reads a value as a number, as a Range does.
func numberOf(v weir.Value) (float64, bool) {
	switch v.Type {
	case weir.Number:
		return v.Num, true
	case weir.String:
		return query.ReadNumber(v.Str)
	}
	return 0, false
}

// seenBy is the time in which a row counts for a series: the range, and what a
// bucket looks back to.
func seenBy(s query.Series, p *query.Period) query.Span {
	from, to := rangeOf(p)
	if since := p.Since(s.Measure); since != nil {
		from = min(from, since[0])
	}
	return query.Span{From: from, To: to}
}

func rangeOf(p *query.Period) (from, to weir.Micros) {
	return p.Buckets.Edges[0], p.Buckets.Edges[len(p.Buckets.Edges)-1]
}

// bucketSpan is the time whose rows are counted in the value of a bucket, or, below
// 0, in the total.
func bucketSpan(t *query.Trends, s query.Series, p *query.Period, bucket int) query.Span {
	from, to := rangeOf(p)
	if bucket < 0 {
		return query.Span{From: from, To: to}
	}
	out := query.Span{From: p.Buckets.Edges[bucket], To: p.Buckets.Edges[bucket+1]}
	if since := p.Since(s.Measure); since != nil {
		out.From = since[bucket]
	}
	if t.Cumulative {
		out.From = from
	}
	return out
}

// measureOf measures the rows of a span.
func measureOf(s query.Series, rows []row, in query.Span) query.Real {
	events, numbers := 0, []float64{}
	persons, sessions, texts := map[uint32]bool{}, map[uint32]bool{}, map[string]bool{}
	for _, r := range rows {
		if r.event.Time < in.From || r.event.Time >= in.To {
			continue
		}
		events++
		persons[r.event.Person], sessions[r.event.Session] = true, true
		if s.Measure.OfProperty() {
			v := r.value(s.Property)
			texts[v.String()] = true
			if f, ok := numberOf(v); ok {
				numbers = append(numbers, f)
			}
		}
	}
	switch s.Measure {
	case query.Total:
		return query.Real(events)
	case query.Users, query.WeeklyActive, query.MonthlyActive:
		return query.Real(len(persons))
	case query.Sessions:
		return query.Real(len(sessions))
	case query.Distinct:
		return query.Real(len(texts))
	case query.PerUser:
		return query.Ratio(int64(events), int64(len(persons)))
	}
	return measureNumbers(s.Measure, numbers)
}

func measureNumbers(m query.Measure, numbers []float64) query.Real {
	sum := 0.0
	for _, f := range numbers {
		sum += f
	}
	if m == query.Sum {
		return query.Real(sum)
	}
	if len(numbers) == 0 {
		return query.None
	}
	slices.Sort(numbers)
	switch m {
	case query.Avg:
		return query.Real(sum / float64(len(numbers)))
	case query.Min:
		return query.Real(numbers[0])
	case query.Max:
		return query.Real(numbers[len(numbers)-1])
	}
	q, _ := m.Quantile()
	position := float64(len(numbers)-1) * q
	below := int(math.Floor(position))
	above := int(math.Ceil(position))
	if below == above {
		return query.Real(numbers[below])
	}
	part := position - math.Floor(position)
	return query.Real(float64(numbers[below]*(1-part)) + float64(numbers[above]*part))
}

// valueOf is a value of a breakdown: a text, none, or all that is not kept.
type valueOf struct {
	text
	other bool
}

func (v valueOf) compare(u valueOf) int {
	if v.other || u.other {
		return cmp.Compare(last(v.other), last(u.other))
	}
	return v.text.compare(u.text)
}

// group is a value for each breakdown.
type group [query.MaxBreakdowns]valueOf

// trendLine is a line of a series before its moving means.
type trendLine struct {
	group  group
	values []query.Real
	total  query.Real
}

func (l trendLine) hasOther() bool {
	return slices.ContainsFunc(l.group[:], func(v valueOf) bool { return v.other })
}

// trendLines are the lines of a series or a formula.
type trendLines struct {
	name   string
	hidden bool
	empty  query.Real
	lines  []trendLine
}

func (s trendLines) find(g group) *trendLine {
	for i := range s.lines {
		if s.lines[i].group == g {
			return &s.lines[i]
		}
	}
	return nil
}

// keptValues are the values that stay groups of their own, for each breakdown:
// those with the highest totals.
func (w *world) keptValues(t *query.Trends) []map[text]bool {
	var all []map[text]bool
	for _, b := range t.Breakdowns {
		totals := map[text][]query.Real{} // by series; None of a series without a row
		for i, s := range t.Series {
			groups := map[text][]row{}
			for _, r := range w.counted(t, s, seenBy(s, &t.Period)) {
				groups[r.text(b.By)] = append(groups[r.text(b.By)], r)
			}
			for value, rows := range groups {
				if totals[value] == nil {
					totals[value] = slices.Repeat([]query.Real{query.None}, len(t.Series))
				}
				totals[value][i] = measureOf(s, rows, bucketSpan(t, s, &t.Period, -1))
			}
		}
		var values []text
		for value := range totals {
			values = append(values, value)
		}
		slices.SortFunc(values, func(x, y text) int {
			for i := range t.Series {
				if c := highestFirst(totals[x][i], totals[y][i]); c != 0 {
					return c
				}
			}
			return x.compare(y)
		})
		kept := map[text]bool{}
		for _, value := range values[:min(len(values), b.Limit)] {
			kept[value] = true
		}
		all = append(all, kept)
	}
	return all
}

// highestFirst compares numbers, none last.
func highestFirst(x, y query.Real) int {
	switch noX, noY := math.IsNaN(float64(x)), math.IsNaN(float64(y)); {
	case noX || noY:
		return cmp.Compare(last(noX), last(noY))
	case x > y:
		return -1
	case x < y:
		return 1
	}
	return 0
}

func groupOf(t *query.Trends, kept []map[text]bool, r row) group {
	var g group
	for i, b := range t.Breakdowns {
		g[i] = valueOf{text: r.text(b.By)}
		if !kept[i][g[i].text] {
			g[i] = valueOf{other: true}
		}
	}
	return g
}

// measured are the lines of all series, then those of the formulas.
func (w *world) measured(t *query.Trends, p *query.Period, kept []map[text]bool) []trendLines {
	var all []trendLines
	for _, s := range t.Series {
		groups := map[group][]row{}
		if len(t.Breakdowns) == 0 {
			groups[group{}] = nil
		}
		for _, r := range w.counted(t, s, seenBy(s, p)) {
			g := groupOf(t, kept, r)
			groups[g] = append(groups[g], r)
		}
		out := trendLines{name: s.Name, hidden: s.Hidden, empty: s.Measure.Empty()}
		for g, rows := range groups {
			l := trendLine{group: g, total: measureOf(s, rows, bucketSpan(t, s, p, -1))}
			for i := range p.Buckets.Labels {
				l.values = append(l.values, measureOf(s, rows, bucketSpan(t, s, p, i)))
			}
			out.lines = append(out.lines, l)
		}
		all = append(all, out)
	}
	series := all
	for _, f := range t.Formulas {
		all = append(all, computed(t, f, series, len(p.Buckets.Labels)))
	}
	return all
}

// computed are the lines of a formula.
func computed(t *query.Trends, f query.Formula, series []trendLines, buckets int) trendLines {
	groups := map[group]bool{}
	if len(t.Breakdowns) == 0 {
		groups[group{}] = true
	}
	for i, s := range series {
		if names(f.Of, i) {
			for _, l := range s.lines {
				groups[l.group] = true
			}
		}
	}
	out := trendLines{name: f.Name}
	for g := range groups {
		at := func(bucket int) query.Real {
			return compute(f.Of, func(i int) query.Real {
				switch l := series[i].find(g); {
				case l == nil:
					return series[i].empty
				case bucket < 0:
					return l.total
				default:
					return l.values[bucket]
				}
			})
		}
		l := trendLine{group: g, total: at(-1)}
		for i := range buckets {
			l.values = append(l.values, at(i))
		}
		out.lines = append(out.lines, l)
	}
	return out
}

func names(e *query.Expression, series int) bool {
	switch e.Op {
	case 'n':
		return false
	case 's':
		return e.Series == series
	}
	return names(e.Left, series) || names(e.Right, series)
}

func compute(e *query.Expression, series func(int) query.Real) query.Real {
	if e.Op == 'n' {
		return query.Real(e.Number)
	}
	if e.Op == 's' {
		return series(e.Series)
	}
	x, y := compute(e.Left, series), compute(e.Right, series)
	if math.IsNaN(float64(x)) || math.IsNaN(float64(y)) || e.Op == '/' && y == 0 {
		return query.None
	}
	v := map[byte]query.Real{'+': x + y, '-': x - y, '*': x * y, '/': x / y}[e.Op]
	if math.IsInf(float64(v), 0) {
		return query.None
	}
	return v
}

// addPeriod adds the lines of one period in the order of an answer.
func addPeriod(t *query.Trends, p *query.Period, all []trendLines, period string, answer *query.Answer) {
	for _, s := range all {
		if s.hidden {
			continue
		}
		lines := slices.Clone(s.lines)
		inOrder := func(x, y trendLine) int {
			if c := highestFirst(x.total, y.total); c != 0 {
				return c
			}
			for i := range x.group {
				if c := x.group[i].compare(y.group[i]); c != 0 {
					return c
				}
			}
			return 0
		}
		slices.SortFunc(lines, inOrder)
		if len(lines) > query.MaxLines {
			lines, answer.Truncated = lines[:query.MaxLines], true
		}
		slices.SortFunc(lines, func(x, y trendLine) int {
			return cmp.Or(cmp.Compare(last(x.hasOther()), last(y.hasOther())), inOrder(x, y))
		})
		for _, l := range lines {
			out := query.SeriesAnswer{Name: s.name, Period: period, Total: l.total + 0}
			if period == "previous" {
				out.Buckets = p.Buckets.Labels
			}
			for i := range t.Breakdowns {
				out.Breakdown = append(out.Breakdown, l.group[i].answer())
			}
			for i := range l.values {
				v := l.values[i]
				if t.Rolling > 0 {
					v = mean(l.values[max(0, i-t.Rolling+1) : i+1])
				}
				out.Values = append(out.Values, v+0) // not -0
			}
			answer.Series = append(answer.Series, out)
		}
	}
}

func (v valueOf) answer() *string {
	if v.other {
		other := query.OtherGroup
		return &other
	}
	return v.text.pointer()
}

func mean(values []query.Real) query.Real {
	sum, count := query.Real(0), int64(0)
	for _, v := range values {
		if !math.IsNaN(float64(v)) {
			sum += v
			count++
		}
	}
	if count == 0 {
		return query.None
	}
	return sum / query.Real(count)
}

// tableOf makes a table of the totals.
func tableOf(t *query.Trends, all []trendLines, answer *query.Answer) {
	for _, b := range t.Breakdowns {
		answer.Columns = append(answer.Columns, b.By.Name)
	}
	var groups []group
	for i, s := range all {
		answer.Columns = append(answer.Columns, t.Series[i].Name)
		for _, l := range s.lines {
			if !l.hasOther() && !slices.Contains(groups, l.group) {
				groups = append(groups, l.group)
			}
		}
	}
	slices.SortFunc(groups, func(x, y group) int {
		for _, s := range all {
			lx, ly := s.find(x), s.find(y)
			if lx == nil || ly == nil {
				if c := cmp.Compare(last(lx == nil), last(ly == nil)); c != 0 {
					return c
				}
				continue
			}
			if c := highestFirst(lx.total, ly.total); c != 0 {
				return c
			}
		}
		for i := range x {
			if c := x[i].compare(y[i]); c != 0 {
				return c
			}
		}
		return 0
	})
	if len(groups) > t.Rows {
		groups, answer.Truncated = groups[:t.Rows], true
	}
	answer.Rows = []any{}
	for _, g := range groups {
		var cells []any
		for i := range t.Breakdowns {
			if g[i].none {
				cells = append(cells, nil)
			} else {
				cells = append(cells, g[i].of)
			}
		}
		for _, s := range all {
			total := s.empty
			if l := s.find(g); l != nil {
				total = l.total
			}
			if math.IsNaN(float64(total)) || math.IsInf(float64(total), 0) {
				cells = append(cells, nil)
			} else {
				cells = append(cells, float64(total+0))
			}
		}
		answer.Rows = append(answer.Rows, cells)
	}
}

// explainTrends lists the people whom a number counts, or whose events.
func (w *world) explainTrends(t *query.Trends, x *query.Explain) *query.Answer {
	s, kept := t.Series[x.Series], w.keptValues(t)
	in := bucketSpan(t, s, &t.Period, x.Bucket)
	for i := max(0, x.Bucket-t.Rolling+1); i < x.Bucket; i++ { // a mean is of several buckets
		in.From = min(in.From, bucketSpan(t, s, &t.Period, i).From)
	}
	rest := make([]bool, len(t.Breakdowns)) // values are left that are not kept
	for _, of := range t.Series {
		for _, r := range w.counted(t, of, seenBy(of, &t.Period)) {
			for i := range t.Breakdowns {
				rest[i] = rest[i] || groupOf(t, kept, r)[i].other
			}
		}
	}
	people := map[uint32]bool{}
	for _, r := range w.counted(t, s, in) {
		is := true
		for i, b := range t.Breakdowns {
			value := r.text(b.By)
			switch asked := x.Group[i]; {
			case asked == nil:
				is = is && value.none
			case *asked == query.OtherGroup && rest[i]:
				is = is && !kept[i][value]
			default:
				is = is && !value.none && value.of == *asked
			}
		}
		if is {
			people[r.event.Person] = true
		}
	}
	persons := []uint32{}
	for person := range people {
		persons = append(persons, person)
	}
	slices.Sort(persons)
	return &query.Answer{Persons: persons}
}

// last is 1 of what stands behind the rest, to compare by.
func last(is bool) int {
	if is {
		return 1
	}
	return 0
}
