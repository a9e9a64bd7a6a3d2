package duckstore

import (
	"math/bits"
	"slices"

	"github.com/weirhq/weir/query"
)

// slots are those of a series.
type slots struct{ query.Slots }

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
	for bucket := range s.First {
		first, last := s.First[bucket], s.Last[bucket]
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
