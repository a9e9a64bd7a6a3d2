package query

import (
	"slices"

	"github.com/weirhq/weir"
)

// Slots divide time so that every bucket counts a run of them.
type Slots struct {
	Edges       []weir.Micros
	First, Last []int // bucket i counts the slots from First[i] to Last[i]-1; neither falls
	From        int   // the first slot of the range: those before are only looked back to
	Single      bool  // each bucket is one slot
}

// SlotsOf are those of a measure in a period.
func SlotsOf(p *Period, m Measure, cumulative bool) Slots {
	edges, n := p.Buckets.Edges, len(p.Buckets.Edges)-1
	since := p.Since(m)
	s := Slots{Edges: edges, First: make([]int, n), Last: make([]int, n)}
	s.Single = !cumulative && (since == nil || slices.Equal(since, edges[:n]))
	if !s.Single && since != nil {
		s.Edges = slices.Concat(since, edges)
		slices.Sort(s.Edges)
		s.Edges = slices.Compact(s.Edges)
	}
	place := func(at weir.Micros) int {
		i, _ := slices.BinarySearch(s.Edges, at)
		return i
	}
	s.From = place(edges[0])
	for i := range n {
		s.First[i], s.Last[i] = place(edges[i]), place(edges[i+1])
		switch {
		case cumulative:
			s.First[i] = 0
		case since != nil:
			s.First[i] = place(since[i])
		}
	}
	return s
}

// Count is how many slots there are.
func (s *Slots) Count() int { return len(s.Edges) - 1 }

// Buckets are, for each slot, the buckets that count it: from first to last-1.
func (s *Slots) Buckets() (first, last []int) {
	first, last = make([]int, s.Count()), make([]int, s.Count())
	from, to := 0, 0
	for slot := range first {
		for from < len(s.Last) && s.Last[from] <= slot {
			from++
		}
		for to < len(s.First) && s.First[to] <= slot {
			to++
		}
		first[slot], last[slot] = from, to
	}
	return first, last
}
