package journey

import (
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// lifecycle counts in what state people are in each bucket. It needs the first event of
// all time, which makes a person new.
type lifecycle struct {
	plan    *query.Lifecycle
	explain *query.Explain
	edges   []weir.Micros // from Before on: one bucket lies before the first
	buckets query.Finder  // of edges
	adder   *adder
	counts  [4][]int64 // by state and bucket
	persons []uint32   // with explain
}

// The states of a lifecycle.
const (
	stateNew = iota
	stateReturning
	stateResurrected
	stateDormant
)

// stateName is what explain calls a state.
func stateName(state int) string {
	return [...]string{"new", "returning", "resurrected", "dormant"}[state]
}

func newLifecycle(p *query.Lifecycle, explain *query.Explain) fold {
	f := &lifecycle{plan: p, explain: explain, persons: []uint32{}}
	f.edges = append([]weir.Micros{p.Before}, p.Buckets.Edges...)
	f.buckets = query.NewFinder(f.edges)
	f.adder = newAdder(f.summaries())
	for state := range f.counts {
		f.counts[state] = make([]int64, len(p.Buckets.Labels))
	}
	return f
}

func (f *lifecycle) request() *Request {
	span := query.Span{From: query.TimeMin, To: f.plan.Buckets.Edges[len(f.plan.Buckets.Edges)-1]}
	return &Request{Marks: []Mark{{Match: f.plan.Match, Span: span}}}
}

func (f *lifecycle) summaries() ([]need, []weir.Micros) {
	return []need{needFirst | needBuckets}, f.edges
}

func (f *lifecycle) trait() *query.Ref { return nil }

func (f *lifecycle) add(who Person, events []Event, _ *Texts) { f.meet(who, f.adder.one(events)) }

func (f *lifecycle) meet(who Person, s []summary) {
	first := -1 // the bucket in which the person is new
	if s[0].first >= f.plan.Before {
		first = f.buckets.Of(s[0].first)
	}
	counted := false
	last := -2
	leave := func() { // the bucket after the last one in which the person was active
		if last >= 0 {
			counted = f.count(stateDormant, last+1) || counted
		}
	}
	s[0].each(0, func(bucket int) {
		state := stateResurrected
		switch {
		case bucket == first:
			state = stateNew
		case last == bucket-1:
			state = stateReturning
		}
		if last != bucket-1 {
			leave()
		}
		counted = f.count(state, bucket) || counted
		last = bucket
	})
	leave()
	if counted {
		f.persons = append(f.persons, who.Number)
	}
}

// count counts a person in a bucket of the finder, if the answer has it. It reports
// whether explain asks for that.
func (f *lifecycle) count(state, bucket int) bool {
	bucket-- // the answer does not have the one before the first
	if bucket < 0 || bucket >= len(f.plan.Buckets.Labels) {
		return false
	}
	f.counts[state][bucket]++
	e := f.explain
	return e != nil && (e.Bucket == bucket || e.Bucket == -1) && e.State == stateName(state)
}

func (f *lifecycle) answer(*Texts) *query.Answer {
	if f.explain != nil {
		slices.Sort(f.persons)
		return &query.Answer{Persons: f.persons}
	}
	for i := range f.counts[stateDormant] {
		f.counts[stateDormant][i] *= -1
	}
	return &query.Answer{
		Buckets: f.plan.Buckets.Labels,
		New:     f.counts[stateNew], Returning: f.counts[stateReturning],
		Resurrected: f.counts[stateResurrected], Dormant: f.counts[stateDormant],
	}
}

// stickiness counts people by the number of buckets in which they are active.
type stickiness struct {
	plan    *query.Stickiness
	explain *query.Explain
	adder   *adder
	people  []int64 // [k-1]: active in exactly k
	persons []uint32
}

func newStickiness(p *query.Stickiness, explain *query.Explain) fold {
	f := &stickiness{plan: p, explain: explain, people: make([]int64, len(p.Buckets.Labels)), persons: []uint32{}}
	f.adder = newAdder(f.summaries())
	return f
}

func (f *stickiness) request() *Request {
	edges := f.plan.Buckets.Edges
	return &Request{Marks: []Mark{{Match: f.plan.Match, Span: query.Span{From: edges[0], To: edges[len(edges)-1]}}}}
}

func (f *stickiness) summaries() ([]need, []weir.Micros) {
	return []need{needBuckets}, f.plan.Buckets.Edges
}

func (f *stickiness) trait() *query.Ref { return nil }

func (f *stickiness) add(who Person, events []Event, _ *Texts) { f.meet(who, f.adder.one(events)) }

func (f *stickiness) meet(who Person, s []summary) {
	k := s[0].active()
	f.people[k-1]++
	if e := f.explain; e != nil && e.Intervals >= 1 && (k == e.Intervals || f.plan.Cumulative && k > e.Intervals) {
		f.persons = append(f.persons, who.Number)
	}
}

func (f *stickiness) answer(*Texts) *query.Answer {
	if f.explain != nil {
		slices.Sort(f.persons)
		return &query.Answer{Persons: f.persons}
	}
	a := &query.Answer{Intervals: make([]int, len(f.people)), People: f.people}
	for i := range a.Intervals {
		a.Intervals[i] = i + 1
	}
	if f.plan.Cumulative {
		for i := len(f.people) - 2; i >= 0; i-- {
			f.people[i] += f.people[i+1]
		}
	}
	return a
}
