package query

import (
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
)

// MaxRolling is the longest stretch of buckets of a moving mean.
const MaxRolling = 366

func (p *parser) trends(n *node) *Trends {
	p.fields(n, []string{"kind", "from", "to", "timezone", "interval", "week_starts", "filters", "series", "breakdowns",
		"formulas", "compare", "cumulative", "rolling", "explain"}, nil)
	p.timezone(n)
	c := p.calendar(n, "interval", intervals())
	span := p.span(n)
	t := &Trends{
		Series:     p.series(n, p.where(n)),
		Breakdowns: p.breakdowns(n, DefaultLimit),
		Cumulative: p.flag(n, "cumulative"),
	}
	if n.get("rolling") != nil {
		t.Rolling = p.whole(n, "rolling", 0, 2, MaxRolling)
	}
	if t.Cumulative {
		p.canAddUp(n, t.Series)
	}
	t.Formulas = p.formulas(n, t.Series)
	t.Period = p.period(n, "interval", c, span, t.Series)
	t.Previous = p.previous(n, c, span, t.Series)
	if p.fault == nil && len(t.Formulas) == 0 && !slices.ContainsFunc(t.Series, func(s Series) bool { return !s.Hidden }) {
		p.fail(n.child("series"), "All series are hidden and there is no formula, so that there is nothing to answer.")
	}
	return t
}

// series reads the lines of a question, whose own filters are given.
func (p *parser) series(n *node, question Predicate) []Series {
	list := p.list(n, "series")
	if len(list) == 0 || len(list) > MaxSeries {
		p.fail(n.child("series"), "series must be a list of 1 to %d series.", MaxSeries)
		return nil
	}
	all := make([]Series, 0, len(list))
	seen := map[string]bool{}
	for i, one := range list {
		p.fields(one, []string{"name", "event", "filters", "measure", "property", "on", "hidden"}, nil)
		s := Series{Name: p.name(one, "name", letter(i)), Match: p.match(one, question), Hidden: p.flag(one, "hidden")}
		p.measure(one, &s)
		if seen[s.Name] {
			p.fail(one.child("name"), "Every series must have its own name; %q is there twice.", clip(s.Name))
		}
		seen[s.Name] = true
		all = append(all, s)
	}
	return all
}

// letter is the name of what has none: A, B, …
func letter(i int) string { return string(rune('A' + i)) }

// measure reads measure, and property and on, if the measure needs a property.
func (p *parser) measure(n *node, s *Series) {
	all := []Measure{Total, Users, Sessions, WeeklyActive, MonthlyActive, PerUser, Sum, Avg, Min, Max, Median, P75, P90, P95, P99, Distinct}
	words := make([]string, 0, len(all))
	for _, m := range all {
		words = append(words, string(m))
	}
	s.Measure = Measure(p.choice(n, "measure", string(Total), words, nil))
	if s.Measure.OfProperty() {
		s.Property = p.ref(n)
		return
	}
	for _, field := range []string{"property", "on"} {
		if n.get(field) != nil {
			p.fail(n.child(field), "The measure %s is of no property; leave %s out, or choose a measure such as sum.", s.Measure, field)
		}
	}
}

// canAddUp refuses measures that have no meaning from the beginning of the range on.
func (p *parser) canAddUp(n *node, series []Series) {
	for i, s := range series {
		_, percentile := s.Measure.Quantile()
		if percentile || s.Measure == WeeklyActive || s.Measure == MonthlyActive {
			p.fail(p.element(n, "series", i).child("measure"), "cumulative cannot be had of %s; choose another measure, or leave cumulative out.", s.Measure)
		}
	}
}

// element is an element of a list that was read before, or a node without content
// if it is not there.
func (p *parser) element(n *node, name string, i int) *node {
	if list := p.list(n, name); i < len(list) {
		return list[i]
	}
	return &node{path: n.child(name)}
}

