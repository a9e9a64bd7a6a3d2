package query

import (
	"sort"

	"github.com/weirhq/weir"
)

// Finder finds the buckets of instants, fastest if they come in order. It is used by
// one goroutine.
type Finder struct {
	edges  []weir.Micros
	runs   []Run
	run    int // of the last instant
	bucket int // and its bucket
}

// NewFinder is for buckets between edges, of which there are at least two.
func NewFinder(edges []weir.Micros) Finder {
	return Finder{edges: edges, runs: Buckets{Edges: edges}.Runs()}
}

// Of is the bucket that an instant lies in, or -1.
func (f *Finder) Of(at weir.Micros) int {
	if at >= f.edges[f.bucket] && at < f.edges[f.bucket+1] {
		return f.bucket
	}
	return f.find(at)
}

func (f *Finder) find(at weir.Micros) int {
	if at < f.edges[0] || at >= f.edges[len(f.edges)-1] {
		return -1
	}
	r := &f.runs[f.run]
	if at < r.From || at >= r.To {
		f.run = sort.Search(len(f.runs), func(i int) bool { return f.runs[i].To > at })
		r = &f.runs[f.run]
	}
	f.bucket = r.First + int((at-r.Start)/r.Width)
	return f.bucket
}

// All appends the bucket of each instant, or -1, to what into has room for.
func (f *Finder) All(at []int64, into []int32) []int32 {
	into = into[:0]
	for _, t := range at {
		into = append(into, int32(f.Of(weir.Micros(t))))
	}
	return into
}
