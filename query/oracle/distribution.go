package oracle

import (
	"math"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// amount is a value of a distribution, and whose it is.
type amount struct {
	person uint32
	value  float64
}

// distribution answers a distribution.
func (w *world) distribution(d *query.Distribution, x *query.Explain) *query.Answer {
	amounts := w.amounts(d)
	values := make([]float64, 0, len(amounts))
	for _, a := range amounts {
		values = append(values, a.value)
	}
	slices.Sort(values)
	bins := binsOf(values, d.Bins)
	persons := map[uint32]bool{}
	for _, a := range amounts {
		i := binOf(bins, a.value)
		bins[i].Count++
		if x != nil && x.Bin == i {
			persons[a.person] = true
		}
	}
	if x != nil {
		return explained(persons)
	}
	return &query.Answer{Bins: bins, Stats: statsOf(values)}
}

// amounts are all values: those of events, or how many events each person has.
func (w *world) amounts(d *query.Distribution) []amount {
	var all []amount
	events := map[uint32]int{}
	for _, r := range w.matching(d.Match, d.Range) {
		events[r.event.Person]++
		if d.Property == nil {
			continue
		}
		v := r.value(*d.Property)
		f, ok := v.Num, v.Type == weir.Number
		if v.Type == weir.String {
			f, ok = query.ReadNumber(v.Str)
		}
		if ok {
			all = append(all, amount{r.event.Person, f + 0}) // + 0: there is no -0
		}
	}
	if d.Property == nil {
		for person, n := range events {
			all = append(all, amount{person, float64(n)})
		}
	}
	return all
}

// binsOf makes the bins of sorted values, still empty.
func binsOf(sorted []float64, most int) []query.Bin {
	different := slices.Compact(slices.Clone(sorted))
	bins := []query.Bin{}
	if len(different) == 0 {
		return bins
	}
	whole := !slices.ContainsFunc(different, func(v float64) bool { return v != math.Trunc(v) })
	if whole && len(different) <= most || len(different) == 1 {
		for _, v := range different {
			bins = append(bins, query.Bin{From: v, To: v})
		}
		return bins
	}
	least, greatest := different[0], different[len(different)-1]
	width := (greatest - least) / float64(most)
	for i := range most {
		bins = append(bins, query.Bin{From: least + float64(i)*width, To: least + float64(i+1)*width})
	}
	bins[most-1].To = greatest
	return bins
}

// binOf is the bin of a value.
func binOf(bins []query.Bin, v float64) int {
	for i, b := range bins {
		if b.From == b.To && v == b.From {
			return i
		}
	}
	least, last := bins[0].From, len(bins)-1
	width := (bins[last].To - least) / float64(len(bins))
	return min(int(math.Floor((v-least)/width)), last)
}

// statsOf are of sorted values. Their sum is taken in ascending order.
func statsOf(sorted []float64) *query.Stats {
	n := len(sorted)
	s := &query.Stats{Count: int64(n), Min: query.None, Max: query.None, Average: query.None, Median: query.None}
	if n == 0 {
		return s
	}
	sum := 0.0
	for _, v := range sorted {
		sum += v
	}
	s.Min, s.Max = query.Real(sorted[0]), query.Real(sorted[n-1])
	s.Average = query.Real(sum / float64(n))
	s.Median = query.Real((sorted[(n-1)/2] + sorted[n/2]) / 2)
	return s
}
