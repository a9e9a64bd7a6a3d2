package pipeline_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/demo"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/item"
)

// BenchmarkPipeline takes what visitors of the demo shop do through all steps
// on real engines, in full micro-batches.
func BenchmarkPipeline(b *testing.B) {
	w := newWorld(b)
	shop := demo.New(1)
	day := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	var records []weir.Record
	for age := 0; len(records) < b.N; age++ {
		for _, e := range shop.Day(day.AddDate(0, 0, age), age) {
			raw, err := json.Marshal(e.Item)
			if err != nil {
				b.Fatal(err)
			}
			head, rejected := item.Check(raw, item.Limits{})
			records = append(records, weir.Record{Workspace: ws, Source: "bench", Receipt: "rcp_bench", ReceivedAt: received, UserID: head.UserID, Rejected: rejected, Raw: raw})
		}
	}
	records = records[:b.N]
	for len(records) > 0 {
		n := min(1000, len(records))
		body, err := frame.Encode(0, records[:n])
		if err != nil {
			b.Fatal(err)
		}
		if err := w.queue.Append(context.Background(), []frame.Body{body}); err != nil {
			b.Fatal(err)
		}
		records = records[n:]
	}
	p := w.pipeline()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	b.ResetTimer()
	go func() { done <- p.Run(ctx) }()
	w.settled(ctx)
	b.StopTimer()
	cancel()
	<-done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "items/s")
}
