package rabbitqueue_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue/queuetest"
	"github.com/weirhq/weir/queue/rabbitqueue"
)

// items are n records of about 400 bytes of JSON.
func items(n int) []weir.Record {
	records := make([]weir.Record, n)
	for i := range records {
		user := fmt.Sprintf("user-%06d", i*7919%100_000)
		records[i] = weir.Record{
			Workspace: "shop", Source: "src_Ab3dE", Receipt: fmt.Sprintf("rcp_%08d", i/50), Index: i % 50,
			ReceivedAt: 1_790_000_000_000_000, UserID: user,
			Raw: fmt.Appendf(nil, `{"kind":"pageview","pageview":{"external_id":"pv-%016x","created_at":"2026-11-21T18:%02d:%02d.123Z","url":"https://shop.example/products/%d?utm_source=newsletter","title":"Product %d","referrer":"https://search.example/"},"user":{"external_id":%q,"is_authenticated":false},"session":{"external_id":"s-%08x"},"device":{"external_id":"d-%08x","language":"en-GB"}}`,
				i*2654435761, i%60, i*7%60, i%5000, i%5000, user, i*40503, i*69069),
		}
	}
	return records
}

const benchRecords = 50

func benchBody(b *testing.B, partition int) frame.Body {
	body, err := frame.Encode(partition, items(benchRecords))
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// BenchmarkAppend appends frames of 50 records, one a call, from several
// goroutines; encoding is not measured.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("%dx%d", callers, benchRecords), func(b *testing.B) {
			q := newBench(b).open(b, func(o *rabbitqueue.Options) { o.Ledger = nil })
			appendTo(b, q, 0, "warm")
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var running sync.WaitGroup
			for i := range callers {
				bodies := []frame.Body{benchBody(b, i%queuetest.Partitions)}
				running.Go(func() {
					for left.Add(-1) >= 0 {
						if err := q.Append(b.Context(), bodies); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			running.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
			b.ReportMetric(float64(b.N*benchRecords)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkConsume receives and acknowledges frames of 50 records that wait at the
// broker, up to 5000 records at a time.
func BenchmarkConsume(b *testing.B) {
	q := newBench(b).open(b, nil)
	bodies := make([]frame.Body, queuetest.Partitions)
	for p := range bodies {
		bodies[p] = benchBody(b, p)
	}
	frames := 0
	for ; frames < b.N; frames += len(bodies) {
		if err := q.Append(b.Context(), bodies); err != nil {
			b.Fatal(err)
		}
	}
	c := consume(b, q)
	b.ResetTimer()
	for left := frames; left > 0; {
		deliveries, err := c.Receive(b.Context(), 5000)
		if err != nil {
			b.Fatal(err)
		}
		upTo := map[int]uint64{}
		for _, d := range deliveries {
			upTo[d.Header.Partition] = d.Header.Last()
		}
		if err := c.Ack(b.Context(), upTo); err != nil {
			b.Fatal(err)
		}
		left -= len(deliveries)
	}
	b.ReportMetric(float64(frames)/b.Elapsed().Seconds(), "frames/s")
	b.ReportMetric(float64(frames*benchRecords)/b.Elapsed().Seconds(), "records/s")
}
