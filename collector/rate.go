package collector

import (
	"sync"
	"time"

	"github.com/weirhq/weir"
)

// maxBuckets bounds the sources that are remembered at once. A bucket that is
// full again says nothing and is forgotten first.
const maxBuckets = 10_000

// limiter bounds the items per second of each source, by a token bucket that
// is full at first.
type limiter struct {
	rate  float64 // tokens per second
	burst float64

	mu      sync.Mutex
	buckets map[source]*bucket
}

type source struct {
	workspace weir.WorkspaceID
	key       weir.SourceID
}

type bucket struct {
	tokens float64
	at     time.Time
}

// take lets n items of a source pass and returns 0, or says how long to wait
// until they would. More items than the burst pass when the bucket is full, and
// leave it in debt.
func (l *limiter) take(from source, n int, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[from]
	if b == nil {
		if len(l.buckets) >= maxBuckets {
			l.forget(now)
		}
		b = &bucket{l.burst, now}
		l.buckets[from] = b
	}
	b.fill(l, now)
	need := min(float64(n), l.burst)
	if b.tokens < need {
		return time.Duration((need - b.tokens) / l.rate * float64(time.Second))
	}
	b.tokens -= float64(n)
	return 0
}

func (b *bucket) fill(l *limiter, now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(l.burst, b.tokens+passed.Seconds()*l.rate)
		b.at = now
	}
}

func (l *limiter) forget(now time.Time) {
	for from, b := range l.buckets {
		if b.fill(l, now); b.tokens == l.burst {
			delete(l.buckets, from)
		}
	}
}
