package journey

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// retention counts, for each group and cohort, how many people are in it and how many
// of them returned in each period.
type retention struct {
	plan    *query.Retention
	explain *query.Explain
	starts  uint32 // the mark of Start
	returns uint32 // and of Return: the same if they match the same

	cohorts query.Finder
	periods query.Finder // of the calendar; by bucket, the first of which is the first cohort's

	cells  retentionCells
	people []explained // with explain

	// Of the person at hand; used again.
	own   []ownStart
	back  []comeback // by the calendar
	times []weir.Micros
}

// ownStart is a person's start in a cohort.
type ownStart struct {
	cohort int
	at     weir.Micros
	group  int32
}

// comeback is a bucket in which a person returned, and when they did so last.
type comeback struct {
	bucket int
	last   weir.Micros
}

// explained is a person whom an explain asks for, if their group is the one.
type explained struct {
	person uint32
	group  int32
}

func newRetention(p *query.Retention, explain *query.Explain) fold {
	f := &retention{plan: p, explain: explain, starts: 1, returns: 2, cohorts: query.NewFinder(p.Cohorts.Edges)}
	if reflect.DeepEqual(p.Start, p.Return) {
		f.returns = f.starts
	}
	if !p.Rolling {
		f.periods = query.NewFinder(p.Edges)
	}
	f.cells = retentionCells{cohorts: len(p.Cohorts.Labels), width: p.Periods + 2, grouped: p.Breakdown != nil}
	return f
}

// request asks for starts up to the end of the last cohort, and for what comes back
// to the first cohort or later. If both are the same events one mark says it all: the
// fold looks at the time anyway.
func (f *retention) request() *Request {
	start := query.Span{From: f.plan.Cohorts.Edges[0], To: f.end()}
	if f.plan.FirstTime {
		start.From = query.TimeMin
	}
	back := query.Span{From: f.plan.Cohorts.Edges[0], To: max(f.lastReturn(), f.plan.Cohorts.Edges[0])}
	r := &Request{Marks: []Mark{{Match: f.plan.Start, Span: start}}}
	if f.returns == f.starts {
		r.Marks[0].To = max(start.To, back.To)
	} else {
		r.Marks = append(r.Marks, Mark{Match: f.plan.Return, Span: back})
	}
	if b := f.plan.Breakdown; b != nil && b.By.On != query.OnUser {
		r.Texts = []query.Ref{b.By}
	}
	return r
}

// summaries are enough if what comes back in a later bucket of the calendar is all that
// has to be found: a start is a return then, too, so that everybody is back in period 0.
func (f *retention) summaries() ([]need, []weir.Micros) {
	b := f.plan.Breakdown
	grouped := b != nil && b.By.On != query.OnUser
	if grouped || f.plan.Rolling || f.plan.OnOrAfter || !covers(f.plan.Return, f.plan.Start) {
		return nil, nil
	}
	start := needBuckets
	if f.plan.FirstTime {
		start = needFirst
	}
	if f.returns == f.starts {
		return []need{start | needBuckets}, f.plan.Edges
	}
	return []need{start, needBuckets}, f.plan.Edges
}

// covers reports whether one match surely chooses all that another does.
func covers(all, of query.Match) bool {
	if all.Where != nil && !reflect.DeepEqual(all.Where, of.Where) {
		return false
	}
	if len(all.Events) == 0 {
		return true
	}
	return len(of.Events) > 0 && !slices.ContainsFunc(of.Events, func(name string) bool { return !slices.Contains(all.Events, name) })
}

func (f *retention) meet(who Person, s []summary) {
	starts, returns := &s[0], &s[len(s)-1] // of one mark, if they match the same
	group := who.Trait + 1
	if f.plan.Breakdown == nil {
		group = 0
	}
	if f.plan.FirstTime {
		if cohort := f.cohorts.Of(starts.first); cohort >= 0 {
			f.meetIn(who, ownStart{cohort, starts.first, group}, returns)
		}
		return
	}
	starts.each(0, func(cohort int) {
		if cohort < f.cells.cohorts {
			f.meetIn(who, ownStart{cohort: cohort, group: group}, returns)
		}
	})
}

// meetIn counts a person in a cohort.
func (f *retention) meetIn(who Person, own ownStart, returns *summary) {
	row := f.enter(who, own)
	asked := f.asked(own.cohort, row)
	row[1]++
	returns.each(own.cohort+1, func(bucket int) {
		if n := bucket - own.cohort; n <= f.plan.Periods {
			row[1+n]++
		}
	})
	f.explainIf(asked.grew(row), who, own)
}

