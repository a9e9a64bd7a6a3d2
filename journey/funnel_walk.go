package journey

import (
	"math"
	"math/bits"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// This file is the fast way, for funnels without optional steps and Strict, and
// streams without an event of an exclusion. It takes for each step the first event
// that may be it: once through the events, without memory.
//
// It is right where ways are no more than that: events one behind the other in one
// order of the stream. That order is time; at the same time, it is that of the steps
// if each event is of one step alone, and if steps must differ in time, a way takes no
// more than one of these events anyway. So that nothing else can be:
//
//   - several events at the same time must each be of one step alone, else one of them
//     could be taken for either step;
//   - of events no more than Grace apart, the later must not be of an earlier step.
//
// The walk notices where that does not hold, and gives up; the search is then asked.
//
// In such an order, let a(k, s) be where the way from start s that always takes the
// first event reaches step k. No way from s is there earlier, so that it is the
// deepest of s, with the least times and events; and a(k, s) never falls as s grows.
// From this follows how the best way is found. Keep for each depth the latest start
// that reached it, which is the one with the longest window left: so the greatest
// depth is known, and T, when a way of this depth ends first, from some start s. Let r
// be the earliest start that is not more than a window before T. It is not later than
// s, so its way is that deep at T or before, which is in its window. A start before r
// would have to be that deep before T, and none is. So r is the start.

// bestWalk finds the deepest way of a part, and the earliest of these; depth 0 if no
// way starts. It is false if it gives up.
func (f *funnel) bestWalk(p *funnelPart, w *funnelWay) bool {
	depth, end, ok := f.deepestEnd(p)
	if !ok || depth == 0 {
		return ok
	}
	for i := range p.events {
		if e := &p.events[i]; e.Marks&1 != 0 && end-e.At <= p.width {
			return f.walk(p, i, depth, w)
		}
	}
	return true
}

// never is so long ago that no window reaches from there to any time.
const never = weir.Micros(math.MinInt64 / 2)

// deepestEnd is the depth of the deepest way of a part, and when the first of this
// depth ends.
func (f *funnel) deepestEnd(p *funnelPart) (depth int, end weir.Micros, ok bool) {
	var latest [query.MaxSteps + 1]weir.Micros // by depth, the latest start that reached it
	for i := range latest {
		latest[i] = never
	}
	near := cluster{grace: f.grace}
	for i := 0; i < len(p.events); {
		e := &p.events[i]
		at, marks, chain := e.At, e.Marks&f.all, false
		if i++; !f.isolated(p.events, i-1) {
			t := f.tickAt(p.events, i-1)
			if t.marks != 0 && (t.mixed || !near.admits(&t)) {
				return 0, 0, false
			}
			i, marks, chain = t.next, t.marks, t.chain
		}
		latest[0] = at
		for marks != 0 {
			step := bits.TrailingZeros32(marks)
			if !chain {
				step = bits.Len32(marks) - 1 // so that an event is not taken twice
			}
			marks &^= 1 << step
			// Which step comes next is hard to foretell: but one comparison says
			// whether it is reached, and that takes no branch.
			start, reached := latest[step], latest[step+1]
			if at-start <= p.width {
				reached = start
			}
			latest[step+1] = reached
			if step == depth && reached != never {
				depth, end = step+1, at
			}
		}
		if depth == f.steps {
			break
		}
	}
	return depth, end, true
}

// walk finds the way of a start, one of the events, no deeper than a depth. It is
// false if it gives up.
func (f *funnel) walk(p *funnelPart, start, depth int, w *funnelWay) bool {
	at := p.events[start].At
	near := cluster{grace: f.grace}
	for start > 0 && at-p.events[start-1].At <= f.grace { // also those of the same time
		start--
		if f.grace > 0 && p.events[start].At < at && p.events[start].Marks&f.all > 1 {
			return false
		}
	}
	for p.events[start].At < at {
		start++
	}
	for i := start; i < len(p.events) && p.events[i].At-at <= p.width && w.depth < depth; {
		if e := &p.events[i]; f.isolated(p.events, i) {
			if e.Marks>>w.depth&1 == 1 {
				w.put(w.depth, e.At, p.place(int32(i)))
			}
			i++
			continue
		}
		t := f.tickAt(p.events, i)
		if t.marks != 0 && (t.mixed || !near.admits(&t)) {
			return false
		}
		for w.depth < depth && t.marks>>w.depth&1 == 1 {
			e := i
			for p.events[e].Marks>>w.depth&1 == 0 {
				e++
			}
			w.put(w.depth, t.at, p.place(int32(e)))
			if !t.chain {
				break
			}
		}
		i = t.next
	}
	return true
}

// isolated reports whether an event has no other at its time, or within a grace.
func (f *funnel) isolated(events []Event, i int) bool {
	at := events[i].At
	return (i+1 == len(events) || events[i+1].At-at > f.grace) && (i == 0 || at-events[i-1].At > f.grace)
}

// tick is the events of one time.
type tick struct {
	at    weir.Micros
	next  int    // the first event behind it
	marks uint32 // the steps that its events are of
	chain bool   // there are several, each of one step: a way may take them in the order of steps
	mixed bool   // there are several, not each of one step
}

// tickAt is the tick that begins with an event.
func (f *funnel) tickAt(events []Event, i int) tick {
	e := &events[i]
	t := tick{at: e.At, next: i + 1, marks: e.Marks & f.all}
	if t.next == len(events) || events[t.next].At != t.at {
		return t
	}
	of := 0 // events that are of a step
	one := true
	t.marks = 0
	for t.next = i; t.next < len(events) && events[t.next].At == t.at; t.next++ {
		if m := events[t.next].Marks & f.all; m != 0 {
			of++
			one = one && m&(m-1) == 0
			t.marks |= m
		}
	}
	if of > 1 && !f.distinct {
		t.chain, t.mixed = one, !one
	}
	return t
}

// cluster watches over ticks that are so close that a grace may change their order.
type cluster struct {
	grace weir.Micros
	some  bool
	last  weir.Micros
	high  int // the last step that any of them is of
}

// admits is false if the tick may come before one that is earlier.
func (c *cluster) admits(t *tick) bool {
	if c.grace == 0 {
		return true
	}
	if !c.some || t.at-c.last > c.grace {
		c.high = 0
	} else if bits.TrailingZeros32(t.marks) < c.high {
		return false
	}
	c.some, c.last = true, t.at
	c.high = max(c.high, bits.Len32(t.marks)-1)
	return true
}