func (p *parser) breakdowns(n *node, limit int) []Breakdown {
	list := p.list(n, "breakdowns")
	if len(list) > MaxBreakdowns {
		p.fail(n.child("breakdowns"), "breakdowns must be a list of at most %d breakdowns.", MaxBreakdowns)
		return nil
	}
	var all []Breakdown
	for _, one := range list {
		p.fields(one, []string{"property", "on", "limit"}, nil)
		all = append(all, Breakdown{By: p.ref(one), Limit: p.count(one, "limit", limit, MaxGroups)})
	}
	return all
}

func (p *parser) formulas(n *node, series []Series) []Formula {
	list := p.list(n, "formulas")
	if len(list) > MaxFormulas {
		p.fail(n.child("formulas"), "formulas must be a list of at most %d formulas.", MaxFormulas)
		return nil
	}
	index, seen := map[string]int{}, map[string]bool{}
	for i, s := range series {
		index[s.Name], seen[s.Name] = i, true
	}
	var all []Formula
	for _, one := range list {
		p.fields(one, []string{"name", "expression"}, nil)
		text, _ := p.text(one, "expression", "")
		f := Formula{Name: p.name(one, "name", or(text, "formula"))}
		if text == "" || len(text) > MaxExpression {
			p.fail(one.child("expression"), "expression is required, as a string of at most %d bytes such as \"A / B\".", MaxExpression)
			return nil
		}
		if seen[f.Name] {
			p.fail(one.child("name"), "Every series and formula must have its own name; %q is there twice.", clip(f.Name))
		}
		seen[f.Name] = true
		of, err := readExpression(text, index)
		if err != nil {
			p.fail(one.child("expression"), "The expression cannot be read: %v.", err)
			return nil
		}
		f.Of = of
		all = append(all, f)
	}
	return all
}

// period divides a range, and looks back from its buckets where the series need it.
// What is wrong is of the member field.
func (p *parser) period(n *node, field string, c Calendar, span Span, series []Series) Period {
	out := Period{Buckets: p.divided(n, field, c, span, c.Divide)}
	if p.fault != nil {
		return Period{}
	}
	if slices.ContainsFunc(series, func(s Series) bool { return s.Measure == WeeklyActive }) {
		out.Week = c.since(out.Buckets, 7)
	}
	if slices.ContainsFunc(series, func(s Series) bool { return s.Measure == MonthlyActive }) {
		out.Month = c.since(out.Buckets, 30)
	}
	return out
}

// since is for each bucket where so many calendar days begin that end with the
// bucket's day. Of hours and minutes it is so many times 24 hours before the
// bucket's end; a bucket of a week or longer begins where it begins.
func (c Calendar) since(b Buckets, days int) []weir.Micros {
	out := slices.Clone(b.Edges[:len(b.Labels)])
	for i, label := range b.Labels {
		switch c.Interval {
		case Minute, Hour:
			out[i] = b.Edges[i+1] - weir.Micros(days)*24*3600e6
		case Day:
			date, err := time.Parse(time.DateOnly, label)
			if err == nil { // labels of days are dates
				out[i] = dayStart(date.AddDate(0, 0, 1-days), c.Zone)
			}
		}
	}
	return out
}

// previous reads compare.
func (p *parser) previous(n *node, c Calendar, now Span, series []Series) *Period {
	if n.get("compare") == nil {
		return nil
	}
	how := p.choice(n, "compare", "", []string{"previous_period", "previous_year"}, nil)
	if p.fault != nil {
		return nil
	}
	before := Span{From: p.yearEarlier(now.From, p.isDay(n, "from"), false), To: p.yearEarlier(now.To, p.isDay(n, "to"), true)}
	if how == "previous_period" {
		before = Span{From: now.From - (now.To - now.From), To: now.From}
		if p.isDay(n, "from") && p.isDay(n, "to") {
			from, to := p.date(now.From), p.date(now.To)
			before.From = dayStart(from.Add(-to.Sub(from)), p.zone) // both are midnights in UTC
		}
	}
	if before.To <= before.From {
		p.fail(n.child("compare"), "The range to compare with is empty; choose a longer one.")
		return nil
	}
	out := p.period(n, "compare", c, before, series)
	return &out
}

