package query

import (
	"time"

	"github.com/weirhq/weir"
)

// Whole makes the buckets that have an instant in the range, as Divide does, but
// cuts none of them: the first edge is where the first one truly begins, the last
// edge where the last one ends.
func (c Calendar) Whole(from, to weir.Micros) (Buckets, error) {
	b, err := c.Divide(from, to)
	if err != nil {
		return Buckets{}, err
	}
	last := len(b.Edges) - 1
	b.Edges[0] = c.starts(from, 1)[0]
	b.Edges[last] = c.starts(b.Edges[last-1], 2)[1]
	return b, nil
}

// Following are the ends of the next buckets, as many as asked for, after an edge at
// which a bucket begins.
func (c Calendar) Following(edge weir.Micros, count int) []weir.Micros {
	return c.starts(edge, count+1)[1:]
}

// Before is where the bucket begins that ends at an edge.
func (c Calendar) Before(edge weir.Micros) weir.Micros { return c.starts(edge-1, 1)[0] }

// starts are the beginnings of the bucket that holds the instant and of those that
// follow it, count together.
func (c Calendar) starts(at weir.Micros, count int) []weir.Micros {
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	starts := make([]weir.Micros, 0, count)
	add := func(start weir.Micros, _ string) bool {
		starts = append(starts, start)
		return len(starts) < count
	}
	switch c.Interval {
	case Minute:
		c.eachOfClock(at, TimeMax, 60, add)
	case Hour:
		c.eachOfClock(at, TimeMax, 3600, add)
	default:
		c.eachOfCalendar(at, TimeMax, add)
	}
	return starts
}
