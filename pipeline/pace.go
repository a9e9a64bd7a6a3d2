package pipeline

import (
	"context"
	"sync"
	"time"

	"github.com/weirhq/weir/queue"
)

// pace bounds micro-batches by how long they take: what a slow store is given gets less,
// so that nothing waits for long behind a batch, and grows again when it can.
type pace struct {
	most   int           // records
	target time.Duration // that neither the steps nor the writing of a batch should exceed

	mu    sync.Mutex
	items int
}

// leastItems keeps what each batch costs apart from its items in proportion.
const leastItems = 100

func newPace(first, most int, target time.Duration) *pace {
	return &pace{most: most, target: target, items: first}
}

// limit is how many records the next batch may have.
func (p *pace) limit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.items
}

// took learns from a batch of so many records.
func (p *pace) took(items int, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case d > p.target:
		p.items = max(min(items, p.items)/2, min(leastItems, p.most))
	case d < p.target/2 && items >= p.items:
		p.items = min(2*p.items, p.most)
	}
}

// lanes let what happens now pass what is history: between two batches of history, all
// that is live goes first.
type lanes struct {
	mu      sync.Mutex
	live    int // batches at hand
	changed chan struct{}
}

// mostYield is how long history waits for its turn at most: it gets on also where what
// is live never ends.
const mostYield = time.Second

// enter begins a batch of a lane; leave ends its steps.
func (l *lanes) enter(ctx context.Context, lane queue.Lane) (leave func()) {
	if lane == queue.History {
		patience, cancel := context.WithTimeout(ctx, mostYield)
		defer cancel()
		l.quiet(patience)
		return func() {}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.live--; l.live == 0 && l.changed != nil {
			close(l.changed)
			l.changed = nil
		}
	}
}

// quiet waits until nothing live is at hand, or ctx ends.
func (l *lanes) quiet(ctx context.Context) {
	for {
		l.mu.Lock()
		if l.live == 0 {
			l.mu.Unlock()
			return
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
