package journey

import (
	"math/bits"
	"sort"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// This file is for steps in any order. A way is then a set of events in the window of
// its start, each for a step of its own. If every event is of one step alone, its
// depth is how many different steps there are; two ends of the window move through
// the events once. Else events are given to steps by augmenting paths. The sets that
// can be given so are the independent sets of a matroid: who goes through the events
// in order and takes each that can be taken besides those taken before gets a largest
// set, and of these the one whose times, and then events, come first.

// bestSet finds the deepest way of a part, and the earliest of these.
func (f *funnel) bestSet(p *funnelPart, w *funnelWay) bool {
	var within [query.MaxSteps]int32 // how many events of each step are in the window
	different := 0                   // steps with any
	single := true
	depth := 0
	end := 0
	for i := 0; i < len(p.events) && depth < f.steps; {
		at := p.events[i].At
		if at >= f.plan.Range.To {
			break
		}
		for ; end < len(p.events) && p.events[end].At-at <= p.width && different < f.steps; end++ {
			marks := p.events[end].Marks & f.all
			single = single && marks&(marks-1) == 0
			different += enter(&within, marks)
		}
		start := i
		marks := uint32(0)
		next := i
		for ; next < len(p.events) && p.events[next].At == at; next++ {
			marks |= p.events[next].Marks & f.all
		}
		if marks != 0 && different > depth {
			if found := f.setFrom(p, start, single, depth, w); found > depth {
				depth = found
			}
		}
		for ; i < next; i++ {
			if i < end {
				different -= leave(&within, p.events[i].Marks&f.all)
			}
		}
		end = max(end, i)
	}
	return depth > 0
}

// enter counts an event in; it tells how many steps are new.
func enter(within *[query.MaxSteps]int32, marks uint32) (different int) {
	for ; marks != 0; marks &= marks - 1 {
		step := bits.TrailingZeros32(marks)
		if within[step] == 0 {
			different++
		}
		within[step]++
	}
	return different
}

// leave counts an event out; it tells how many steps are gone.
func leave(within *[query.MaxSteps]int32, marks uint32) (different int) {
	for ; marks != 0; marks &= marks - 1 {
		step := bits.TrailingZeros32(marks)
		if within[step]--; within[step] == 0 {
			different++
		}
	}
	return different
}

// setFrom finds the way of a start, and its depth. It replaces the way only if it is
// deeper than that.
func (f *funnel) setFrom(p *funnelPart, start int, single bool, depth int, w *funnelWay) int {
	var other funnelWay
	if single {
		f.firstOfEach(p, start, &other)
	} else {
		f.matched(p, start, &other)
	}
	if other.depth > depth {
		*w = other
	}
	return other.depth
}

// attemptSet finds the way of a start.
func (f *funnel) attemptSet(p *funnelPart, start int, w *funnelWay) {
	if !f.firstOfEach(p, start, w) {
		*w = funnelWay{}
		f.matched(p, start, w)
	}
}

// firstOfEach takes the first event of each step in the window. It is false if an
// event is of several steps.
func (f *funnel) firstOfEach(p *funnelPart, start int, w *funnelWay) bool {
	at := p.events[start].At
	taken := uint32(0)
	for i := start; i < len(p.events) && p.events[i].At-at <= p.width && w.depth < f.steps; i++ {
		e := &p.events[i]
		marks := e.Marks & f.all
		if marks&(marks-1) != 0 {
			return false
		}
		if marks&^taken != 0 {
			taken |= marks
			w.put(w.depth, e.At, p.place(int32(i)))
		}
	}
	return true
}

// stepMatch gives events to steps.
type stepMatch struct {
	part  *funnelPart
	all   uint32
	owner [query.MaxSteps]int32 // the event of each step that is in taken
	taken uint32
	seen  uint32 // steps that were tried for one event
}

// give finds a step for an event, if need be by giving others another one.
func (m *stepMatch) give(event int32) bool {
	for {
		open := m.part.events[event].Marks & m.all &^ m.seen
		if open == 0 {
			return false
		}
		step := bits.TrailingZeros32(open)
		m.seen |= 1 << step
		if m.taken>>step&1 == 0 || m.give(m.owner[step]) {
			m.owner[step] = event
			m.taken |= 1 << step
			return true
		}
	}
}

// matched goes through the events of a window in order and takes each for which there
// is a step. Where there is none, all steps that were tried are taken for good, by
// events that are of no other step; events that are of such steps alone are then
// passed over without a look. So no more than two events for each step are looked at.
func (f *funnel) matched(p *funnelPart, start int, w *funnelWay) {
	p.list(f.all)
	at := p.events[start].At
	m := &f.match
	m.part, m.all, m.taken = p, f.all, 0
	full := uint32(0) // the steps that are taken for good
	for i := int32(start); w.depth < f.steps; {
		i = p.nextOf(f.all&^full, i)
		if int(i) == len(p.events) || p.events[i].At-at > p.width {
			break
		}
		m.seen = full
		if m.give(i) {
			w.put(w.depth, p.events[i].At, p.place(i))
		} else {
			full |= m.seen
		}
		i++
	}
}

// nextOf is the first event that is not before a place and of one of some steps; the
// number of events if there is none.
func (p *funnelPart) nextOf(steps uint32, from int32) int32 {
	next := int32(len(p.events))
	if from < next && p.events[from].Marks&steps != 0 {
		return from
	}
	for ; steps != 0; steps &= steps - 1 {
		list := p.byStep[bits.TrailingZeros32(steps)]
		if i := sort.Search(len(list), func(i int) bool { return list[i] >= from }); i < len(list) {
			next = min(next, list[i])
		}
	}
	return next
}

// lower is the first place in a list of events that are not before a time.
func (p *funnelPart) lower(list []int32, at weir.Micros) int {
	low, high := 0, len(list)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if p.events[list[middle]].At < at {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}
