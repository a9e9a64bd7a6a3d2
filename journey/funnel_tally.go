package journey

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// funnelTally counts the ways that were found, and makes the answer.
type funnelTally struct {
	plan    *query.Funnel
	explain *query.Explain
	by      query.Finder // with By
	groups  map[int32]*funnelGroup
	last    *funnelGroup // the group that was counted in last
	number  int32        // and its number
}

// funnelGroup is what is counted of a value of the breakdown, or of all.
type funnelGroup struct {
	name    *string
	counts  []int64
	times   [][]weir.Micros // by step: the time since the step before it of each way
	starts  []funnelStart   // with By: of each way
	persons []uint32        // with explain: who is asked for, in any order
}

// funnelStart says in which bucket a way starts and which steps it has.
type funnelStart struct {
	bucket int32
	taken  uint32
}

func newFunnelTally(p *query.Funnel, explain *query.Explain) funnelTally {
	t := funnelTally{plan: p, explain: explain}
	if p.By != nil {
		t.by = query.NewFinder(p.By.Edges)
	}
	return t
}

// group makes a group if it is not there.
func (t *funnelTally) group(number int32) *funnelGroup {
	if t.last != nil && t.number == number {
		return t.last
	}
	g := t.groups[number]
	if g == nil {
		if t.groups == nil {
			t.groups = map[int32]*funnelGroup{}
		}
		g = t.newGroup()
		t.groups[number] = g
	}
	t.last, t.number = g, number
	return g
}

func (t *funnelTally) newGroup() *funnelGroup {
	n := len(t.plan.Steps)
	return &funnelGroup{counts: make([]int64, n), times: make([][]weir.Micros, n)}
}

// count counts a way of a person in a group.
func (t *funnelTally) count(person uint32, group int32, w *funnelWay) {
	g := t.group(group)
	if t.explain != nil {
		g.counts[0]++
		if t.asks(w) && (len(g.persons) == 0 || g.persons[len(g.persons)-1] != person) {
			g.persons = append(g.persons, person)
		}
		return
	}
	before := w.at[0]
	for m := w.taken; m != 0; m &= m - 1 {
		step := bits.TrailingZeros32(m)
		g.counts[step]++
		if step > 0 {
			g.times[step] = append(g.times[step], w.at[step]-before)
		}
		before = w.at[step]
	}
	if t.plan.By != nil {
		g.starts = append(g.starts, funnelStart{int32(t.by.Of(w.start())), w.taken})
	}
}

// asks reports whether a way is of those whom explain asks for. Who dropped out has not
// taken the next step that is not optional; if there is none, the next. Nobody drops out
// at the last step.
func (t *funnelTally) asks(w *funnelWay) bool {
	step, last := t.explain.Step, len(t.plan.Steps)-1
	switch {
	case step < 0 || step > last || w.taken>>step&1 == 0:
		return false
	case t.explain.Dropped && step < last:
		next := step + 1
		for next < last && t.plan.Steps[next].Optional {
			next++
		}
		if t.plan.Steps[next].Optional {
			next = step + 1
		}
		return w.taken>>next&1 == 0
	case t.explain.Dropped:
		return false
	}
	return true
}

func (t *funnelTally) answer(texts *Texts) *query.Answer {
	if t.plan.Breakdown == nil {
		all := t.group(0)
		if t.explain != nil {
			return &query.Answer{Persons: ascending(all.persons)}
		}
		return &query.Answer{Groups: []query.GroupAnswer{t.groupAnswer(all)}}
	}
	groups, rest := t.ranked(texts)
	if t.explain != nil {
		return &query.Answer{Persons: t.persons(groups, rest)}
	}
	a := &query.Answer{Groups: []query.GroupAnswer{}}
	for _, g := range groups {
		a.Groups = append(a.Groups, t.groupAnswer(g))
	}
	if rest != nil {
		a.Groups, a.Truncated = append(a.Groups, t.groupAnswer(rest)), true
	}
	return a
}

// ranked is the groups with a name of their own, the largest first, and the rest as
// one, or nil.
func (t *funnelTally) ranked(texts *Texts) (groups []*funnelGroup, rest *funnelGroup) {
	for number, g := range t.groups {
		switch {
		case number == NoText:
		case t.plan.Breakdown.By.On == query.OnUser:
			g.name = new(texts.Trait(number))
		default:
			g.name = new(texts.Text(number))
		}
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b *funnelGroup) int {
		switch {
		case a.counts[0] != b.counts[0]:
			return cmp.Compare(b.counts[0], a.counts[0])
		case a.name == nil:
			return 1
		case b.name == nil:
			return -1
		}
		return cmp.Compare(*a.name, *b.name)
	})
	limit := t.plan.Breakdown.Limit
	if len(groups) <= limit {
		return groups, nil
	}
	rest = t.newGroup()
	rest.name = new(query.OtherGroup)
	for _, g := range groups[limit:] {
		for step := range rest.counts {
			rest.counts[step] += g.counts[step]
			rest.times[step] = append(rest.times[step], g.times[step]...)
		}
		rest.starts = append(rest.starts, g.starts...)
		rest.persons = append(rest.persons, g.persons...)
	}
	return groups[:limit], rest
}