// end is that of the last cohort.
func (f *retention) end() weir.Micros { return f.plan.Cohorts.Edges[f.cells.cohorts] }

// lastReturn is the time from which on no return can count. What lies behind Now is in
// no cell that is answered, unless it counts for all that is before.
func (f *retention) lastReturn() weir.Micros {
	switch {
	case f.plan.OnOrAfter:
		return query.TimeMax
	case f.plan.Rolling:
		return min(f.plan.Now, f.end()+weir.Micros(f.plan.Periods+1)*f.plan.Width)
	}
	return min(f.plan.Now, f.plan.Edges[f.cells.cohorts+f.plan.Periods])
}

func (f *retention) trait() *query.Ref {
	if b := f.plan.Breakdown; b != nil && b.By.On == query.OnUser {
		return &b.By
	}
	return nil
}

func (f *retention) add(who Person, events []Event, _ *Texts) {
	first := f.findStarts(who, events)
	if len(f.own) == 0 {
		return
	}
	switch {
	case f.plan.OnOrAfter:
		f.countLast(who, events[first:])
	case f.plan.Rolling:
		f.countRolling(who, events[first:])
	default:
		f.countCalendar(who, events[first:])
	}
}

// findStarts finds the own starts, and the first event that is not earlier than the
// first of them.
func (f *retention) findStarts(who Person, events []Event) int {
	f.own = f.own[:0]
	first, before := 0, -1
	for i := range events {
		e := &events[i]
		if e.Marks&f.starts == 0 {
			continue
		}
		cohort := f.cohorts.Of(e.At)
		if cohort != before && cohort >= 0 {
			if len(f.own) == 0 {
				first = i
			}
			f.own = append(f.own, ownStart{cohort: cohort, at: e.At, group: f.group(who, e)})
		}
		if f.plan.FirstTime || e.At >= f.end() {
			break
		}
		before = cohort
	}
	for first > 0 && events[first-1].At == events[first].At {
		first--
	}
	return first
}

// group is the number of a group: that of the event's values, which are but the one
// text, or one more than that of the person's trait.
func (f *retention) group(who Person, e *Event) int32 {
	switch {
	case f.plan.Breakdown == nil:
		return 0
	case f.plan.Breakdown.By.On == query.OnUser:
		return who.Trait + 1
	}
	return e.Values
}

// groupName is the text of a group, or nil of those without a value.
func (f *retention) groupName(t *Texts, group int32) *string {
	if f.plan.Breakdown.By.On == query.OnUser {
		if group == 0 {
			return nil
		}
		return new(t.Trait(group - 1))
	}
	if n := t.Of(group, 0); n != NoText {
		return new(t.Text(n))
	}
	return nil
}

// countCalendar counts by the buckets that have a return. Only in a cohort's own bucket
// can one lie before the start.
func (f *retention) countCalendar(who Person, events []Event) {
	f.back = f.back[:0]
	for i := range events {
		e := &events[i]
		if e.Marks&f.returns == 0 {
			continue
		}
		bucket := f.periods.Of(e.At)
		if n := len(f.back); n > 0 && f.back[n-1].bucket == bucket {
			f.back[n-1].last = e.At
		} else if bucket >= 0 {
			f.back = append(f.back, comeback{bucket, e.At})
		}
	}
	next := 0
	for _, own := range f.own {
		for next < len(f.back) && f.back[next].bucket < own.cohort {
			next++
		}
		row := f.enter(who, own)
		asked := f.asked(own.cohort, row)
		for _, b := range f.back[next:] {
			n := b.bucket - own.cohort
			if n > f.plan.Periods {
				break
			}
			if b.last >= own.at {
				row[1+n]++
			}
		}
		f.explainIf(asked.grew(row), who, own)
	}
}

// countRolling counts by the time since the own start.
func (f *retention) countRolling(who Person, events []Event) {
	f.times = f.times[:0]
	for i := range events {
		if events[i].Marks&f.returns != 0 {
			f.times = append(f.times, events[i].At)
		}
	}
	next := 0
	for _, own := range f.own {
		for next < len(f.times) && f.times[next] < own.at {
			next++
		}
		row := f.enter(who, own)
		asked := f.asked(own.cohort, row)
		end := own.at // of the last period that is counted
		for _, at := range f.times[next:] {
			if at < end {
				continue
			}
			n := int((at - own.at) / f.plan.Width)
			if n > f.plan.Periods {
				break
			}
			row[1+n]++
			end = own.at + weir.Micros(n+1)*f.plan.Width
		}
		f.explainIf(asked.grew(row), who, own)
	}
}

