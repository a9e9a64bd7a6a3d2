package oracle

import (
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// activity is when each person had a matching event.
func (w *world) activity(m query.Match) map[uint32][]weir.Micros {
	active := map[uint32][]weir.Micros{}
	for _, r := range w.matching(m, always) {
		active[r.event.Person] = append(active[r.event.Person], r.event.Time)
	}
	return active
}

func anyIn(times []weir.Micros, from, to weir.Micros) bool {
	return slices.ContainsFunc(times, func(at weir.Micros) bool { return from <= at && at < to })
}

// lifecycle answers a lifecycle.
func (w *world) lifecycle(l *query.Lifecycle, x *query.Explain) *query.Answer {
	n := len(l.Buckets.Labels)
	counts := map[string][]int64{}
	for _, state := range []string{"new", "returning", "resurrected", "dormant"} {
		counts[state] = make([]int64, n)
	}
	persons := map[uint32]bool{}
	for person, times := range w.activity(l.Match) {
		for bucket := range n {
			state := stateOf(l, times, bucket)
			if state == "" {
				continue
			}
			counts[state][bucket]++
			if x != nil && state == x.State && (x.Bucket < 0 || x.Bucket == bucket) {
				persons[person] = true
			}
		}
	}
	if x != nil {
		return explained(persons)
	}
	for i := range counts["dormant"] {
		counts["dormant"][i] *= -1
	}
	return &query.Answer{Buckets: l.Buckets.Labels, New: counts["new"], Returning: counts["returning"],
		Resurrected: counts["resurrected"], Dormant: counts["dormant"]}
}

// stateOf is what a person with events at these times is in a bucket; "" for nothing.
func stateOf(l *query.Lifecycle, times []weir.Micros, bucket int) string {
	from, to := l.Buckets.Edges[bucket], l.Buckets.Edges[bucket+1]
	before := l.Before
	if bucket > 0 {
		before = l.Buckets.Edges[bucket-1]
	}
	active, activeBefore := anyIn(times, from, to), anyIn(times, before, from)
	first := slices.Min(times)
	switch {
	case active && from <= first && first < to:
		return "new"
	case active && activeBefore:
		return "returning"
	case active:
		return "resurrected"
	case activeBefore:
		return "dormant"
	}
	return ""
}

// stickiness answers stickiness.
func (w *world) stickiness(s *query.Stickiness, x *query.Explain) *query.Answer {
	n := len(s.Buckets.Labels)
	answer := &query.Answer{Intervals: []int{}, People: make([]int64, n)}
	for k := range n {
		answer.Intervals = append(answer.Intervals, k+1)
	}
	persons := map[uint32]bool{}
	for person, times := range w.activity(s.Match) {
		buckets := 0
		for i := range n {
			if anyIn(times, s.Buckets.Edges[i], s.Buckets.Edges[i+1]) {
				buckets++
			}
		}
		for i, k := range answer.Intervals {
			if buckets != k && !(s.Cumulative && buckets > k) {
				continue
			}
			answer.People[i]++
			if x != nil && x.Intervals == k {
				persons[person] = true
			}
		}
	}
	if x != nil {
		return explained(persons)
	}
	return answer
}
