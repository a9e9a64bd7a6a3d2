package duckstore

import (
	"math/bits"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// slots divide time so that every bucket counts a run of them.
type slots struct {
	edges       []weir.Micros
	first, last []int // bucket i counts the slots from first[i] to last[i]-1; neither falls
	from        int   // the first slot of the range: those before are only looked back to
	single      bool  // each bucket is one slot
}

func slotsOf(p *query.Period, m query.Measure, cumulative bool) slots {
	edges, n := p.Buckets.Edges, len(p.Buckets.Edges)-1
	since := p.Since(m)
	s := slots{edges: edges, first: make([]int, n), last: make([]int, n)}
	s.single = !cumulative && (since == nil || slices.Equal(since, edges[:n]))
	if !s.single && since != nil {
		s.edges = slices.Concat(since, edges)
		slices.Sort(s.edges)
		s.edges = slices.Compact(s.edges)
	}
	place := func(at weir.Micros) int {
		i, _ := slices.BinarySearch(s.edges, at)
		return i
	}
	s.from = place(edges[0])
	for i := range n {
		s.first[i], s.last[i] = place(edges[i]), place(edges[i+1])
		switch {
		case cumulative:
			s.first[i] = 0
		case since != nil:
			s.first[i] = place(since[i])
		}
	}
	return s
}

func (s *slots) count() int { return len(s.edges) - 1 }

// buckets are, for each slot, the buckets that count it: from first to last-1.
func (s *slots) buckets() (first, last []int) {
	first, last = make([]int, s.count()), make([]int, s.count())
	from, to := 0, 0
	for slot := range first {
		for from < len(s.last) && s.last[from] <= slot {
			from++
		}
		for to < len(s.first) && s.first[to] <= slot {
			to++
		}
		first[slot], last[slot] = from, to
	}
	return first, last
}

// unions calls fn for every bucket with the union of the sets of its slots, which is
// nil if all of them are. fn may not keep it. Each set is looked at a few times
// only, however many buckets count it.
func (s *slots) unions(sets []set, fn func(bucket int, union set)) {
	var (
		middle int   // slots before it are in ahead, those from it on in behind
		ahead  []set // by slot: the union of the slot and those up to middle
		behind set
		next   int // the slot to go into behind
		both   set
	)
	ahead = make([]set, len(sets))
	for bucket := range s.first {
		first, last := s.first[bucket], s.last[bucket]
		if first >= middle {
			var all set
			for slot := last - 1; slot >= first; slot-- {
				switch {
				case all == nil:
					all = sets[slot]
				case sets[slot] != nil:
					all = slices.Clone(all).join(sets[slot])
				}
				ahead[slot] = all
			}
			middle, next, behind = last, last, nil
		}
		for ; next < last; next++ {
			behind = behind.join(sets[next])
		}
		var union set
		if first < middle {
			union = ahead[first]
		}
		switch {
		case union == nil:
			union = behind
		case behind != nil:
			both = append(both[:0], union...).join(behind)
			union = both
		}
		fn(bucket, union)
	}
}

// set is a set of dense numbers: a bit for each.
type set []uint64

// newSet has room for numbers up to the highest.
func newSet(highest uint32) set { return make(set, highest/64+1) }

// join adds the set b to s, in the memory of s, which is nil or has room for it.
func (s set) join(b set) set {
	if len(s) == 0 {
		return append(s, b...)
	}
	for i, word := range b {
		s[i] |= word
	}
	return s
}

// size is how many numbers are in it.
func (s set) size() (n int64) {
	for _, word := range s {
		n += int64(bits.OnesCount64(word))
	}
	return n
}
