package pipeline

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	items    *prometheus.CounterVec
	batches  prometheus.Histogram
	seconds  *prometheus.CounterVec
	lag      prometheus.Gauge
	failures prometheus.Counter
	dead     prometheus.Counter
	waiting  prometheus.Counter
	damaged  prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		items:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weir_pipeline_items_total", Help: "Items processed, by outcome."}, []string{"status"}),
		batches:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "weir_pipeline_batch_items", Help: "Items per micro-batch.", Buckets: prometheus.ExponentialBuckets(1, 4, 8)}),
		seconds:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weir_pipeline_step_seconds_total", Help: "Seconds spent in each step."}, []string{"step"}),
		lag:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "weir_pipeline_delay_seconds", Help: "Seconds from receipt to commit of the oldest item of the last batch."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "weir_pipeline_failures_total", Help: "Tries of a batch that failed."}),
		dead:     prometheus.NewCounter(prometheus.CounterOpts{Name: "weir_pipeline_dead_items_total", Help: "Items set aside because their processing failed again and again."}),
		waiting:  prometheus.NewCounter(prometheus.CounterOpts{Name: "weir_pipeline_waiting_items_total", Help: "Items put off because their user was busy."}),
		damaged:  prometheus.NewCounter(prometheus.CounterOpts{Name: "weir_pipeline_damaged_frames_total", Help: "Frames lost to damaged bytes."}),
	}
	if r != nil {
		r.MustRegister(m.items, m.batches, m.seconds, m.lag, m.failures, m.dead, m.waiting, m.damaged)
	}
	return m
}

// count notes a processed batch.
func (m *metrics) count(b *Batch) {
	m.batches.Observe(float64(len(b.Entries)))
	statuses := map[string]float64{}
	oldest := b.AsOf
	for _, e := range b.Entries {
		statuses[string(e.Outcome.Status)]++
		oldest = min(oldest, e.Record.ReceivedAt)
	}
	for status, n := range statuses {
		m.items.WithLabelValues(status).Add(n)
	}
	m.lag.Set(float64(b.AsOf-oldest) / 1e6)
}
