package query

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Group is the value of one breakdown: a text form, or, as the zero Group, no
// value, or all values that are not kept.
type Group struct {
	Text  string // of a Group that is Set
	Set   bool
	Other bool
}

// GroupOf is the group of a text.
func GroupOf(text string) Group { return Group{Text: text, Set: true} }

// Others is the group of all values that are not kept. Answers call it OtherGroup.
var Others = Group{Other: true}

// Compare orders groups by text, by bytes ascending, the one without a value after
// texts, the others last.
func (g Group) Compare(h Group) int {
	rank := func(g Group) int {
		switch {
		case g.Set:
			return 0
		case g.Other:
			return 2
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(g), rank(h)), cmp.Compare(g.Text, h.Text))
}

// answer is the group as an answer has it.
func (g Group) answer() *string {
	switch {
	case g.Set:
		return &g.Text
	case g.Other:
		other := OtherGroup
		return &other
	}
	return nil
}

// Groups is a group for each breakdown, and zero Groups behind them.
type Groups [MaxBreakdowns]Group

func (g Groups) compare(h Groups) int {
	for i := range g {
		if c := g[i].Compare(h[i]); c != 0 {
			return c
		}
	}
	return 0
}

func (g Groups) other() bool {
	return slices.ContainsFunc(g[:], func(g Group) bool { return g.Other })
}

// Line says which line of an answer is meant: of a series, in the groups, of the
// period or of the previous one.
type Line struct {
	Series   int
	Previous bool
	Groups   Groups
}

// MaxLines is how many lines of one series, or of one formula, are answered, those
// with the highest totals.
const MaxLines = 1_000

// Assembler makes an answer of what an engine counts, told in any order: it fills
// empty buckets, computes formulas and moving means, orders lines, and makes a
// table of them, if that is what the plan asks for. The engine decides which values
// are kept, and counts the rest as Others.
//
// A group exists where the engine says anything of it. Without breakdowns each
// series has its one line, also if nothing is said.
//
// What cannot be is a mistake of the engine; Answer reports the first. An Assembler
// is used once, by one goroutine.
type Assembler struct {
	trends *Trends
	lines  [2][]map[Groups]*line // of the period and of the previous one, per series
	others bool
	err    error
}

// line is a series or one group of it, in the making.
type line struct {
	groups Groups
	values []Real // nil: nothing was said of any bucket
	seen   []bool
	total  Real
	told   bool // the engine gave the total
}

// NewAssembler makes the assembler of a plan's answer.
func NewAssembler(plan *Plan) *Assembler {
	a := &Assembler{trends: plan.Trends}
	for period := range a.lines {
		a.lines[period] = make([]map[Groups]*line, len(a.trends.Series))
		for i := range a.lines[period] {
			a.lines[period][i] = map[Groups]*line{}
			if len(a.trends.Breakdowns) == 0 {
				a.lines[period][i][Groups{}] = &line{total: a.trends.Series[i].Measure.Empty()}
			}
		}
	}
	return a
}

// period is where a line's buckets are.
func (a *Assembler) period(previous bool) *Period {
	if previous {
		return a.trends.Previous
	}
	return &a.trends.Period
}

// Value says what a line has in one bucket. Buckets that are not said are empty.
func (a *Assembler) Value(of Line, bucket int, value Real) {
	l := a.line(of)
	if l == nil {
		return
	}
	n := len(a.period(of.Previous).Buckets.Labels)
	if bucket < 0 || bucket >= n {
		a.fail("bucket %d of %d", bucket, n)
		return
	}
	if l.values == nil {
		l.values, l.seen = a.empty(of.Series, n), make([]bool, n)
	}
	if l.seen[bucket] {
		a.fail("%+v has bucket %d twice", of, bucket)
		return
	}
	l.values[bucket], l.seen[bucket] = value, true
}

// empty are the values of a line in which nothing is counted.
func (a *Assembler) empty(series, buckets int) []Real {
	return slices.Repeat([]Real{a.trends.Series[series].Measure.Empty()}, buckets)
}

