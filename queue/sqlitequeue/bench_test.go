package sqlitequeue_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/queue/sqlitequeue"
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

func encode(b testing.TB, partition int, records []weir.Record) frame.Body {
	b.Helper()
	body, err := frame.Encode(partition, records)
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// BenchmarkAppend appends, in each iteration, one body to each of 8 partitions
// in one call, as the collector's group commit does. Encoding is not measured.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 50, 1000} {
		b.Run(fmt.Sprintf("8x%d", n), func(b *testing.B) {
			q := open(b, b.TempDir(), &sqlitequeue.Options{MaxBacklog: -1})
			bodies := make([]frame.Body, 8)
			for p := range bodies {
				bodies[p] = encode(b, p, items(n))
			}
			for b.Loop() {
				if err := q.Append(b.Context(), bodies); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*8*n)/b.Elapsed().Seconds(), "records/s")
			if err := q.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkSingles is single records of 64 callers through a caller that commits
// them in groups: what waits while one group is stored is the next group.
func BenchmarkSingles(b *testing.B) {
	q := open(b, b.TempDir(), &sqlitequeue.Options{MaxBacklog: -1})
	record := items(1)
	type request struct {
		partition int
		done      chan error
	}
	requests := make(chan request, 64)
	var committer sync.WaitGroup
	committer.Go(func() {
		for first := range requests {
			group := []request{first}
			for range len(requests) {
				group = append(group, <-requests)
			}
			byPartition := make([][]weir.Record, 8)
			for _, r := range group {
				byPartition[r.partition] = append(byPartition[r.partition], record[0])
			}
			var bodies []frame.Body
			for p, records := range byPartition {
				if len(records) > 0 {
					bodies = append(bodies, encode(b, p, records))
				}
			}
			err := q.Append(b.Context(), bodies)
			for _, r := range group {
				r.done <- err
			}
		}
	})
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		done := make(chan error, 1)
		for i := 0; pb.Next(); i++ {
			requests <- request{i % 8, done}
			if err := <-done; err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	close(requests)
	committer.Wait()
	if err := q.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkReceive drains what was appended before, in batches of 5,000 records
// that are acknowledged one by one.
func BenchmarkReceive(b *testing.B) {
	for _, n := range []int{1, 50, 1000} {
		b.Run(fmt.Sprintf("frames of %d", n), func(b *testing.B) {
			q := open(b, b.TempDir(), &sqlitequeue.Options{MaxBacklog: -1})
			bodies := make([]frame.Body, 8)
			for p := range bodies {
				bodies[p] = encode(b, p, items(n))
			}
			const batch = 5000
			total := b.N * batch
			for stored := 0; stored < total; {
				var group []frame.Body
				for len(group) < 1024 && stored < total {
					group = append(group, bodies...)
					stored += 8 * n
				}
				if err := q.Append(b.Context(), group); err != nil {
					b.Fatal(err)
				}
			}
			c, err := q.Consume(b.Context(), nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			for got := 0; got < total; {
				got += drain(b, c, batch)
			}
			b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "records/s")
			b.StopTimer()
			if err := q.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func drain(b *testing.B, c queue.Consumer, batch int) (records int) {
	deliveries, err := c.Receive(b.Context(), batch)
	if err != nil {
		b.Fatal(err)
	}
	upTo := map[int]uint64{}
	for _, d := range deliveries {
		upTo[d.Header.Partition] = d.Header.Last()
		records += d.Header.Count
	}
	if err := c.Ack(b.Context(), upTo); err != nil {
		b.Fatal(err)
	}
	return records
}
