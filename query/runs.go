package query

import "github.com/weirhq/weir"

// Run is a stretch of time in which the bucket of an instant is a division:
//
//	bucket = First + (ts-Start)/Width   for From <= ts < To
//
// All are in microseconds; ts-Start is never negative.
type Run struct {
	First    int         // index of the run's first bucket
	From, To weir.Micros // where the run applies, half open
	Start    weir.Micros // where First would begin, were it as wide as the rest; at most From
	Width    weir.Micros // of the run's buckets; above 0
}

// Runs covers the range with the fewest runs, in order, without gaps. The first
// and the last bucket of a run may be narrower than the others: they only end
// where the run does. So what the range cuts and the 23-hour day of a zone make
// no run of their own; days in a zone with daylight saving have three runs a year
// and one more, hours have one, and months half as many as there are months.
func (b Buckets) Runs() []Run {
	var runs []Run
	n := len(b.Edges) - 1
	width := func(i int) weir.Micros { return b.Edges[i+1] - b.Edges[i] }
	for i := 0; i < n; {
		w, end := width(i), i+1
		if end < n {
			w = max(w, width(end))
		}
		for end < n && width(end) == w {
			end++
		}
		// A narrower one may end the run. It is not the first bucket: if that is
		// narrower than w, the second is as wide.
		if end < n && width(end) < w {
			end++
		}
		runs = append(runs, Run{First: i, From: b.Edges[i], To: b.Edges[end], Start: b.Edges[i+1] - w, Width: w})
		i = end
	}
	return runs
}
