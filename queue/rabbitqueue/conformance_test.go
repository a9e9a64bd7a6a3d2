package rabbitqueue_test

import (
	"testing"

	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/queue/queuetest"
	"github.com/weirhq/weir/queue/rabbitqueue"
)

func TestConformance(t *testing.T) {
	queuetest.Test(t, func(t *testing.T) queuetest.Harness {
		b := newBench(t)
		return queuetest.Harness{
			Queue: b.open(t, nil),
			Reopen: func(t *testing.T) queue.Queue {
				return b.open(t, func(o *rabbitqueue.Options) { o.Partitions = 0 })
			},
			ReopenLimited: func(t *testing.T, maxBacklog int64) queue.Queue {
				b.remove(t) // the limit is a setting of the queues, which are empty
				return b.open(t, func(o *rabbitqueue.Options) { o.MaxBacklog = maxBacklog })
			},
			NumbersOnDelivery: true,
		}
	})
}
