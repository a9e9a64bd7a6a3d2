package rabbitqueue_test

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/queue/queuetest"
	"github.com/weirhq/weir/queue/rabbitqueue"
)

// values are the counters and gauges of a registry.
func values(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch {
			case m.GetCounter() != nil:
				all[f.GetName()] = m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				all[f.GetName()] = m.GetGauge().GetValue()
			case m.GetHistogram() != nil:
				all[f.GetName()] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return all
}

func TestMetrics(t *testing.T) {
	b := newBench(t)
	registry := prometheus.NewRegistry()
	observe := func(o *rabbitqueue.Options) {
		o.Registerer = registry
		o.MaxBacklog = 40_000
	}
	q := b.open(t, observe)
	if err := q.Append(t.Context(), []frame.Body{queuetest.Body(t, 0, "a", "b"), queuetest.Body(t, 1, "c")}); err != nil {
		t.Fatal(err)
	}
	if err := q.Append(t.Context(), []frame.Body{{Partition: 99, Count: 1}}); err == nil {
		t.Fatal("a partition that is not there")
	}
	large := queuetest.Body(t, 2, "d")
	large.Data = append(large.Data, make([]byte, 11_000)...)
	eventually(t, "be full", patience, func() bool {
		return errors.Is(q.Append(t.Context(), []frame.Body{large}), queue.ErrFull)
	})
	got := values(t, registry)
	for name, want := range map[string]float64{
		"weir_queue_full_total": 1, "weir_queue_unconfirmed_total": 0, "weir_queue_damaged_total": 0, "weir_queue_dead_letters": 0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
	}
	appends := got["weir_queue_append_seconds"]
	if got["weir_queue_frames_total"] != appends+1 || got["weir_queue_records_total"] != appends+2 || got["weir_queue_bytes_total"] < 11_000 {
		t.Errorf("after %v appends: %v", appends, got)
	}
	b.publish(t, "p03", amqpGarbage)
	c := consume(t, q, 3)
	take(t, c, 1)
	if err := c.Ack(t.Context(), map[int]uint64{3: 1}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "be a dead letter", patience, func() bool {
		_, total, err := q.DeadLetters(t.Context(), 0)
		return err == nil && total == 1
	})
	if got = values(t, registry); got["weir_queue_damaged_total"] != 1 {
		t.Errorf("%v are damaged", got["weir_queue_damaged_total"])
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if left := values(t, registry); len(left) != 0 {
		t.Errorf("after closing there is %v", left)
	}
	// What waits and what is dead is measured when the queue is opened, and then on.
	b.open(t, observe)
	eventually(t, "measure", patience, func() bool {
		got = values(t, registry)
		return got["weir_queue_backlog_records"] > 0 && got["weir_queue_backlog_bytes"] > 0 && got["weir_queue_dead_letters"] == 1
	})
}

// Before frames have numbers, lag knows how many there are, and about how large.
func TestLagEstimates(t *testing.T) {
	b := newBench(t)
	q := b.open(t, nil)
	for range 3 {
		if err := q.Append(t.Context(), []frame.Body{queuetest.Body(t, 0, "a", "b"), queuetest.Body(t, 1, "c", "d")}); err != nil {
			t.Fatal(err)
		}
	}
	lag, err := q.Lag(t.Context())
	if err != nil || lag.Records != 12 || lag.Bytes < 6*frame.HeaderSize || lag.Head[0] != 0 {
		t.Errorf("lag is %+v, %v; want 12 records in 6 frames", lag, err)
	}
	// Those that were given and come back are counted once.
	c := consume(t, q)
	take(t, c, 6)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "come back", patience, func() bool {
		lag, err = q.Lag(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return lag.Records == 12 && lag.Head[0] == 6
	})
}