// countLast counts a person in the last period in which they returned, which stands
// for all periods up to it.
func (f *retention) countLast(who Person, events []Event) {
	last := len(events) - 1
	for last >= 0 && events[last].Marks&f.returns == 0 {
		last--
	}
	for _, own := range f.own {
		row := f.enter(who, own)
		if last < 0 || events[last].At < own.at {
			continue
		}
		n := f.plan.Periods
		if at := events[last].At; f.plan.Rolling {
			n = int(min((at-own.at)/f.plan.Width, weir.Micros(n)))
		} else if bucket := f.periods.Of(at); bucket >= 0 {
			n = min(bucket-own.cohort, n)
		}
		row[1+n]++
		e := f.explain
		f.explainIf(e != nil && e.Cohort == own.cohort && e.Period >= 0 && e.Period <= n, who, own)
	}
}

// enter counts a person in a cohort, and gives its row.
func (f *retention) enter(who Person, own ownStart) []uint32 {
	row := f.cells.row(own.group, own.cohort)
	row[0]++
	e := f.explain
	f.explainIf(e != nil && e.Cohort == own.cohort && e.Period == -1, who, own)
	return row
}

// explainIf notes a person for the answer of explain.
func (f *retention) explainIf(holds bool, who Person, own ownStart) {
	if holds {
		f.people = append(f.people, explained{who.Number, own.group})
	}
}

// askedCell is the cell of a row that explain asks for, and what it was before a
// person came; 0 is none.
type askedCell struct {
	place  int
	before uint32
}

func (f *retention) asked(cohort int, row []uint32) askedCell {
	e := f.explain
	if e == nil || e.Cohort != cohort || e.Period < 0 || e.Period > f.plan.Periods {
		return askedCell{}
	}
	return askedCell{1 + e.Period, row[1+e.Period]}
}

func (a askedCell) grew(row []uint32) bool { return a.place > 0 && row[a.place] > a.before }

// retentionCells are the counts: for each group and cohort a row of its size and then
// a number for each period. Rows are made as they are needed, because a breakdown can
// have very many groups with few people each.
type retentionCells struct {
	cohorts int
	width   int
	grouped bool
	counts  []uint32
	index   map[[2]int32]int // with groups: where a group's row of a cohort begins
	sizes   []int64          // of the groups: the sum of their cohorts
}

// row is valid until the next one is asked for.
func (c *retentionCells) row(group int32, cohort int) []uint32 {
	if !c.grouped {
		if c.counts == nil {
			c.counts = make([]uint32, c.cohorts*c.width)
		}
		return c.counts[cohort*c.width:][:c.width]
	}
	if int(group) >= len(c.sizes) {
		c.sizes = slices.Grow(c.sizes, int(group)+1-len(c.sizes))[:group+1]
	}
	c.sizes[group]++
	key := [2]int32{group, int32(cohort)}
	at, ok := c.index[key]
	if !ok {
		if c.index == nil {
			c.index = map[[2]int32]int{}
		}
		at = len(c.counts)
		c.counts = slices.Grow(c.counts, c.width)[:at+c.width]
		c.index[key] = at
	}
	return c.counts[at:][:c.width]
}

// rankedGroup is a group in the order of the answer.
type rankedGroup struct {
	number int32
	name   *string
	size   int64
}

// ranked is the groups, the largest first.
func (f *retention) ranked(t *Texts) []rankedGroup {
	var groups []rankedGroup
	for number, size := range f.cells.sizes {
		if size > 0 {
			groups = append(groups, rankedGroup{int32(number), f.groupName(t, int32(number)), size})
		}
	}
	slices.SortFunc(groups, func(a, b rankedGroup) int {
		switch {
		case a.size != b.size:
			return cmp.Compare(b.size, a.size)
		case a.name == nil:
			return 1
		case b.name == nil:
			return -1
		}
		return cmp.Compare(*a.name, *b.name)
	})
	return groups
}

func (f *retention) answer(t *Texts) *query.Answer {
	var named []rankedGroup // those that the answer names
	var rest []rankedGroup
	if f.plan.Breakdown != nil {
		named = f.ranked(t)
		if limit := f.plan.Breakdown.Limit; len(named) > limit {
			named, rest = named[:limit], named[limit:]
		}
	}
	if f.explain != nil {
		return &query.Answer{Persons: f.persons(named)}
	}
	if f.plan.Breakdown == nil {
		a := &query.Answer{}
		a.Cohorts, a.Average = f.table(f.cells.counts)
		return a
	}
	return f.groupsAnswer(named, rest)
}

