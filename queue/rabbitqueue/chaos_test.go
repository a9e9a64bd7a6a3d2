package rabbitqueue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/queue/queuetest"
	"github.com/weirhq/weir/queue/rabbitqueue"
)

// Workers in three processes come and go, and their connections are cut, while
// frames are appended. Whoever is given a frame is told the number that stands for
// its place in the partition, nothing is reported missing, and in the end all is
// acknowledged.
func TestWorkersComeAndGo(t *testing.T) {
	const processes, frames = 3, 400
	b := newBench(t)
	direct := b.open(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	var acked [queuetest.Partitions]atomic.Uint64
	var given, again atomic.Int64
	for i := range processes {
		p := newProxy(t)
		q := b.openAt(t, p.url(), func(o *rabbitqueue.Options) {
			o.DeliveryLimit = 1000 // nobody is to blame here
			o.Prefetch = 20
		})
		random := rand.New(rand.NewPCG(1, uint64(i)))
		running.Go(func() {
			seen := map[got]bool{}
			for ctx.Err() == nil {
				c, err := q.Consume(ctx, nil)
				if err != nil {
					continue // its connection was cut meanwhile
				}
				for range random.IntN(40) {
					if !workOnce(ctx, t, c, &acked, func(g got) {
						given.Add(1)
						if seen[g] {
							again.Add(1)
						}
						seen[g] = true
					}) {
						break
					}
				}
				if err := c.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}
		})
		running.Go(func() {
			for ctx.Err() == nil {
				select {
				case <-time.After(time.Duration(200+rand.IntN(600)) * time.Millisecond): // the storm's pace
					p.cut()
				case <-ctx.Done():
				}
			}
		})
	}
	for i := range frames {
		for p := range queuetest.Partitions {
			appendTo(t, direct, p, fmt.Sprint(i+1))
		}
	}
	eventually(t, "be acknowledged", 3*patience, func() bool {
		for p := range acked {
			if acked[p].Load() < frames {
				return t.Failed()
			}
		}
		return true
	})
	cancel()
	running.Wait()
	lag, err := direct.Lag(t.Context())
	if err != nil || lag.Records != 0 {
		t.Errorf("lag is %+v, %v", lag, err)
	}
	t.Logf("%d frames were given %d times, %d of them to the same process again", frames*queuetest.Partitions, given.Load(), again.Load())
}

// workOnce receives and acknowledges, unless ctx ends.
func workOnce(ctx context.Context, t *testing.T, c queue.Consumer, acked *[queuetest.Partitions]atomic.Uint64, note func(got)) bool {
	deliveries, err := c.Receive(ctx, 1+rand.IntN(30))
	if errors.Is(err, context.Canceled) {
		return false
	}
	if err != nil {
		t.Errorf("receive: %v", err)
		return false
	}
	upTo := map[int]uint64{}
	for _, d := range deliveries {
		g := short(t, d)
		if g.name != fmt.Sprint(g.first) {
			t.Errorf("partition %d: number %d is given to frame %s (%v)", g.partition, g.first, g.name, d.Damage)
		}
		if last, ok := upTo[g.partition]; ok && g.first != last+1 {
			t.Errorf("partition %d: %d follows %d", g.partition, g.first, last)
		}
		upTo[g.partition] = d.Header.Last()
		note(g)
	}
	if rand.IntN(4) == 0 {
		return true // later, or by another one
	}
	if err := c.Ack(context.WithoutCancel(ctx), upTo); err != nil {
		t.Errorf("ack: %v", err)
		return false
	}
	for p, seq := range upTo {
		for {
			was := acked[p].Load()
			if was >= seq || acked[p].CompareAndSwap(was, seq) {
				break
			}
		}
	}
	return true
}
