package oracle

import (
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// funnel answers a funnel.
func (w *world) funnel(plan *query.Funnel, x *query.Explain) *query.Answer {
	f := &funnel{Funnel: plan, world: w}
	counted := f.counted()
	if f.Breakdown == nil {
		if x != nil {
			return f.explain(counted, x)
		}
		return &query.Answer{Groups: []query.GroupAnswer{f.group(text{none: true}, counted)}}
	}
	weights := map[text]int64{}
	for _, a := range counted {
		weights[a.value]++
	}
	names, order := namesOf(weights, f.Breakdown.Limit)
	of := map[text][]attempt{}
	for _, a := range counted {
		of[names[a.value]] = append(of[names[a.value]], a)
	}
	if x != nil {
		var in []attempt
		for _, name := range order {
			if isGroup(x, name) {
				in = append(in, of[name]...)
			}
		}
		return f.explain(in, x)
	}
	answer := &query.Answer{Groups: []query.GroupAnswer{}, Truncated: len(weights) > f.Breakdown.Limit}
	for _, name := range order {
		answer.Groups = append(answer.Groups, f.group(name, of[name]))
	}
	return answer
}

// explain names the persons whose ways count at a step, or drop after it: those
// that have not the next step that is not optional, or, behind the last of those,
// the next.
func (f *funnel) explain(counted []attempt, x *query.Explain) *query.Answer {
	next := x.Step + 1
	for i := next; i < len(f.Steps); i++ {
		if !f.optional(i) {
			next = i
			break
		}
	}
	persons := map[uint32]bool{}
	for _, a := range counted {
		if a.way[x.Step] == nil {
			continue
		}
		if x.Dropped && (next == len(f.Steps) || a.way[next] != nil) {
			continue // nobody drops after the last step
		}
		persons[a.stream.who.person] = true
	}
	return explained(persons)
}

// group tells of the attempts that count in one group.
func (f *funnel) group(name text, counted []attempt) query.GroupAnswer {
	g := query.GroupAnswer{Breakdown: name.pointer()}
	counts := f.counts(counted)
	previous := 0 // the last step before that is not optional
	for i, step := range f.Steps {
		s := query.StepAnswer{
			Event:        step.Name,
			Count:        counts[i],
			FromStart:    query.Ratio(counts[i], counts[0]),
			FromPrevious: query.Ratio(counts[i], counts[previous]),
		}
		s.AvgSeconds, s.MedianSeconds = averageAndMedian(lags(counted, i))
		if !f.optional(i) {
			previous = i
		}
		g.Steps = append(g.Steps, s)
	}
	if f.By == nil {
		return g
	}
	g.OverTime = []query.FunnelBucket{}
	for i, label := range f.By.Labels {
		var in []attempt
		for _, a := range counted {
			if bucketOf(*f.By, a.start) == i {
				in = append(in, a)
			}
		}
		counts := f.counts(in)
		g.OverTime = append(g.OverTime, query.FunnelBucket{Bucket: label, Counts: counts, Rate: query.Ratio(counts[len(counts)-1], counts[0])})
	}
	return g
}

// counts are how many attempts have each step.
func (f *funnel) counts(counted []attempt) []int64 {
	counts := make([]int64, len(f.Steps))
	for _, a := range counted {
		for i, e := range a.way {
			if e != nil {
				counts[i]++
			}
		}
	}
	return counts
}

// lags are the times that attempts took from the step before to a step, ascending.
// The first step has none before it.
func lags(counted []attempt, step int) []weir.Micros {
	var all []weir.Micros
	for _, a := range counted {
		if step > 0 && a.way[step] != nil {
			all = append(all, a.way[step].at-a.way.lastUpTo(step-1).at)
		}
	}
	slices.Sort(all)
	return all
}

// averageAndMedian are of sorted microseconds, in seconds.
func averageAndMedian(sorted []weir.Micros) (average, median query.Real) {
	n := len(sorted)
	if n == 0 {
		return query.None, query.None
	}
	var sum weir.Micros
	for _, v := range sorted {
		sum += v
	}
	return seconds(sum, n), seconds(sorted[(n-1)/2]+sorted[n/2], 2)
}