// groupsAnswer has the table of all people and one for each group.
func (f *retention) groupsAnswer(named, rest []rankedGroup) *query.Answer {
	rows := f.cells.byGroup()
	size := f.cells.cohorts * f.cells.width
	all, one := make([]uint32, size), make([]uint32, size)
	a := &query.Answer{Groups: []query.GroupAnswer{}}
	group := func(name *string, of []rankedGroup) {
		clear(one)
		for _, g := range of {
			for _, r := range rows[g.number] {
				for i, n := range f.cells.counts[r.at:][:f.cells.width] {
					one[r.cohort*f.cells.width+i] += n
				}
			}
		}
		for i, n := range one {
			all[i] += n
		}
		cohorts, average := f.table(one)
		a.Groups = append(a.Groups, query.GroupAnswer{Breakdown: name, Cohorts: cohorts, Average: average})
	}
	for i := range named {
		group(named[i].name, named[i:i+1])
	}
	if len(rest) > 0 {
		group(new(query.OtherGroup), rest)
		a.Truncated = true
	}
	a.Cohorts, a.Average = f.table(all)
	return a
}

// cellRow is where the row of a cohort begins.
type cellRow struct{ cohort, at int }

// byGroup is the rows that each group has.
func (c *retentionCells) byGroup() [][]cellRow {
	rows := make([][]cellRow, len(c.sizes))
	for key, at := range c.index {
		rows[key[0]] = append(rows[key[0]], cellRow{int(key[1]), at})
	}
	return rows
}

// table makes cohorts and average of the counts of all cohorts, which may be nil if
// nobody is in any.
func (f *retention) table(counts []uint32) ([]query.Cohort, []query.Real) {
	if counts == nil {
		counts = make([]uint32, f.cells.cohorts*f.cells.width)
	}
	cohorts := make([]query.Cohort, f.cells.cohorts)
	back, of := make([]int64, f.plan.Periods+1), make([]int64, f.plan.Periods+1)
	for c := range cohorts {
		row := counts[c*f.cells.width:][:f.cells.width]
		cohorts[c] = query.Cohort{Start: f.plan.Cohorts.Labels[c], Size: int64(row[0]), Counts: make([]query.Real, f.plan.Periods+1)}
		later := int64(0) // with OnOrAfter, those who came back in a later period
		for n := f.plan.Periods; n >= 0; n-- {
			count := later + int64(row[1+n])
			if f.plan.OnOrAfter {
				later = count
			}
			if !f.over(c, n) {
				cohorts[c].Counts[n] = query.None
				continue
			}
			cohorts[c].Counts[n] = query.Real(count)
			back[n] += count
			of[n] += cohorts[c].Size
		}
	}
	average := make([]query.Real, f.plan.Periods+1)
	for n := range average {
		average[n] = query.Ratio(back[n], of[n])
	}
	return cohorts, average
}

// over reports whether a period is over for all of a cohort.
func (f *retention) over(cohort, period int) bool {
	if f.plan.Rolling {
		return f.plan.Cohorts.Edges[cohort+1]+weir.Micros(period+1)*f.plan.Width <= f.plan.Now
	}
	return f.plan.Edges[cohort+period+1] <= f.plan.Now
}

// persons are those of the cell and the group that explain names; nobody if the
// answer has no number there.
func (f *retention) persons(named []rankedGroup) []uint32 {
	e := f.explain
	persons := []uint32{}
	if e.Period >= 0 && (e.Cohort < 0 || e.Cohort >= f.cells.cohorts || e.Period > f.plan.Periods || !f.over(e.Cohort, e.Period)) {
		return persons
	}
	in := f.asks(named)
	for _, p := range f.people {
		if in(p.group) {
			persons = append(persons, p.person)
		}
	}
	slices.Sort(persons)
	return persons
}

// asks tells of a group whether explain asks for it.
func (f *retention) asks(named []rankedGroup) func(group int32) bool {
	if f.plan.Breakdown == nil || len(f.explain.Group) == 0 {
		return func(int32) bool { return true }
	}
	name := f.explain.Group[0]
	of := map[int32]bool{} // the named groups: whether it is the one
	found := false
	for _, g := range named {
		is := (name == nil) == (g.name == nil) && (name == nil || *name == *g.name)
		of[g.number] = is
		found = found || is
	}
	if found || name == nil || *name != query.OtherGroup {
		return func(group int32) bool { return of[group] }
	}
	return func(group int32) bool {
		_, is := of[group]
		return !is
	}
}
