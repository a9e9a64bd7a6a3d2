package duckstore

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/storetest"
)

// Answers are the same where no set of people and no counts by quarter of an hour fit
// into the memory.
func TestAnswersInNoMemory(t *testing.T) {
	storetest.TestTrends(t, func(t *testing.T) *storetest.Harness {
		dir := t.TempDir()
		starved := func(t *testing.T) eventstore.Store {
			s := openStore(t, dir, nil)
			s.options.Memory, s.mostDays = 0, 0
			return s
		}
		return &storetest.Harness{Store: starved(t), Reopen: starved}
	})
}

// What a bucket counts is the union of its slots, however they overlap.
func TestUnions(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(r, "slots")
		sets := make([]set, n)
		for i := range sets {
			if rapid.IntRange(0, 3).Draw(r, "some") > 0 {
				sets[i] = rapid.SliceOfN(rapid.Uint64(), 2, 2).Draw(r, "set")
			}
		}
		var s slots
		first, last := 0, 0
		for range rapid.IntRange(1, 12).Draw(r, "buckets") {
			first = rapid.IntRange(first, n-1).Draw(r, "first")
			last = rapid.IntRange(max(last, first+1), n).Draw(r, "last")
			s.First, s.Last = append(s.First, first), append(s.Last, last)
		}
		given := make([]set, n)
		for i := range sets {
			given[i] = slices.Clone(sets[i])
		}
		s.unions(given, func(bucket int, union set) {
			want := make(set, 2)
			for _, set := range sets[s.First[bucket]:s.Last[bucket]] {
				for i := range set {
					want[i] |= set[i]
				}
			}
			if union == nil {
				union = make(set, 2)
			}
			if !slices.Equal(union, want) {
				r.Fatalf("bucket %d of %v to %v: %v, want %v", bucket, s.First, s.Last, union, want)
			}
		})
		if !reflect.DeepEqual(given, sets) {
			r.Fatalf("the sets are %v, want %v", given, sets)
		}
	})
}
