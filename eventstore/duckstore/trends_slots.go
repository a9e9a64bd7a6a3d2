package duckstore

import (
	"encoding/binary"
	"slices"

	"github.com/weirhq/weir/query"
)

// slots are those of a series.
type slots struct{ query.Slots }

// unions calls fn for every bucket with the union of the sets of its slots, which is
// nil if all of them are. fn may not keep it. Each set is looked at a few times
// only, however many buckets count it.
func (s *slots) unions(sets [][]byte, fn func(bucket int, union []byte) error) error {
	var (
		middle int      // slots before it are in ahead, those from it on in behind
		ahead  [][]byte // by slot: the union of the slot and those up to middle
		behind []byte
		next   int // the slot to go into behind
		both   []byte
	)
	ahead = make([][]byte, len(sets))
	for bucket := range s.First {
		first, last := s.First[bucket], s.Last[bucket]
		if first >= middle {
			var all []byte
			for slot := last - 1; slot >= first; slot-- {
				switch {
				case all == nil:
					all = sets[slot]
				case sets[slot] != nil:
					all = join(slices.Clone(all), sets[slot])
				}
				ahead[slot] = all
			}
			middle, next, behind = last, last, nil
		}
		for ; next < last; next++ {
			behind = join(behind, sets[next])
		}
		var union []byte
		if first < middle {
			union = ahead[first]
		}
		switch {
		case union == nil:
			union = behind
		case behind != nil:
			both = join(append(both[:0], union...), behind)
			union = both
		}
		if err := fn(bucket, union); err != nil {
			return err
		}
	}
	return nil
}

// join adds the set b to a, in the memory of a. Sets are of one length, or nil.
func join(a, b []byte) []byte {
	if len(a) == 0 {
		return append(a, b...)
	}
	i := 0
	for ; i+8 <= len(b); i += 8 {
		binary.NativeEndian.PutUint64(a[i:], binary.NativeEndian.Uint64(a[i:])|binary.NativeEndian.Uint64(b[i:]))
	}
	for ; i < len(b); i++ {
		a[i] |= b[i]
	}
	return a
}