// persons are those of the group that explain names; a value that has the name of the
// rest is meant before it.
func (t *funnelTally) persons(groups []*funnelGroup, rest *funnelGroup) []uint32 {
	if rest != nil {
		groups = append(groups, rest)
	}
	if len(t.explain.Group) == 0 {
		var all []uint32
		for _, g := range groups {
			all = append(all, g.persons...)
		}
		return ascending(all)
	}
	name := t.explain.Group[0]
	for _, g := range groups {
		if (name == nil) == (g.name == nil) && (name == nil || *name == *g.name) {
			return ascending(g.persons)
		}
	}
	return []uint32{}
}

// ascending puts persons in order, each once.
func ascending(persons []uint32) []uint32 {
	slices.Sort(persons)
	return slices.Compact(append([]uint32{}, persons...))
}

func (t *funnelTally) groupAnswer(g *funnelGroup) query.GroupAnswer {
	a := query.GroupAnswer{Breakdown: g.name, Steps: make([]query.StepAnswer, len(t.plan.Steps))}
	before := 0 // the step before that must be
	for i, s := range t.plan.Steps {
		a.Steps[i] = query.StepAnswer{
			Event:         s.Name,
			Count:         g.counts[i],
			FromStart:     query.Ratio(g.counts[i], g.counts[0]),
			FromPrevious:  query.Ratio(g.counts[i], g.counts[before]),
			AvgSeconds:    averageSeconds(g.times[i]),
			MedianSeconds: medianSeconds(g.times[i]),
		}
		if !s.Optional || t.plan.Order == query.Unordered {
			before = i
		}
	}
	if t.plan.By != nil {
		a.OverTime = t.overTime(g)
	}
	return a
}

func (t *funnelTally) overTime(g *funnelGroup) []query.FunnelBucket {
	buckets := make([]query.FunnelBucket, len(t.plan.By.Labels))
	for i := range buckets {
		buckets[i] = query.FunnelBucket{Bucket: t.plan.By.Labels[i], Counts: make([]int64, len(t.plan.Steps))}
	}
	for _, s := range g.starts {
		for m := s.taken; m != 0; m &= m - 1 {
			buckets[s.bucket].Counts[bits.TrailingZeros32(m)]++
		}
	}
	for i := range buckets {
		counts := buckets[i].Counts
		buckets[i].Rate = query.Ratio(counts[len(counts)-1], counts[0])
	}
	return buckets
}

// averageSeconds is the mean of times, or none of none.
func averageSeconds(times []weir.Micros) query.Real {
	if len(times) == 0 {
		return query.None
	}
	// Whole seconds and the rest each by itself: the sum of all microseconds of many
	// people may be more than 64 bits hold.
	var seconds, micros int64
	for _, t := range times {
		seconds += int64(t) / 1e6
		micros += int64(t) % 1e6
	}
	sum := float64(seconds)*1e6 + float64(micros)
	if seconds > -9e12 && seconds < 9e12 {
		sum = float64(seconds*1e6 + micros)
	}
	return query.Real(sum / (float64(len(times)) * 1e6))
}

// medianSeconds is the median of times, or none of none. It changes their order.
func medianSeconds(times []weir.Micros) query.Real {
	n := len(times)
	if n == 0 {
		return query.None
	}
	selectTime(times, n/2)
	middle := float64(times[n/2])
	if n%2 == 0 {
		middle = float64(times[n/2]+slices.Max(times[:n/2])) / 2
	}
	return query.Real(middle / 1e6)
}

// selectTime puts the k-th least of times in its place, those that are less or equal
// before it and those that are greater or equal behind it.
func selectTime(times []weir.Micros, k int) {
	for rounds := 0; len(times) > 24 && rounds < 64; rounds++ {
		a, b, c := times[0], times[len(times)/2], times[len(times)-1]
		pivot := max(min(a, b), min(max(a, b), c))
		less, equal := 0, 0
		for i, t := range times {
			switch {
			case t < pivot:
				times[i] = times[less+equal]
				times[less+equal] = times[less]
				times[less] = t
				less++
			case t == pivot:
				times[i], times[less+equal] = times[less+equal], t
				equal++
			}
		}
		switch {
		case k < less:
			times = times[:less]
		case k < less+equal:
			return
		default:
			times, k = times[less+equal:], k-less-equal
		}
	}
	slices.Sort(times)
}
