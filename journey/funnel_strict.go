package journey

import (
	"math/bits"
	"sort"

	"github.com/weirhq/weir"
)

// This file is about Strict: no other events between those of a way. Without a grace,
// times in a way do not fall, and then no event of the way itself can lie between two
// that follow each other. With one, an event may lie between two steps and be taken
// for a later one: the way owes it until then.

// otherAfter is the place of the first of the others that is later than a time.
func (s *funnelSearch) otherAfter(at weir.Micros) int {
	others := s.f.others
	return sort.Search(len(others), func(i int) bool { return s.f.events[others[i]].At > at })
}

// owedBetween calls fn with the others between two events of the part, as events of
// the stream, that are not in the way at hand, until it returns false.
func (s *funnelSearch) owedBetween(a, b int32, fn func(event int32) bool) {
	low, high := min(s.at(a), s.at(b)), max(s.at(a), s.at(b))
	for i := s.otherAfter(low); i < len(s.f.others); i++ {
		event := s.f.others[i]
		if s.f.events[event].At >= high {
			return
		}
		if !s.inWay(event) && !fn(event) {
			return
		}
	}
}

// inWay reports whether an event of the stream is in the way at hand.
func (s *funnelSearch) inWay(event int32) bool {
	for m := s.taken; m != 0; m &= m - 1 {
		if s.p.place(s.chosen[bits.TrailingZeros32(m)]) == event {
			return true
		}
	}
	return false
}

// owes reports whether the way at hand is none yet.
func (s *funnelSearch) owes() bool {
	owes := false
	last := -1
	for m := s.taken; m != 0 && !owes; m &= m - 1 {
		step := bits.TrailingZeros32(m)
		if last >= 0 {
			s.owedBetween(s.chosen[last], s.chosen[step], func(int32) bool {
				owes = true
				return false
			})
		}
		last = step
	}
	return owes
}

// payable is false if an event cannot be taken for a step, because what then lies
// between it and the last cannot all be of later steps. The latest time would be now.
func (s *funnelSearch) payable(step, last int, event int32, now weir.Micros) bool {
	later := s.f.all &^ (2<<step - 1)
	room := min(bits.OnesCount32(later), s.target-1-step)
	payable := true
	place := s.p.place(event)
	s.owedBetween(s.chosen[last], event, func(owed int32) bool {
		if owed == place {
			return true
		}
		e := &s.f.events[owed]
		room--
		payable = room >= 0 && e.Marks&later != 0 && e.At >= now-s.f.grace
		return payable
	})
	return payable
}
