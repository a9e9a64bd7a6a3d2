package query

import (
	"cmp"
	"fmt"
	"slices"
)

// Group is one group of a breakdown: the text form of the property, or, as the
// zero Group, those without a value. Without a breakdown every row is of the
// zero Group.
type Group struct {
	Text string
	Set  bool // false: absent or null; Text is then empty
}

// GroupOf is the group of a text.
func GroupOf(text string) Group { return Group{Text: text, Set: true} }

// compare orders groups by text, by bytes ascending, the one without a value last.
func (g Group) compare(h Group) int {
	if g.Set != h.Set {
		if g.Set {
			return -1
		}
		return 1
	}
	return cmp.Compare(g.Text, h.Text)
}

// Assembler makes an answer of the rows that an engine returns, in any order:
// it fills empty buckets with 0, leaves out groups of total 0, orders the groups,
// keeps the highest and says whether there were more. So an engine only counts.
//
// An engine that orders groups itself, to return fewer of them, orders by total
// descending, text ascending by bytes, null last, and returns at least Limit+1
// totals per series, so that the answer can say that there were more; values it
// may leave out for groups that are not among the first Limit.
//
// Rows that cannot be are mistakes of the engine; Answer reports the first. An
// Assembler is used once, by one goroutine.
type Assembler struct {
	trends *Trends
	lines  []map[Group]*line // per series
	err    error
}

// line is a series or one group of it, in the making.
type line struct {
	group  Group
	values []float64 // nil until the first: most groups of many have only a total
	seen   []bool
	total  float64
	told   bool // the engine gave the total
}

// NewAssembler makes the assembler of a plan's answer.
func NewAssembler(plan *Plan) *Assembler {
	a := &Assembler{trends: plan.Trends, lines: make([]map[Group]*line, len(plan.Trends.Series))}
	for i := range a.lines {
		a.lines[i] = map[Group]*line{}
		if a.trends.Breakdown == nil {
			a.line(i, Group{})
		}
	}
	return a
}

// Value says what a series counts in one bucket of one group. Buckets that are
// not said are 0.
func (a *Assembler) Value(series int, group Group, bucket int, value float64) {
	l := a.line(series, group)
	if l == nil {
		return
	}
	n := len(a.trends.Buckets.Labels)
	if bucket < 0 || bucket >= n {
		a.fail("bucket %d of %d", bucket, n)
		return
	}
	if l.values == nil {
		l.values, l.seen = make([]float64, n), make([]bool, n)
	}
	if l.seen[bucket] {
		a.fail("series %d, group %+v has bucket %d twice", series, group, bucket)
		return
	}
	l.values[bucket], l.seen[bucket] = value, true
}

// Total says what a series counts over the whole range in one group. For the
// measure Total it may be left out: it is the sum of the values. For unique
// counts it is needed wherever there is a value, because it is not.
func (a *Assembler) Total(series int, group Group, total float64) {
	l := a.line(series, group)
	if l == nil {
		return
	}
	if l.told {
		a.fail("series %d, group %+v has two totals", series, group)
		return
	}
	l.total, l.told = total, true
}

// Answer is the answer without its AsOf and ElapsedMS.
func (a *Assembler) Answer() (*Answer, error) {
	answer := &Answer{Buckets: a.trends.Buckets.Labels, Series: []SeriesAnswer{}}
	for i, s := range a.trends.Series {
		lines := a.ranked(i)
		if b := a.trends.Breakdown; b != nil && len(lines) > b.Limit {
			lines, answer.Truncated = lines[:b.Limit], true
		}
		for _, l := range lines {
			answer.Series = append(answer.Series, a.seriesAnswer(s, l))
		}
	}
	if a.err != nil {
		return nil, a.err
	}
	return answer, nil
}

// ranked is the lines of a series in the order of the answer.
func (a *Assembler) ranked(series int) []*line {
	s := a.trends.Series[series]
	lines := make([]*line, 0, len(a.lines[series]))
	for _, l := range a.lines[series] {
		sum := 0.0
		for _, v := range l.values {
			sum += v
		}
		switch {
		case !l.told && s.Measure == Total:
			l.total = sum
		case !l.told && sum != 0:
			a.fail("series %d, group %+v has values of %s and no total", series, l.group, s.Measure)
		}
		if l.total != 0 || a.trends.Breakdown == nil {
			lines = append(lines, l)
		}
	}
	slices.SortFunc(lines, func(x, y *line) int {
		return cmp.Or(cmp.Compare(y.total, x.total), x.group.compare(y.group))
	})
	return lines
}

func (a *Assembler) seriesAnswer(s Series, l *line) SeriesAnswer {
	out := SeriesAnswer{Name: s.Name, Period: "current", Values: l.values, Total: l.total}
	if l.values == nil {
		out.Values = make([]float64, len(a.trends.Buckets.Labels))
	}
	if a.trends.Breakdown != nil {
		out.Breakdown = []*string{nil}
		if l.group.Set {
			out.Breakdown[0] = &l.group.Text
		}
	}
	return out
}

// line finds or makes a line, or is nil if the row cannot be.
func (a *Assembler) line(series int, group Group) *line {
	if series < 0 || series >= len(a.lines) {
		a.fail("series %d of %d", series, len(a.lines))
		return nil
	}
	if group != (Group{}) && (a.trends.Breakdown == nil || !group.Set) {
		a.fail("series %d has group %+v, which cannot be", series, group)
		return nil
	}
	l := a.lines[series][group]
	if l == nil {
		l = &line{group: group}
		a.lines[series][group] = l
	}
	return l
}

func (a *Assembler) fail(format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf("assemble answer: "+format, args...)
	}
}
