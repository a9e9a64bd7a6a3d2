package journey

import (
	"cmp"
	"math/bits"
	"sort"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// funnelWay is a way through the steps, from 0. Of a step that is not taken nothing
// else has a meaning.
type funnelWay struct {
	depth int
	taken uint32 // the steps that are in it
	at    [query.MaxSteps]weir.Micros
	event [query.MaxSteps]int32 // of the stream
	end   weir.Micros           // of the start's window, which is inside
}

func (w *funnelWay) start() weir.Micros { return w.at[0] }

// put takes an event for a step.
func (w *funnelWay) put(step int, at weir.Micros, event int32) {
	w.depth = step + 1
	w.taken |= 1 << step
	w.at[step], w.event[step] = at, event
}

// upTo is the last step that is in the way, up to one.
func (w *funnelWay) upTo(step int) int {
	return bits.Len32(w.taken&(2<<step-1)) - 1
}

// latest is the time of the last event in time: with a grace it may be of an earlier
// step.
func (w *funnelWay) latest() weir.Micros {
	last := w.at[0]
	for m := w.taken; m != 0; m &= m - 1 {
		last = max(last, w.at[bits.TrailingZeros32(m)])
	}
	return last
}

// better reports whether a way counts rather than another of the same stream or unit.
func (f *funnel) better(a, b *funnelWay) bool {
	start := cmp.Compare(a.start(), b.start())
	depth := cmp.Compare(b.depth, a.depth)
	switch f.plan.Entry {
	case query.EntryFirst:
		return cmp.Or(start, depth, f.compare(a, b)) < 0
	case query.EntryLatest:
		return cmp.Or(-start, depth, f.compare(a, b)) < 0
	}
	return cmp.Or(depth, start, f.compare(a, b)) < 0
}

// compare orders ways of one depth: by the times of the steps that must be, then by
// the optional ones, of which taken is before left out and earlier before later, then
// by their events.
func (f *funnel) compare(a, b *funnelWay) int {
	if a.depth != b.depth {
		return 0
	}
	steps := uint32(1)<<a.depth - 1
	for m := steps &^ f.optional; m != 0; m &= m - 1 {
		step := bits.TrailingZeros32(m)
		if c := cmp.Compare(a.at[step], b.at[step]); c != 0 {
			return c
		}
	}
	for m := steps & f.optional; m != 0; m &= m - 1 {
		step := bits.TrailingZeros32(m)
		if c := cmp.Compare(b.taken>>step&1, a.taken>>step&1); c != 0 {
			return c
		}
		if a.taken>>step&1 == 1 {
			if c := cmp.Compare(a.at[step], b.at[step]); c != 0 {
				return c
			}
		}
	}
	for m := a.taken; m != 0; m &= m - 1 {
		step := bits.TrailingZeros32(m)
		if c := cmp.Compare(a.event[step], b.event[step]); c != 0 {
			return c
		}
	}
	return 0
}

// funnelPart is that of a stream in which ways are found each by itself: the stream,
// or one session of it if that is the window.
type funnelPart struct {
	events []Event
	index  []int32     // where each event stands in the stream; nil: at the same place
	width  weir.Micros // of a window
	alone  bool        // events without a session, where that is the window: each by itself
	next   int         // where the search for the next start goes on
	byStep [query.MaxSteps][]int32
	listed bool // byStep is there
}

// place is where an event stands in the stream.
func (p *funnelPart) place(event int32) int32 {
	if p.index == nil {
		return event
	}
	return p.index[event]
}

// end is that of the window of a start.
func (p *funnelPart) end(start weir.Micros) weir.Micros {
	switch {
	case p.alone:
		return start
	case p.index != nil:
		return p.events[len(p.events)-1].At
	}
	return start + p.width
}

// list makes the lists of events by step.
func (p *funnelPart) list(all uint32) {
	if p.listed {
		return
	}
	p.listed = true
	for i := range p.byStep {
		p.byStep[i] = p.byStep[i][:0]
	}
	for i := range p.events {
		for m := p.events[i].Marks & all; m != 0; m &= m - 1 {
			step := bits.TrailingZeros32(m)
			p.byStep[step] = append(p.byStep[step], int32(i))
		}
	}
}

// tick is the events of the same time as one: from first, up to last without it.
func (p *funnelPart) tick(event int) (first, last int) {
	at := p.events[event].At
	for first = event; first > 0 && p.events[first-1].At == at; first-- {
	}
	for last = event + 1; last < len(p.events) && p.events[last].At == at; last++ {
	}
	return first, last
}

// divideParts divides the stream at hand.
func (f *funnel) divideParts() {
	if f.parts == nil {
		f.parts = make([]funnelPart, 1)
	}
	if !f.plan.WindowSession {
		p := &f.parts[0]
		p.events, p.index, p.width, p.alone, p.next, p.listed = f.events, nil, f.plan.Window, false, 0, false
		return
	}
	f.sessions.divide(f.events, func(e *Event) (uint64, bool) { return uint64(e.Session), true })
	f.parts = f.parts[:0]
	for f.sessions.next() {
		if len(f.parts) < cap(f.parts) {
			f.parts = f.parts[:len(f.parts)+1]
		} else {
			f.parts = append(f.parts, funnelPart{})
		}
		p := &f.parts[len(f.parts)-1]
		p.events, p.index, p.width, p.alone, p.next, p.listed = f.sessions.run, f.sessions.index, maxTime, f.sessions.key == 0, 0, false
	}
}

// starts reports whether an event may be the first of a way.
func (f *funnel) starts(e *Event) bool {
	if f.anySteps {
		return e.Marks&f.all != 0 && e.At < f.plan.Range.To
	}
	return e.Marks&1 != 0
}

// counted finds the way by which the stream at hand counts; false if it has none.
func (f *funnel) counted(w *funnelWay) bool {
	switch f.plan.Entry {
	case query.EntryFirst:
		return f.nextAttempt(minTime, false, w)
	case query.EntryLatest:
		return f.lastAttempt(w)
	}
	found := false
	for i := range f.parts {
		if !found {
			found = f.best(&f.parts[i], w)
			continue
		}
		var other funnelWay
		if f.best(&f.parts[i], &other) && f.better(&other, w) {
			*w = other
		}
	}
	return found
}

// nextAttempt finds the way of the first attempt after a time; free is without regard
// to exclusions. Until restart, times may only grow.
func (f *funnel) nextAttempt(after weir.Micros, free bool, w *funnelWay) bool {
	start := maxTime
	for i := range f.parts {
		p := &f.parts[i]
		for p.next < len(p.events) && (p.events[p.next].At <= after || !f.starts(&p.events[p.next])) {
			p.next++
		}
		if p.next < len(p.events) {
			start = min(start, p.events[p.next].At)
		}
	}
	return f.attemptAt(start, free, w)
}

// lastAttempt finds the way of the attempt that starts last.
func (f *funnel) lastAttempt(w *funnelWay) bool {
	start := minTime
	for i := range f.parts {
		p := &f.parts[i]
		last := len(p.events) - 1
		for last >= 0 && !f.starts(&p.events[last]) {
			last--
		}
		if last < 0 {
			p.next = len(p.events)
			continue
		}
		p.next, _ = p.tick(last)
		for !f.starts(&p.events[p.next]) {
			p.next++
		}
		start = max(start, p.events[last].At)
	}
	return f.attemptAt(start, false, w)
}

// attemptAt finds the way of the attempt that starts at a time, the best of those of
// the parts whose next start that is; false if it is of none.
func (f *funnel) attemptAt(start weir.Micros, free bool, w *funnelWay) bool {
	found := false
	for i := range f.parts {
		p := &f.parts[i]
		if p.next == len(p.events) || p.events[p.next].At != start {
			continue
		}
		if !found {
			f.attempt(p, p.next, free, w)
			found = true
			continue
		}
		var other funnelWay
		if f.attempt(p, p.next, free, &other); f.better(&other, w) {
			*w = other
		}
	}
	return found
}

// best finds the deepest way of a part, and the earliest of these.
func (f *funnel) best(p *funnelPart, w *funnelWay) bool {
	switch {
	case p.alone:
		for i := range p.events {
			if f.starts(&p.events[i]) {
				f.attempt(p, i, false, w)
				return true
			}
		}
		return false
	case f.anySteps:
		return f.bestSet(p, w)
	case f.simple && f.bestWalk(p, w):
		return w.depth > 0
	}
	return f.search.best(f, p, w)
}

// attempt finds the way of an attempt, the first of whose starts is given.
func (f *funnel) attempt(p *funnelPart, start int, free bool, w *funnelWay) {
	*w = funnelWay{}
	switch {
	case p.alone:
		w.put(0, p.events[start].At, p.place(int32(start)))
	case f.anySteps:
		f.attemptSet(p, start, w)
	case f.simple && f.walk(p, start, f.steps, w):
	default:
		f.search.attempt(f, p, start, free, w)
	}
	w.end = p.end(w.start())
}

// endOf is when an attempt ends, with totals.
func (f *funnel) endOf(w *funnelWay) weir.Micros {
	last := w.latest()
	if w.depth == f.steps {
		return last
	}
	end := w.end
	for i, x := range f.exclude {
		if x.Before >= w.depth && f.reaches(w, x.After) {
			end = min(end, f.nextExcluded(i, last))
		}
	}
	return end
}

// reaches reports whether an exclusion after a step holds for what may come next in a
// way: no step up to it that must be is missing.
func (f *funnel) reaches(w *funnelWay, after int) bool {
	missing := f.all &^ f.optional &^ (1<<w.depth - 1)
	return missing&(2<<after-1) == 0
}

// nextExcluded is when the first event of an exclusion after a time is, or maxTime.
func (f *funnel) nextExcluded(exclusion int, after weir.Micros) weir.Micros {
	times := f.excluded[exclusion]
	i := sort.Search(len(times), func(i int) bool { return times[i] > after })
	if i == len(times) {
		return maxTime
	}
	return times[i]
}

// leaves reports whether an exclusion takes the stream at hand out of the funnel.
func (f *funnel) leaves() bool {
	defer f.restart()
	var w funnelWay
	for after := minTime; f.exclusionAfter(after) && f.nextAttempt(after, true, &w); after = w.start() {
		for i, x := range f.exclude {
			if !f.reaches(&w, x.After) {
				continue
			}
			at := f.nextExcluded(i, w.at[w.upTo(x.After)])
			if w.depth > x.Before {
				if at < w.at[w.upTo(x.Before)] {
					return true
				}
			} else if at <= w.end {
				return true
			}
		}
	}
	return false
}

// exclusionAfter reports whether any exclusion can matter to starts after a time.
func (f *funnel) exclusionAfter(after weir.Micros) bool {
	for _, times := range f.excluded {
		if n := len(times); n > 0 && times[n-1] >= after-f.grace {
			return true
		}
	}
	return false
}

// restart lets the attempts begin anew.
func (f *funnel) restart() {
	for i := range f.parts {
		f.parts[i].next = 0
	}
}
