package journey

import (
	"encoding/binary"
	"math/bits"
	"sort"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// searchLimit bounds the search in one stream: so many events may be tried for a step
// before it stops to reconsider. From then on each step takes the first event that may
// be it, whatever comes of it: ways are still ways, but there may be deeper or earlier
// ones. What the search is spared (see take) makes that a matter of streams that are
// made for it, with thousands of events of several steps each under exclusions that
// overlap.
const searchLimit = 1 << 20

// A question begins to remember the places it looks at after memoFrom of them, and
// remembers no more than memoMost.
const (
	memoFrom = 64
	memoMost = 1 << 16
)

// funnelSearch finds ways by the definition. It goes through the steps, tries the
// events of each in order and goes back where that leads nowhere. A question is to go
// as deep as possible, or to a depth within bounds: which events a step may have, and
// which optional steps must or must not be taken. By such questions the way of an
// attempt is improved until nothing better is left.
type funnelSearch struct {
	f    *funnel
	p    *funnelPart
	free bool // without regard to exclusions
	left int  // of searchLimit

	// The question.
	limit       weir.Micros                           // the end of the window
	target      int                                   // the depth that is enough
	from, to    [query.MaxSteps]int32                 // the events that a step may have, without the last
	must, never uint32                                // of optional steps
	chosen      [query.MaxSteps]int32                 // by the way at hand
	taken       uint32                                // the steps in it
	deadlines   [query.MaxSteps][MaxMarks]weir.Micros // when exclusions end, by the last step taken

	searchAnswer

	visits int
	memo   map[string]struct{}
	key    []byte
}

// searchAnswer is a way that was found.
type searchAnswer struct {
	depth      int
	found      [query.MaxSteps]int32 // the event of each step
	foundTaken uint32
}

// best finds the deepest way of a part, and the earliest of these.
func (s *funnelSearch) best(f *funnel, p *funnelPart, w *funnelWay) bool {
	s.begin(f, p, false)
	starts := p.byStep[0]
	var best searchAnswer
	bestFirst, bestLast := 0, 0
	for i := 0; i < len(starts) && best.depth < f.steps; {
		first, last := p.tick(int(starts[i]))
		for i < len(starts) && int(starts[i]) < last {
			i++
		}
		if bound := s.bound(first); bound > best.depth {
			s.deepest(first, last, bound)
			if s.depth > best.depth {
				best = s.searchAnswer
				bestFirst, bestLast = first, last
			}
		}
	}
	if best.depth == 0 {
		return false
	}
	s.open(bestFirst, bestLast)
	s.searchAnswer = best
	s.refine()
	s.write(w)
	return true
}

// attempt finds the way of an attempt, one of whose starts is given.
func (s *funnelSearch) attempt(f *funnel, p *funnelPart, start int, free bool, w *funnelWay) {
	*w = funnelWay{}
	s.begin(f, p, free)
	first, last := p.tick(start)
	s.deepest(first, last, s.bound(first))
	s.refine()
	s.write(w)
}

func (s *funnelSearch) begin(f *funnel, p *funnelPart, free bool) {
	p.list(f.all)
	s.f, s.p, s.free = f, p, free
}

// write makes a way of the answer.
func (s *funnelSearch) write(w *funnelWay) {
	*w = funnelWay{}
	for m := s.foundTaken; m != 0; m &= m - 1 {
		step := bits.TrailingZeros32(m)
		w.put(step, s.at(s.found[step]), s.p.place(s.found[step]))
	}
}

func (s *funnelSearch) at(event int32) weir.Micros { return s.p.events[event].At }

// bound is a depth that the ways that start at the time of an event do not pass: how
// far one comes that may take events twice, may leave out any exclusion but those
// after step 1, and does not mind others between.
func (s *funnelSearch) bound(start int) int {
	at := s.p.events[start].At
	bound, latest := 1, at
	for step := 1; step < s.f.steps; step++ {
		high := s.p.end(at)
		if !s.free {
			for i, x := range s.f.exclude {
				if x.After == 0 && step <= x.Before {
					high = min(high, s.f.nextExcluded(i, at))
				}
			}
		}
		low := latest - s.f.grace
		if s.f.distinct {
			low = latest + 1
		}
		list := s.p.byStep[step]
		i := s.p.lower(list, low)
		found := i < len(list) && s.at(list[i]) <= high
		if found {
			bound = step + 1
		}
		if s.f.optional>>step&1 == 1 {
			continue
		}
		if !found {
			break
		}
		latest = max(latest, s.at(list[i]))
	}
	return bound
}

// open begins questions about the attempt that starts with one of some events of the
// same time.
func (s *funnelSearch) open(first, last int) {
	s.limit = s.p.end(s.p.events[first].At)
	s.must, s.never = 0, 0
	for step := range s.f.steps {
		s.from[step], s.to[step] = 0, int32(len(s.p.events))
	}
	s.from[0], s.to[0] = int32(first), int32(last)
}

// deepest finds a way of an attempt that is as deep as can be, which is no more than
// bound. If no step is optional it is the first in order of the events taken.
func (s *funnelSearch) deepest(first, last, bound int) {
	s.open(first, last)
	s.target, s.depth = bound, 0
	s.run()
}

// again looks for a way of the depth that was found, within the bounds; if there is
// none the answer stays as it is.
func (s *funnelSearch) again() bool {
	s.target = s.depth
	s.depth--
	found := s.run()
	s.depth = s.target
	return found
}

func (s *funnelSearch) run() bool {
	s.taken, s.visits = 0, 0
	if len(s.memo) > memoFrom {
		s.memo = nil // to clear a large one takes longer than to make a small one
	} else {
		clear(s.memo)
	}
	return s.take(0, -1, minTime)
}

// refine makes the answer the first of those of its depth: by the times of the steps
// that must be, then by the optional steps, then by the events.
func (s *funnelSearch) refine() {
	if s.decided() {
		return
	}
	steps := uint32(1)<<s.depth - 1
	s.must = 1 << (s.depth - 1)
	fixed := uint32(1)
	for m := steps &^ s.f.optional &^ 1; m != 0; m &= m - 1 {
		step := bits.TrailingZeros32(m)
		s.earliest(step, fixed)
		fixed |= 1 << step
	}
	for m := steps & s.f.optional; m != 0; m &= m - 1 {
		step := bits.TrailingZeros32(m)
		s.must |= 1 << step
		if s.foundTaken>>step&1 == 0 && !s.again() {
			s.must &^= 1 << step
			s.never |= 1 << step
			continue
		}
		s.earliest(step, fixed)
		fixed |= 1 << step
	}
	for m := s.foundTaken; m != 0; m &= m - 1 {
		s.first(bits.TrailingZeros32(m))
	}
}

// decided reports whether the answer is the first already: no step is optional, and
// at the time of each there is one event only.
func (s *funnelSearch) decided() bool {
	if s.f.optional&(1<<s.depth-1) != 0 {
		return false
	}
	for step := range s.depth {
		e := int(s.found[step])
		at := s.p.events[e].At
		if e > 0 && s.p.events[e-1].At == at || e+1 < len(s.p.events) && s.p.events[e+1].At == at {
			return false
		}
	}
	return true
}

// earliest gives a step its earliest time, besides steps before it that have theirs.
func (s *funnelSearch) earliest(step int, fixed uint32) {
	low := minTime
	for m := fixed & (1<<step - 1); m != 0; m &= m - 1 {
		low = max(low, s.at(s.found[bits.TrailingZeros32(m)])-s.f.grace)
	}
	list := s.p.byStep[step]
	for {
		first, last := s.p.tick(int(s.found[step]))
		s.to[step] = int32(first)
		i := s.p.lower(list, low)
		if i == len(list) || list[i] >= int32(first) || !s.again() {
			s.from[step], s.to[step] = int32(first), int32(last)
			return
		}
	}
}

// first gives a step the first event of its time that it may have.
func (s *funnelSearch) first(step int) {
	list := s.p.byStep[step]
	for {
		e := s.found[step]
		s.to[step] = e
		i := sort.Search(len(list), func(i int) bool { return list[i] >= s.from[step] })
		if list[i] == e || !s.again() {
			s.from[step], s.to[step] = e, e+1
			return
		}
	}
}

// take tries events for a step, after the last step of the way at hand and the latest
// time of it. It is true if the target is reached.
//
// Most events need not be tried. Let an event have led nowhere. One behind it leads
// nowhere either, if nothing that can follow it could not follow the first: if no
// exclusion ends later for it, and if the first event itself is not what follows,
// because it is of no later step, or too early. Nor does one of the same time and
// marks: bounds of later steps are never between events of the same time.
func (s *funnelSearch) take(step, last int, latest weir.Micros) bool {
	low, high := s.bounds(step, last, latest)
	list := s.p.byStep[step]
	i := s.p.lower(list, low)
	if s.from[step] > 0 {
		i = max(i, sort.Search(len(list), func(i int) bool { return list[i] >= s.from[step] }))
	}
	tried, before := int32(-1), int32(-1) // the first tried of those with the same exclusions; the last
	for ; i < len(list); i++ {
		c := list[i]
		e := &s.p.events[c]
		if c >= s.to[step] || e.At > high {
			return false
		}
		s.left--
		if s.uses(c) || before >= 0 && s.at(before) == e.At && s.p.events[before].Marks == e.Marks {
			continue
		}
		now := max(latest, e.At)
		if tried >= 0 && s.follows(step, tried, now) {
			change := s.change(step, s.at(tried))
			if change > e.At {
				i = s.p.lower(list, change) - 1
				continue
			}
		}
		if last >= 0 && s.f.strict && s.f.grace > 0 && !s.payable(step, last, c, now) {
			continue
		}
		s.choose(step, last, c)
		if s.reach(step, now) {
			return true
		}
		s.taken &^= 1 << step
		if s.left <= 0 {
			return false
		}
		if tried < 0 || s.change(step, s.at(tried)) <= e.At {
			tried = c
		}
		before = c
	}
	return false
}

// bounds are the times that an event of a step may have.
func (s *funnelSearch) bounds(step, last int, latest weir.Micros) (low, high weir.Micros) {
	if last < 0 {
		return minTime, maxTime // from and to say it
	}
	low, high = latest-s.f.grace, s.limit
	if s.f.distinct {
		low = latest + 1
	}
	if !s.free {
		for i, x := range s.f.exclude {
			if x.After < step && step <= x.Before {
				high = min(high, s.deadlines[last][i])
			}
		}
	}
	if s.f.strict && s.f.grace == 0 {
		if i := s.otherAfter(s.at(s.chosen[last])); i < len(s.f.others) {
			high = min(high, s.f.events[s.f.others[i]].At)
		}
	}
	return low, high
}

// uses reports whether an event is in the way at hand.
func (s *funnelSearch) uses(event int32) bool {
	for m := s.p.events[event].Marks & s.taken; m != 0; m &= m - 1 {
		if s.chosen[bits.TrailingZeros32(m)] == event {
			return true
		}
	}
	return false
}

// follows reports whether an event that was tried for a step cannot be of a later step
// if an event behind it, with which the latest time is now, is taken instead.
func (s *funnelSearch) follows(step int, tried int32, now weir.Micros) bool {
	if s.f.strict {
		return false
	}
	later := s.f.all &^ (2<<step - 1)
	return s.p.events[tried].Marks&later == 0 || s.f.distinct || s.at(tried) < now-s.f.grace
}

// change is when the next event of a step has exclusions that end later than those of
// an event of that time.
func (s *funnelSearch) change(step int, at weir.Micros) weir.Micros {
	change := maxTime
	if !s.free {
		for m := s.f.anchors[step]; m != 0; m &= m - 1 {
			change = min(change, s.f.nextExcluded(bits.TrailingZeros32(m), at))
		}
	}
	return change
}

// choose takes an event for a step.
func (s *funnelSearch) choose(step, last int, event int32) {
	s.chosen[step] = event
	s.taken |= 1 << step
	if s.free {
		return
	}
	for i, x := range s.f.exclude {
		switch {
		case x.After >= step:
			s.deadlines[step][i] = s.f.nextExcluded(i, s.at(event))
		default:
			s.deadlines[step][i] = s.deadlines[last][i]
		}
	}
}

// reach goes on from a step that was taken. It is true if the target is reached.
func (s *funnelSearch) reach(step int, latest weir.Micros) bool {
	owing := s.f.strict && s.f.grace > 0 && s.owes()
	if step+1 > s.depth && !owing {
		s.searchAnswer = searchAnswer{step + 1, s.chosen, s.taken}
	}
	if step+1 == s.target {
		return !owing
	}
	if s.seen(step, latest) {
		return false
	}
	next := s.f.steps // the next step that must be taken
	if m := (s.f.all&^s.f.optional | s.must) &^ (2<<step - 1); m != 0 {
		next = bits.TrailingZeros32(m)
	}
	if next < s.target && s.take(next, step, latest) {
		return true
	}
	for option := step + 1; option < min(next, s.target); option++ {
		// To take an optional step costs time. It helps if it makes an exclusion end
		// later or is not between others any more, or if it is as deep as can be.
		helps := s.f.strict || !s.free && s.f.anchors[option] != 0 || option+1 > s.depth
		if s.left > 0 && helps && s.never>>option&1 == 0 && s.take(option, step, latest) {
			return true
		}
	}
	return false
}

// seen reports whether the question was at the same place before: where it left off,
// when exclusions end, and which events that may be of later steps are in the way.
func (s *funnelSearch) seen(step int, latest weir.Micros) bool {
	if s.visits++; s.visits <= memoFrom || s.f.strict && s.f.grace > 0 {
		return false
	}
	key := s.key[:0]
	key = append(key, byte(step))
	key = binary.LittleEndian.AppendUint64(key, uint64(latest))
	if !s.free {
		for i, x := range s.f.exclude {
			if x.Before > step {
				key = binary.LittleEndian.AppendUint64(key, uint64(s.deadlines[step][i]))
			}
		}
	}
	later := s.f.all &^ (2<<step - 1)
	used := len(key)
	for m := s.taken; m != 0; m &= m - 1 {
		e := s.chosen[bits.TrailingZeros32(m)]
		if s.p.events[e].Marks&later != 0 && s.at(e) >= latest-s.f.grace {
			key = insert(key, used, uint32(e))
		}
	}
	s.key = key
	if _, ok := s.memo[string(key)]; ok {
		return true
	}
	if s.memo == nil {
		s.memo = map[string]struct{}{}
	}
	if len(s.memo) < memoMost {
		s.memo[string(key)] = struct{}{}
	}
	return false
}

// insert puts a number into the ascending ones that a key ends with from a place on:
// it does not matter which event is of which step.
func insert(key []byte, from int, n uint32) []byte {
	key = binary.BigEndian.AppendUint32(key, n)
	for i := len(key) - 4; i > from && binary.BigEndian.Uint32(key[i-4:]) > n; i -= 4 {
		copy(key[i:], key[i-4:i])
		binary.BigEndian.PutUint32(key[i-4:], n)
	}
	return key
}