// isDay reports whether a member that was read as a moment, or its default, is a
// date.
func (p *parser) isDay(n *node, name string) bool {
	v := n.get(name)
	if v == nil {
		return true
	}
	m, ok := p.readMoment(v.text)
	return ok && m.day
}

func (p *parser) date(at weir.Micros) time.Time { return dateOf(time.UnixMicro(int64(at)).In(p.zone)) }

// yearEarlier is the same time of the calendar a year earlier; 28 February for the
// 29th. A day is given by its beginning, or, if it is the last of a range, by its
// end.
func (p *parser) yearEarlier(at weir.Micros, day, last bool) weir.Micros {
	if day && last {
		return dayStart(sameDay(p.date(at).AddDate(0, 0, -1)).AddDate(0, 0, 1), p.zone)
	}
	if day {
		return dayStart(sameDay(p.date(at)), p.zone)
	}
	t := time.UnixMicro(int64(at)).In(p.zone)
	y, m, d := sameDay(dateOf(t)).Date()
	return weir.Micros(time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), p.zone).UnixMicro())
}

// sameDay is a date of the year before.
func sameDay(date time.Time) time.Time {
	y, m, d := date.Date()
	if m == time.February && d == 29 {
		d = 28
	}
	return time.Date(y-1, m, d, 0, 0, 0, 0, time.UTC)
}

// table reads a table, which is trends over one bucket.
func (p *parser) table(n *node) *Trends {
	p.fields(n, []string{"kind", "from", "to", "timezone", "event", "filters", "breakdowns", "measures", "limit", "explain"}, nil)
	p.timezone(n)
	span := p.span(n)
	match := Match{Events: p.events(n, AnyEvent), Where: p.where(n)}
	t := &Trends{Rows: p.count(n, "limit", 100, MaxGroups), Breakdowns: p.breakdowns(n, MaxGroups)}
	list := p.list(n, "measures")
	if len(list) > MaxSeries {
		p.fail(n.child("measures"), "measures must be a list of at most %d measures.", MaxSeries)
		return nil
	}
	for _, one := range list {
		p.fields(one, []string{"measure", "property", "on"}, nil)
		s := Series{Match: match}
		p.measure(one, &s)
		if s.Measure == WeeklyActive || s.Measure == MonthlyActive {
			p.fail(one.child("measure"), "A table has no days to look back from; choose users instead of %s.", s.Measure)
		}
		s.Name = string(s.Measure)
		if s.Measure.OfProperty() {
			s.Name += "(" + s.Property.Name + ")"
		}
		t.Series = append(t.Series, s)
	}
	if len(t.Series) == 0 {
		t.Series = []Series{{Name: string(Total), Match: match, Measure: Total}}
	}
	if p.fault == nil {
		t.Buckets = Buckets{Edges: []weir.Micros{span.From, span.To}, Labels: []string{p.date(span.From).Format(time.DateOnly)}}
	}
	return t
}

// explainTrends reads series, the index of a series or of a table's measure, bucket,
// a label or absent for the total, and breakdown, the groups as the answer has them.
func (p *parser) explainTrends(n *node, t *Trends) *Explain {
	fields := []string{"series", "bucket", "breakdown"}
	if t != nil && t.Rows > 0 {
		fields = []string{"series", "breakdown"}
	}
	e := p.explain(n, fields...)
	if e == nil {
		return nil
	}
	x := &Explain{Series: p.whole(e, "series", 0, 0, len(t.Series)-1), Bucket: -1}
	if e.get("bucket") != nil {
		x.Bucket = p.label(e, "bucket", t.Buckets.Labels)
	}
	list := p.list(e, "breakdown")
	if len(list) != len(t.Breakdowns) {
		p.fail(e.child("breakdown"), "breakdown must be a list with a value for each of the question's breakdowns, as the answer has them; there are %d.", len(t.Breakdowns))
		return nil
	}
	for _, v := range list {
		switch v.kind {
		case jsontext.KindString:
			x.Group = append(x.Group, &v.text)
		case jsontext.KindNull:
			x.Group = append(x.Group, nil)
		default:
			p.fail(v.path, "A value of breakdown must be a string, or null.")
		}
	}
	return x
}
