package pipeline

import (
	"context"
	"testing"
	"time"

	"github.com/weirhq/weir/queue"
)

func TestPaceFollowsTheStores(t *testing.T) {
	p := newPace(5000, 5000, time.Second)
	steps := []struct {
		items int
		took  time.Duration
		want  int
	}{
		{5000, 300 * time.Millisecond, 5000},
		{5000, 1100 * time.Millisecond, 2500}, // too slow
		{2500, 900 * time.Millisecond, 2500},  // neither slow nor fast
		{2500, 3 * time.Second, 1250},
		{40, 2 * time.Second, leastItems}, // even few take long
		{10, 10 * time.Millisecond, 100},  // fast, but it proves nothing
		{100, 10 * time.Millisecond, 200},
		{200, 10 * time.Millisecond, 400},
		{4000, 10 * time.Millisecond, 800}, // one large frame
	}
	for i, s := range steps {
		p.took(s.items, s.took)
		if got := p.limit(); got != s.want {
			t.Fatalf("after step %d (%d items in %s) a batch has %d, want %d", i, s.items, s.took, got, s.want)
		}
	}
	for range 10 {
		p.took(p.limit(), 0)
	}
	if got := p.limit(); got != 5000 {
		t.Errorf("a batch grows to %d, want 5000", got)
	}
	small := newPace(7, 7, time.Second)
	small.took(7, time.Minute)
	if got := small.limit(); got != 7 {
		t.Errorf("a batch of at most 7 is cut to %d", got)
	}
}

func TestHistoryWaitsForWhatIsLive(t *testing.T) {
	var l lanes
	one, two := l.enter(t.Context(), queue.Live), l.enter(t.Context(), queue.Live)
	entered := make(chan struct{})
	go func() {
		l.enter(t.Context(), queue.History)()
		close(entered)
	}()
	one()
	select {
	case <-entered:
		t.Error("history goes on beside a live batch")
	default:
	}
	two()
	<-entered
	l.enter(t.Context(), queue.History)() // at once
	ctx, cancel := context.WithCancel(t.Context())
	l.enter(ctx, queue.Live)
	cancel()
	l.enter(ctx, queue.History) // does not wait for ever
}
