package journey

import (
	"cmp"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// definition finds ways by trying all lists of events, and then asks of each list what
// the comment of query.Funnel asks of a way. It is for streams of a few events.
type definition struct {
	f      *funnel
	events []Event // of the stream
	free   bool    // without regard to exclusions
}

// list is a list of events by step; -1: left out.
type list []int

// ways calls fn with every way that starts at a time.
func (d *definition) ways(start weir.Micros, fn func(list)) {
	if d.f.anySteps {
		d.sets(start, fn)
		return
	}
	var extend func(l list)
	extend = func(l list) {
		step := len(l)
		if step > 0 && l[step-1] >= 0 && d.isWay(l) {
			fn(slices.Clone(l))
		}
		if step == d.f.steps {
			return
		}
		for i, e := range d.events {
			if e.Marks>>step&1 == 1 && !slices.Contains(l, i) && (step > 0 || e.At == start) {
				extend(append(slices.Clone(l), i))
			}
		}
		if step > 0 && d.f.optional>>step&1 == 1 {
			extend(append(slices.Clone(l), -1))
		}
	}
	extend(list{})
}

// sets is ways for steps in any order: lists in order of time.
func (d *definition) sets(start weir.Micros, fn func(list)) {
	var extend func(l list, owners list)
	extend = func(l list, owners list) {
		if len(l) > 0 {
			sorted := slices.Sorted(slices.Values(l))
			if d.events[sorted[0]].At == start && d.inWindow(sorted) {
				fn(sorted)
			}
		}
		for step, owner := range owners {
			for i, e := range d.events {
				if owner < 0 && e.Marks>>step&1 == 1 && !slices.Contains(l, i) {
					next := slices.Clone(owners)
					next[step] = i
					extend(append(slices.Clone(l), i), next)
				}
			}
		}
	}
	extend(list{}, slices.Repeat(list{-1}, d.f.steps))
}

func (d *definition) inWindow(l list) bool {
	first := d.events[l[0]]
	for _, i := range l[1:] {
		if i < 0 {
			continue
		}
		e := d.events[i]
		if d.f.plan.WindowSession {
			if e.Session != first.Session || first.Session == 0 {
				return false
			}
		} else if e.At > first.At+d.f.plan.Window {
			return false
		}
	}
	return true
}

func (d *definition) isWay(l list) bool {
	if !d.inWindow(l) {
		return false
	}
	previous := -1
	for step, i := range l {
		if i < 0 {
			continue
		}
		for _, j := range l[:step] {
			if j >= 0 && d.events[i].At < d.events[j].At-d.f.grace {
				return false
			}
		}
		if previous >= 0 {
			a, b := d.events[previous].At, d.events[i].At
			if d.f.distinct && b <= a {
				return false
			}
			if d.f.strict && d.othersBetween(min(a, b), max(a, b), l) {
				return false
			}
		}
		previous = i
	}
	return d.free || !d.isExcluded(l)
}

func (d *definition) othersBetween(a, b weir.Micros, l list) bool {
	for i, e := range d.events {
		if e.Marks&d.f.other != 0 && a < e.At && e.At < b && !slices.Contains(l, i) {
			return true
		}
	}
	return false
}

func (d *definition) isExcluded(l list) bool {
	for x, exclusion := range d.f.exclude {
		after := d.events[lastUpTo(l, exclusion.After)].At
		for step, i := range l {
			if i < 0 || step <= exclusion.After || step > exclusion.Before {
				continue
			}
			if d.excludedBetween(x, after, d.events[i].At-1) {
				return true
			}
		}
	}
	return false
}

func (d *definition) excludedBetween(x int, after, until weir.Micros) bool {
	return slices.ContainsFunc(d.events, func(e Event) bool {
		return e.Marks>>(d.f.steps+x)&1 == 1 && after < e.At && e.At <= until
	})
}

// lastUpTo is the event of the last step up to one that is in the list.
func lastUpTo(l list, step int) int {
	step = min(step, len(l)-1)
	for l[step] < 0 {
		step--
	}
	return l[step]
}

// before orders the ways of one attempt.
func (d *definition) before(a, b list) int {
	if c := cmp.Compare(len(b), len(a)); c != 0 {
		return c
	}
	for step := range a {
		if d.f.optional>>step&1 == 0 {
			if c := cmp.Compare(d.events[a[step]].At, d.events[b[step]].At); c != 0 {
				return c
			}
		}
	}
	for step := range a {
		switch {
		case d.f.optional>>step&1 == 0 || a[step] < 0 && b[step] < 0:
		case a[step] < 0:
			return 1
		case b[step] < 0:
			return -1
		default:
			if c := cmp.Compare(d.events[a[step]].At, d.events[b[step]].At); c != 0 {
				return c
			}
		}
	}
	return slices.Compare(a, b)
}

// attempt is the way of a start, nil if there is none.
func (d *definition) attempt(start weir.Micros) list {
	var best list
	d.ways(start, func(l list) {
		if best == nil || d.before(l, best) < 0 {
			best = l
		}
	})
	return best
}

// starts are the times at which attempts start.
func (d *definition) starts() []weir.Micros {
	var starts []weir.Micros
	for i := range d.events {
		if d.f.starts(&d.events[i]) {
			starts = append(starts, d.events[i].At)
		}
	}
	return slices.Compact(starts)
}

// windowEnd is when the window of a way ends.
func (d *definition) windowEnd(l list) weir.Micros {
	first := d.events[l[0]]
	if !d.f.plan.WindowSession {
		return first.At + d.f.plan.Window
	}
	end := first.At
	for _, e := range d.events {
		if first.Session != 0 && e.Session == first.Session {
			end = max(end, e.At)
		}
	}
	return end
}

// holds reports whether an exclusion forbids a step that may be the next of a way.
func (d *definition) holds(l list, x query.Exclusion) bool {
	for step := len(l); step < d.f.steps; step++ {
		if step > x.After && step <= x.Before {
			return true
		}
		if d.f.optional>>step&1 == 0 {
			return false
		}
	}
	return false
}

func (d *definition) leaves() bool {
	free := definition{d.f, d.events, true}
	for _, start := range d.starts() {
		l := free.attempt(start)
		for x, exclusion := range d.f.exclude {
			after := d.events[lastUpTo(l, exclusion.After)].At
			switch {
			case len(l) > exclusion.Before:
				if d.excludedBetween(x, after, d.events[lastUpTo(l, exclusion.Before)].At-1) {
					return true
				}
			case len(l) > exclusion.After || d.holds(l, exclusion):
				if d.excludedBetween(x, after, d.windowEnd(l)) {
					return true
				}
			}
		}
	}
	return false
}

// counted are the ways by which the stream counts.
func (d *definition) counted() []list {
	if len(d.f.exclude) > 0 && d.f.plan.LeaveFunnel && d.leaves() {
		return nil
	}
	starts := d.starts()
	if len(starts) == 0 {
		return nil
	}
	switch {
	case d.f.plan.Counting == query.CountTotals:
		return d.totals(starts)
	case d.f.plan.Entry == query.EntryFirst:
		return []list{d.attempt(starts[0])}
	case d.f.plan.Entry == query.EntryLatest:
		return []list{d.attempt(starts[len(starts)-1])}
	}
	var best list
	for _, start := range starts {
		if l := d.attempt(start); len(l) > len(best) {
			best = l
		}
	}
	return []list{best}
}

func (d *definition) totals(starts []weir.Micros) []list {
	var all []list
	end := minTime
	for _, start := range starts {
		if start <= end {
			continue
		}
		l := d.attempt(start)
		all = append(all, l)
		last := start
		for _, i := range l {
			if i >= 0 {
				last = max(last, d.events[i].At)
			}
		}
		if end = last; len(l) == d.f.steps {
			continue
		}
		end = d.windowEnd(l)
		for x, exclusion := range d.f.exclude {
			for _, e := range d.events {
				if e.Marks>>(d.f.steps+x)&1 == 1 && e.At > last && d.holds(l, exclusion) {
					end = min(end, e.At)
				}
			}
		}
	}
	return all
}