// Total says what a line has over the whole range. For the measure Total it may be
// left out: it is the sum of the values, unless they are cumulative. For all others
// it is needed wherever there is a value, because it is not.
func (a *Assembler) Total(of Line, total Real) {
	l := a.line(of)
	if l == nil {
		return
	}
	if l.told {
		a.fail("%+v has two totals", of)
		return
	}
	l.total, l.told = total, true
}

// line finds or makes a line, or is nil if it cannot be.
func (a *Assembler) line(of Line) *line {
	if of.Series < 0 || of.Series >= len(a.trends.Series) {
		a.fail("series %d of %d", of.Series, len(a.trends.Series))
		return nil
	}
	if of.Previous && a.trends.Previous == nil {
		a.fail("%+v is of a period that was not asked for", of)
		return nil
	}
	for i, g := range of.Groups {
		if g != (Group{}) && i >= len(a.trends.Breakdowns) || g.Text != "" && !g.Set || g.Set && g.Other {
			a.fail("%+v has a group that cannot be", of)
			return nil
		}
	}
	period := 0
	if of.Previous {
		period = 1
	}
	l := a.lines[period][of.Series][of.Groups]
	if l == nil {
		l = &line{groups: of.Groups, total: a.trends.Series[of.Series].Measure.Empty()}
		a.lines[period][of.Series][of.Groups] = l
	}
	a.others = a.others || of.Groups.other()
	return l
}

func (a *Assembler) fail(format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf("assemble answer: "+format, args...)
	}
}

// Answer is the answer without its AsOf and ElapsedMS.
func (a *Assembler) Answer() (*Answer, error) {
	for _, period := range a.lines {
		for i, lines := range period {
			for _, l := range lines {
				a.finish(i, l)
			}
		}
	}
	answer := &Answer{Truncated: a.others}
	if a.trends.Rows > 0 {
		a.table(answer)
	} else {
		answer.Buckets, answer.Series = a.trends.Buckets.Labels, []SeriesAnswer{}
		a.answerLines(answer, false)
		if a.trends.Previous != nil {
			a.answerLines(answer, true)
		}
	}
	if a.err != nil {
		return nil, a.err
	}
	return answer, nil
}

// finish gives a line the total that the engine left out.
func (a *Assembler) finish(series int, l *line) {
	if l.told || l.values == nil {
		return
	}
	if m := a.trends.Series[series].Measure; m != Total || a.trends.Cumulative {
		a.fail("series %d, groups %+v has values of %s and no total", series, l.groups, m)
		return
	}
	for _, v := range l.values {
		l.total += v
	}
}

// answerLines adds the lines of one period: those of the series, then those of the
// formulas.
func (a *Assembler) answerLines(answer *Answer, previous bool) {
	period := a.lines[0]
	if previous {
		period = a.lines[1]
	}
	for i, s := range a.trends.Series {
		if !s.Hidden {
			lines := make([]*line, 0, len(period[i]))
			for _, l := range period[i] {
				lines = append(lines, l)
			}
			a.addLines(answer, s.Name, i, previous, lines)
		}
	}
	for _, f := range a.trends.Formulas {
		a.addLines(answer, f.Name, -1, previous, a.computed(f, period, len(a.period(previous).Buckets.Labels)))
	}
}

// computed are the lines of a formula, one for each group of the series that it
// names.
func (a *Assembler) computed(f Formula, period []map[Groups]*line, buckets int) []*line {
	named, groups := map[int]bool{}, map[Groups]bool{}
	f.Of.series(named)
	for i := range named {
		for g := range period[i] {
			groups[g] = true
		}
	}
	if len(a.trends.Breakdowns) == 0 {
		groups[Groups{}] = true
	}
	lines := make([]*line, 0, len(groups))
	for g := range groups {
		l := &line{groups: g, values: make([]Real, buckets)}
		for b := range l.values {
			l.values[b] = f.Of.Value(func(series int) Real {
				if of := period[series][g]; of != nil && of.values != nil {
					return of.values[b]
				}
				return a.trends.Series[series].Measure.Empty()
			})
		}
		l.total = f.Of.Value(func(series int) Real {
			if of := period[series][g]; of != nil {
				return of.total
			}
			return a.trends.Series[series].Measure.Empty()
		})
		lines = append(lines, l)
	}
	return lines
}

