package journey

import (
	"cmp"
	"math"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// distribution counts how often each value occurs. Values have keys: without a
// property the number of events itself, else the number of the text, so that each
// text is read once and not for every event.
type distribution struct {
	plan    *query.Distribution
	explain *query.Explain
	counts  map[int32]int64 // without a property
	byText  []int64         // with one: by Event.Values
	people  []valued        // with explain
}

// valued is a person and the key of one of their values.
type valued struct {
	person uint32
	key    int32
}

// repeated is a value and how often it occurs.
type repeated struct {
	value float64
	count int64
}

func newDistribution(p *query.Distribution, explain *query.Explain) fold {
	return &distribution{plan: p, explain: explain, counts: map[int32]int64{}}
}

// edges are not needed for numbers of events; the values of a property stand in the
// rows.
func (f *distribution) summaries() ([]need, []weir.Micros) {
	if f.plan.Property != nil {
		return nil, nil
	}
	return []need{needCount}, nil
}

func (f *distribution) meet(who Person, s []summary) {
	f.counts[int32(s[0].count)]++
	f.note(who, int32(s[0].count))
}

func (f *distribution) request() *Request {
	r := &Request{Marks: []Mark{{Match: f.plan.Match, Span: f.plan.Range}}}
	if f.plan.Property != nil {
		r.Texts = []query.Ref{*f.plan.Property}
	}
	return r
}

func (f *distribution) trait() *query.Ref { return nil }

func (f *distribution) add(who Person, events []Event, _ *Texts) {
	if f.plan.Property == nil {
		f.counts[int32(len(events))]++
		f.note(who, int32(len(events)))
		return
	}
	for i := range events {
		key := events[i].Values
		if int(key) >= len(f.byText) {
			f.byText = slices.Grow(f.byText, int(key)+1-len(f.byText))[:key+1]
		}
		f.byText[key]++
		f.note(who, key)
	}
}

// note remembers for explain that a person has a value: its bin shows at the end.
func (f *distribution) note(who Person, key int32) {
	if n := len(f.people); f.explain != nil && (n == 0 || f.people[n-1] != valued{who.Number, key}) {
		f.people = append(f.people, valued{who.Number, key})
	}
}

// value is the number of a key, if it is one.
func (f *distribution) value(key int32, t *Texts) (float64, bool) {
	if f.plan.Property == nil {
		return float64(key), true
	}
	number := t.Of(key, 0)
	if number == NoText {
		return 0, false
	}
	v, ok := query.ReadNumber(t.Text(number))
	if v == 0 {
		return 0, ok // and not -0
	}
	return v, ok
}

// values are the different values, ascending.
func (f *distribution) values(t *Texts) []repeated {
	var all []repeated
	take := func(key int32, count int64) {
		if count == 0 {
			return
		}
		if v, ok := f.value(key, t); ok {
			all = append(all, repeated{v, count})
		}
	}
	for key, count := range f.counts {
		take(key, count)
	}
	for key, count := range f.byText {
		take(int32(key), count)
	}
	slices.SortFunc(all, func(a, b repeated) int { return cmp.Compare(a.value, b.value) })
	// "5" and "5.0" are one number.
	different := all[:0]
	for _, v := range all {
		if n := len(different); n > 0 && different[n-1].value == v.value {
			different[n-1].count += v.count
		} else {
			different = append(different, v)
		}
	}
	return different
}

func (f *distribution) answer(t *Texts) *query.Answer {
	values := f.values(t)
	bins, binOf := f.bins(values)
	if f.explain != nil {
		return &query.Answer{Persons: f.persons(binOf, t)}
	}
	for _, v := range values {
		bins[binOf(v.value)].Count += v.count
	}
	return &query.Answer{Bins: bins, Stats: statsOf(values)}
}

// persons are those who have a value in the bin that explain names.
func (f *distribution) persons(binOf func(float64) int, t *Texts) []uint32 {
	in := map[int32]bool{} // by key
	persons := []uint32{}
	for _, p := range f.people {
		is, ok := in[p.key]
		if !ok {
			v, isNumber := f.value(p.key, t)
			is = isNumber && binOf(v) == f.explain.Bin
			in[p.key] = is
		}
		if is {
			persons = append(persons, p.person)
		}
	}
	slices.Sort(persons)
	return slices.Compact(persons)
}

// bins are the bins, empty as yet, and which one a value is in.
func (f *distribution) bins(values []repeated) ([]query.Bin, func(float64) int) {
	n := len(values)
	if n == 0 {
		return []query.Bin{}, func(float64) int { return -1 }
	}
	whole := func(v repeated) bool { return v.value == math.Trunc(v.value) }
	if n <= f.plan.Bins && !slices.ContainsFunc(values, func(v repeated) bool { return !whole(v) }) {
		bins := make([]query.Bin, n)
		for i, v := range values {
			bins[i].From, bins[i].To = v.value, v.value
		}
		return bins, func(v float64) int {
			i, _ := slices.BinarySearchFunc(values, v, func(r repeated, v float64) int { return cmp.Compare(r.value, v) })
			return i
		}
	}
	return equalBins(values[0].value, values[n-1].value, f.plan.Bins)
}

// equalBins are so many of the same width. Bins that would have no width are one.
func equalBins(least, greatest float64, n int) ([]query.Bin, func(float64) int) {
	// The width of numbers that are very far apart is beyond float64: it is computed at
	// half their size then. All products are rounded before they are added, so that
	// every machine computes the same.
	scale := 1.0
	if math.IsInf(greatest-least, 0) {
		scale = 0.5
	}
	low := least * scale
	width := (float64(greatest*scale) - low) / float64(n)
	if width == 0 {
		return []query.Bin{{From: least, To: greatest}}, func(float64) int { return 0 }
	}
	bins := make([]query.Bin, n)
	for i := range bins {
		bins[i].From = (low + float64(float64(i)*width)) / scale
		bins[i].To = (low + float64(float64(i+1)*width)) / scale
	}
	bins[0].From, bins[n-1].To = least, greatest
	return bins, func(v float64) int {
		return min(int(math.Floor((float64(v*scale)-low)/width)), n-1)
	}
}

// statsOf is of values that ascend.
func statsOf(values []repeated) *query.Stats {
	s := &query.Stats{Min: query.None, Max: query.None, Average: query.None, Median: query.None}
	if len(values) == 0 {
		return s
	}
	sum := 0.0
	for _, v := range values {
		s.Count += v.count
		for range v.count {
			sum += v.value // one by one: a product would be rounded another way
		}
	}
	s.Min, s.Max = query.Real(values[0].value), query.Real(values[len(values)-1].value)
	s.Average = query.Real(sum / float64(s.Count))
	s.Median = query.Real((ranked(values, (s.Count-1)/2) + ranked(values, s.Count/2)) / 2)
	return s
}

// ranked is the value at a place, from 0, of all in ascending order.
func ranked(values []repeated, place int64) float64 {
	for _, v := range values {
		if place < v.count {
			return v.value
		}
		place -= v.count
	}
	return math.NaN()
}
