package queue_test

import (
	"testing"

	"github.com/weirhq/weir/queue"
)

func TestLanesShareThePartitions(t *testing.T) {
	for n := 2; n <= 9; n++ {
		var seen []queue.Lane
		for _, l := range []queue.Lane{queue.Live, queue.History} {
			first, size := l.Range(n)
			if first != len(seen) || size < 1 {
				t.Errorf("%d partitions: lane %d has %d from %d on", n, l, size, first)
			}
			for range size {
				seen = append(seen, l)
			}
		}
		if len(seen) != n {
			t.Errorf("%d partitions: %d have a lane", n, len(seen))
		}
		for p, l := range seen {
			if got := queue.LaneOf(p, n); got != l {
				t.Errorf("partition %d of %d is in lane %d, want %d", p, n, got, l)
			}
		}
	}
	for _, l := range []queue.Lane{queue.Live, queue.History} {
		if first, size := l.Range(1); first != 0 || size != 1 {
			t.Errorf("lane %d has %d from %d on, of one partition", l, size, first)
		}
	}
}