// addLines adds lines in the order of an answer, no more than it may have. series is
// below 0 for those of a formula.
func (a *Assembler) addLines(answer *Answer, name string, series int, previous bool, lines []*line) {
	slices.SortFunc(lines, func(x, y *line) int {
		return cmp.Or(descending(x.total, y.total), x.groups.compare(y.groups))
	})
	if len(lines) > MaxLines {
		lines, answer.Truncated = lines[:MaxLines], true
	}
	slices.SortStableFunc(lines, func(x, y *line) int {
		switch {
		case x.groups.other() == y.groups.other():
			return 0
		case y.groups.other():
			return -1
		}
		return 1
	})
	buckets := a.period(previous).Buckets.Labels
	for _, l := range lines {
		out := SeriesAnswer{Name: name, Period: "current", Values: l.values, Total: positive(l.total)}
		if previous {
			out.Period, out.Buckets = "previous", buckets
		}
		if out.Values == nil {
			out.Values = a.empty(series, len(buckets))
		}
		if n := a.trends.Rolling; n > 0 {
			out.Values = rolling(out.Values, n)
		}
		for i, v := range out.Values {
			out.Values[i] = positive(v)
		}
		for i := range a.trends.Breakdowns {
			out.Breakdown = append(out.Breakdown, l.groups[i].answer())
		}
		answer.Series = append(answer.Series, out)
	}
}

// positive makes 0 of -0, which is no other number.
func positive(v Real) Real {
	if v == 0 {
		return 0
	}
	return v
}

// descending compares numbers, the highest first, None last.
func descending(x, y Real) int {
	if x == y || math.IsNaN(float64(x)) && math.IsNaN(float64(y)) {
		return 0
	}
	return cmp.Compare(y, x) // for which NaN is below all numbers
}

// rolling is for each value the mean of it and those before it, n in all, as far as
// there are any.
func rolling(values []Real, n int) []Real {
	out := make([]Real, len(values))
	for i := range values {
		sum, count := Real(0), 0
		for _, v := range values[max(0, i-n+1) : i+1] {
			if !math.IsNaN(float64(v)) {
				sum += v
				count++
			}
		}
		out[i] = sum / Real(count) // 0/0 is None
	}
	return out
}

// table makes rows of the lines: the groups, then the total of each series. Rows
// stand by the totals of the first series, of those that are equal by the next, and
// so on, the highest first; a group in which a series counts nothing is below all
// others. Groups of Others are left out.
func (a *Assembler) table(answer *Answer) {
	t := a.trends
	for _, b := range t.Breakdowns {
		answer.Columns = append(answer.Columns, b.By.Name)
	}
	all := map[Groups]bool{}
	for i, s := range t.Series {
		answer.Columns = append(answer.Columns, s.Name)
		for g := range a.lines[0][i] {
			if !g.other() {
				all[g] = true
			}
		}
	}
	groups := make([]Groups, 0, len(all))
	for g := range all {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(x, y Groups) int {
		for i := range t.Series {
			lx, ly := a.lines[0][i][x], a.lines[0][i][y]
			switch {
			case lx == nil && ly == nil:
				continue
			case lx == nil:
				return 1
			case ly == nil:
				return -1
			}
			if c := descending(lx.total, ly.total); c != 0 {
				return c
			}
		}
		return x.compare(y)
	})
	if len(groups) > t.Rows {
		groups, answer.Truncated = groups[:t.Rows], true
	}
	answer.Rows = make([]any, 0, len(groups))
	for _, g := range groups {
		answer.Rows = append(answer.Rows, a.row(g))
	}
}

// row is a row of the table.
func (a *Assembler) row(g Groups) []any {
	var row []any
	for i := range a.trends.Breakdowns {
		if text := g[i].answer(); text != nil {
			row = append(row, *text)
		} else {
			row = append(row, nil)
		}
	}
	for i, s := range a.trends.Series {
		total := s.Measure.Empty()
		if l := a.lines[0][i][g]; l != nil {
			total = l.total
		}
		if math.IsNaN(float64(total)) || math.IsInf(float64(total), 0) {
			row = append(row, nil) // which JSON cannot say otherwise
		} else {
			row = append(row, float64(positive(total)))
		}
	}
	return row
}
