package queue

// Lane is one of two ways through the queue. Each has its share of the partitions, so
// that what there is very much of, and nobody waits for, stands in nobody's way.
type Lane int

// The lanes.
const (
	Live    Lane = iota // what happens now
	History             // imports
)

// Range says which of n partitions are the lane's: size of them, from the first on. The
// first half, or one more, are for what happens now; a single partition is shared.
func (l Lane) Range(n int) (first, size int) {
	live := (n + 1) / 2
	switch {
	case l == Live:
		return 0, live
	case n == 1:
		return 0, 1
	}
	return live, n - live
}

// LaneOf is the lane of a partition, of n.
func LaneOf(partition, n int) Lane {
	if _, live := Live.Range(n); partition < live {
		return Live
	}
	return History
}
