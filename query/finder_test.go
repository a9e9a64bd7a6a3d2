package query

import (
	"math/rand/v2"
	"testing"

	"github.com/weirhq/weir"
)

const hourLong = weir.Micros(3_600_000_000)

func TestFinderFindsDaysOfAnyLength(t *testing.T) {
	// Days of 24, 23, 24, 24, 25 and 24 hours, and a last one that is cut.
	edges := []weir.Micros{0}
	for _, hours := range []weir.Micros{24, 23, 24, 24, 25, 24, 7} {
		edges = append(edges, edges[len(edges)-1]+hours*hourLong)
	}
	random := rand.New(rand.NewPCG(1, 1))
	f := NewFinder(edges)
	for range 5000 {
		at := weir.Micros(random.Int64N(int64(8*24*hourLong))) - 6*hourLong
		if random.IntN(3) == 0 {
			at = edges[random.IntN(len(edges))] - weir.Micros(random.IntN(2))
		}
		want := -1
		for i := range len(edges) - 1 {
			if at >= edges[i] && at < edges[i+1] {
				want = i
			}
		}
		if got := f.Of(at); got != want {
			t.Fatalf("%d is in %d, want %d", at, got, want)
		}
	}
}
