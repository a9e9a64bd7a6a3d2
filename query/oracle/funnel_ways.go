package oracle

import (
	"cmp"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// way has an event for each step, nil where the step is not in the way. With
// Unordered it is the events in order of the stream, and nils behind.
type way []*member

// depth is the number of the last step in the way, from 1.
func (w way) depth() int {
	for i := len(w); i > 0; i-- {
		if w[i-1] != nil {
			return i
		}
	}
	return 0
}

// taken are the events in the way, by step.
func (w way) taken() []*member {
	return slices.DeleteFunc(slices.Clone(w), func(e *member) bool { return e == nil })
}

// latest is the time of the last event of the way, which by Grace need not be that
// of its last step.
func (w way) latest() weir.Micros {
	at := w.taken()[0].at
	for _, e := range w.taken() {
		at = max(at, e.at)
	}
	return at
}

// lastUpTo is the event of the last step up to one, from 0, that is in the way.
func (w way) lastUpTo(step int) *member {
	up := w[:step+1].taken()
	return up[len(up)-1]
}

// ways calls each for every way of a stream with that start. What each is given is
// used again.
func (f *funnel) ways(s *stream, start weir.Micros, each func(way)) {
	if f.Order == query.Unordered {
		f.unorderedWays(s, start, each)
		return
	}
	w := make(way, len(f.Steps))
	var from func(step int)
	from = func(step int) {
		if step > 0 && w[step-1] != nil && f.allowed(s, w) {
			each(w)
		}
		if step == len(f.Steps) {
			return
		}
		if f.optional(step) {
			from(step + 1)
		}
		for _, e := range s.events {
			if !e.steps[step] || slices.Contains(w, e) || step == 0 && e.at != start {
				continue
			}
			w[step] = e
			// These are about pairs of events, so that no further step mends them.
			if f.inWindow(w[0], e) && f.inOrder(w) {
				from(step + 1)
			}
			w[step] = nil
		}
	}
	from(0)
}

// unorderedWays tries all sets of events, the earliest of which is at start.
func (f *funnel) unorderedWays(s *stream, start weir.Micros, each func(way)) {
	w := make(way, len(f.Steps))
	var from func(next, size int)
	from = func(next, size int) {
		if size == len(f.Steps) {
			return
		}
		for i, e := range s.events[next:] {
			if size == 0 && e.at != start || size > 0 && !f.inWindow(w[0], e) {
				continue
			}
			w[size] = e
			// No larger set does what a part of it cannot.
			if f.differ(w[:size+1], make([]bool, len(f.Steps))) {
				each(w)
				from(next+i+1, size+1)
			}
			w[size] = nil
		}
	}
	from(0, 0)
}

// differ reports whether the events match steps, each another one that is free.
func (f *funnel) differ(events []*member, used []bool) bool {
	if len(events) == 0 {
		return true
	}
	for step, matches := range events[0].steps {
		if matches && !used[step] {
			used[step] = true
			ok := f.differ(events[1:], used)
			used[step] = false
			if ok {
				return true
			}
		}
	}
	return false
}

// inWindow reports whether e may be in a way that starts with first.
func (f *funnel) inWindow(first, e *member) bool {
	if f.WindowSession {
		return e == first || e.session == first.session && e.session != 0
	}
	return e.at <= first.at+f.Window
}

// inOrder reports whether the events of a way follow one another as they must.
func (f *funnel) inOrder(w way) bool {
	events := w.taken()
	for i, e := range events {
		for _, earlier := range events[:i] {
			if e.at < earlier.at-f.Grace || f.TiesStrict && e.at <= earlier.at {
				return false
			}
		}
	}
	return true
}

// allowed reports whether no event lies where the way allows none.
func (f *funnel) allowed(s *stream, w way) bool {
	if f.Order == query.Strict {
		events := w.taken()
		for i := range len(events) - 1 {
			from, to := events[i].at, events[i+1].at
			from, to = min(from, to), max(from, to)
			for _, e := range s.events {
				if e.other && from < e.at && e.at < to && !slices.Contains(w, e) {
					return false
				}
			}
		}
	}
	if f.LeaveFunnel {
		return true
	}
	for i, x := range f.Exclude {
		for _, step := range w[x.After+1 : x.Before+1] {
			if step == nil {
				continue
			}
			for _, e := range s.events {
				if e.excludes[i] && w.lastUpTo(x.After).at < e.at && e.at < step.at {
					return false
				}
			}
		}
	}
	return true
}

// compareWays orders ways: those that reach deeper, then those whose steps that are
// not optional come first, then those that take an optional step, and early, then
// those whose events stand first in the stream.
func (f *funnel) compareWays(a, b way) int {
	c := cmp.Compare(b.depth(), a.depth())
	for step := range f.Steps {
		if c == 0 && !f.optional(step) && a[step] != nil {
			c = cmp.Compare(a[step].at, b[step].at)
		}
	}
	for step := range f.Steps {
		switch {
		case c != 0 || a[step] == nil && b[step] == nil:
		case a[step] == nil:
			c = 1
		case b[step] == nil:
			c = -1
		default:
			c = cmp.Compare(a[step].at, b[step].at)
		}
	}
	for step := range f.Steps {
		if c == 0 && a[step] != nil {
			c = cmp.Compare(a[step].rank, b[step].rank)
		}
	}
	return c
}
